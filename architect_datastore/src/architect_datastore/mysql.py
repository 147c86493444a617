"""MySQL and MariaDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from architect_core.hookspecs import hookimpl
from architect_core.network import NetworkParser

if TYPE_CHECKING:
    from architect_core.contract import CredentialParser

ARCHITECT_CONTRACT = 1


@hookimpl
def architect_credential_parser() -> CredentialParser:
    """Credentials for PyMySQL, mysqlclient and SQLAlchemy."""
    return NetworkParser("mysql", 3306, {"mysql": "mysql", "mariadb": "mariadb"})
