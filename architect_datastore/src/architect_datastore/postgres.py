"""PostgreSQL (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from architect_core.hookspecs import hookimpl
from architect_core.network import NetworkParser

if TYPE_CHECKING:
    from architect_core.contract import CredentialParser, DatastoreProvisioner

ARCHITECT_CONTRACT = 1


@hookimpl
def architect_credential_parser() -> CredentialParser:
    """Credentials for psycopg2, psycopg 3, asyncpg and SQLAlchemy.

    A socket's folder is a `host` that starts with "/", in the entry or as the URL's option `host`.
    """
    return NetworkParser(
        "postgres",
        5432,
        schemes={"postgresql": "postgresql", "postgres": "postgresql", "postgis": "postgresql"},
        aliases={"host": "host", "port": "port", "user": "username", "password": "password", "dbname": "name"},
    )


@hookimpl
def architect_datastore_provisioner() -> DatastoreProvisioner:
    """Starts a server for `architect run`."""
    from architect_datastore.postgres_server import PostgresProvisioner

    return PostgresProvisioner()
