"""PostgreSQL (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from architect_core.contract import CredentialParser, DatastoreProvisioner, Options, hookimpl
from architect_core.plugins.known import port_of
from architect_datastore.kit.network import NetworkParser
from architect_datastore.path import Path  # noqa: TC001 - pydantic reads it
from architect_datastore.postgres_drivers import DRIVERS, SYSTEM
from architect_datastore.tls_keys import TLS, read_tls_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.contract import DatastoreTarget

ARCHITECT_CONTRACT = 1

_OPPORTUNISTIC = ("disable", "allow", "prefer")
_LIBPQ = {"ca": "sslrootcert", "certificate": "sslcert", "key": "sslkey"}


class PostgresOptions(Options):
    """Options of a PostgreSQL datastore. A URL's query may have any option of libpq.

    Attributes:
        sslmode: what is asked of TLS; libpq's own default is "prefer".
        ca: the path of a file with the certificates of the authorities that may have signed the server's, PEM; "system"
            for those of the system, which means "verify-full".
        certificate: the path of the client's certificate, PEM.
        key: the path of its key, PEM.
        channel_binding: whether the password is bound to the TLS connection.
        connect_timeout: seconds that connecting to one host may take.
        application_name: what the server's logs call this program.
        options: settings of the session, "-c name=value"; a space in a value has a backslash before it.
        target_session_attrs: which of several hosts will do, such as "read-write".
    """

    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    channel_binding: Literal["disable", "prefer", "require"] | None = None
    connect_timeout: int | None = Field(default=None, gt=0)
    application_name: str | None = None
    options: str | None = None
    target_session_attrs: str | None = None


class PostgresParser(NetworkParser):
    """Credentials for psycopg2, psycopg 3, asyncpg, SQLAlchemy and Django.

    A socket's folder is a `host` that starts with "/", in the entry, as the URL's option `host`, or percent-encoded.
    """

    Options = PostgresOptions
    socket = "host"
    socket_has_port = True
    several_hosts = True

    def __init__(self) -> None:
        super().__init__(
            "postgres",
            port_of("postgres"),
            schemes={"postgresql": "postgresql", "postgres": "postgresql", "postgis": "postgresql"},
            aliases={"host": "host", "port": "port", "user": "username", "password": "password", "dbname": "name"},
            drivers=DRIVERS,
        )

    def settle(self, options: dict[str, Any], target: DatastoreTarget) -> dict[str, Any]:
        """The system's authorities have signed many servers' certificates: libpq verifies the host, too."""
        if options.get("ca") != SYSTEM:
            return options
        if options.get("sslmode") not in {None, "verify-full"}:
            raise target.error("options.sslmode", "must be verify-full where `ca` is system")
        return {**options, "sslmode": "verify-full"}

    def read_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the contract's
        """By our names, those of TLS; all others have libpq's own.

        libpq takes `ssl=true` for `sslmode=require`; SQLAlchemy's asyncpg has any `sslmode` as `ssl`.
        """
        ours = {name: option for option, name in _LIBPQ.items()}
        found = {ours.get(key, key): value for key, value in query.items()}
        if "ssl" in found:
            ssl = found.pop("ssl")
            mode = {"true": "require", "false": "disable"}.get(str(ssl).lower(), ssl)
            if mode not in _OPPORTUNISTIC and found.get("sslmode") in _OPPORTUNISTIC:
                raise ValueError("asks for TLS with `ssl`, and with `sslmode` does not; state `sslmode` alone")
            found.setdefault("sslmode", mode)
        return found

    def read_keys(self, keys: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Those of TLS; a switch asks for what `ssl=true` does in a URL of libpq."""
        names = (*TLS, *_LIBPQ.values())
        return read_tls_keys(keys, options.get("sslmode"), names, partial(self.read_options, "postgresql"), "require")

    def write_options(self, scheme: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """By libpq's names."""
        return scheme, {_LIBPQ.get(key, key): value for key, value in options.items()}


@hookimpl
def architect_credential_parser() -> CredentialParser:
    """Reads credentials."""
    return PostgresParser()


@hookimpl
def architect_datastore_provisioner() -> DatastoreProvisioner:
    """Starts a server for `architect run`."""
    from architect_datastore.postgres_server import PostgresProvisioner

    return PostgresProvisioner()
