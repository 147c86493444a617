"""MySQL and MariaDB (https://dev.mysql.com/doc/refman/8.4/en/connecting-using-uri-or-key-value-pairs.html)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from architect_core.contract import CredentialParser, Options, hookimpl
from architect_core.plugins.known import port_of
from architect_datastore.mysql_drivers import DRIVERS
from architect_datastore.path import Path  # noqa: TC001 - pydantic reads it
from architect_datastore.tls import TlsParser, TlsUrls

if TYPE_CHECKING:
    from collections.abc import Mapping

ARCHITECT_CONTRACT = 1

_MODES = {
    "DISABLED": "disable",
    "PREFERRED": "prefer",
    "REQUIRED": "require",
    "VERIFY_CA": "verify-ca",
    "VERIFY_IDENTITY": "verify-full",
}


class MysqlOptions(Options):
    """Options of a MySQL or MariaDB datastore.

    Attributes:
        sslmode: what is asked of TLS; `ca` or `certificate` alone ask for "verify-full".
        ca: the path of a file with the certificates of the authorities that may have signed the server's, PEM; those of
            the system unless given.
        certificate: the path of the client's certificate, PEM.
        key: the path of its key, PEM; in `certificate` unless given.
        connect_timeout: seconds that connecting may take.
        charset: the connection's character set, such as "utf8mb4".
    """

    sslmode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    connect_timeout: int | None = Field(default=None, gt=0)
    charset: str | None = None


class MysqlParser(TlsParser):
    """Credentials for PyMySQL, mysqlclient, aiomysql, SQLAlchemy and Django.

    A socket is a `host` that starts with "/", in the entry, percent-encoded, or as the URL's option `unix_socket`.
    """

    Options = MysqlOptions
    socket = "unix_socket"
    tls = TlsUrls(
        names={
            "ssl-mode": "sslmode",
            "ssl-ca": "ca",
            "ssl-cert": "certificate",
            "ssl-key": "key",
            "ssl_mode": "sslmode",
            "ssl_ca": "ca",
            "ssl_cert": "certificate",
            "ssl_key": "key",
        }
    )

    def __init__(self) -> None:
        super().__init__(
            "mysql",
            port_of("mysql"),
            schemes={"mysql": "mysql", "mariadb": "mariadb"},
            aliases={"unix_socket": "host", "socket": "host"},
            drivers=DRIVERS,
        )

    def read_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """MySQL's own names of the modes mean ours; `reconnect`, which brokers write, is for clients in Ruby."""
        found = super().read_options(scheme, {key: value for key, value in query.items() if key != "reconnect"})
        if "sslmode" in found:
            mode = str(found["sslmode"])
            found["sslmode"] = _MODES.get(mode.upper(), mode)
        return found

    def write_options(self, scheme: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """With MySQL's own names of the modes."""
        scheme, query = super().write_options(scheme, options)
        if "sslmode" in query:
            mode = query.pop("sslmode")
            query = {"ssl-mode": next(name for name, ours in _MODES.items() if ours == mode), **query}
        return scheme, query


@hookimpl
def architect_credential_parser() -> CredentialParser:
    """Reads credentials."""
    return MysqlParser()
