"""PostgreSQL (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from pydantic import Field

from architect_core.contract import CredentialParser, DatastoreProvisioner, DatastoreTarget, hookimpl
from architect_core.plugins.known import port_of
from architect_datastore.kit.network import NetworkParser
from architect_datastore.options import TLS, TlsFiles, read_tls_keys
from architect_datastore.postgres_drivers import DRIVERS, SYSTEM

ARCHITECT_CONTRACT = 1

_OPPORTUNISTIC = ("disable", "allow", "prefer")
_LIBPQ = {"ca": "sslrootcert", "certificate": "sslcert", "key": "sslkey"}


class PostgresOptions(TlsFiles):
    """Options of a PostgreSQL datastore, beside those of TLS. A URL's query may have any option of libpq.

    Attributes:
        sslmode: the TLS mode; libpq's default is "prefer".
        ca: also "system", for the authorities of the system, which means "verify-full".
        channel_binding: whether the password is bound to the TLS connection.
        connect_timeout: seconds that connecting to one host may take.
        application_name: the name of this program in the server's logs.
        options: settings of the session, "-c name=value"; a space in a value is escaped with a backslash.
        target_session_attrs: the kind of host to use among several, such as "read-write".
    """

    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] | None = None
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

    def combine_options(self, options: dict[str, Any], target: DatastoreTarget) -> dict[str, Any]:
        """`ca` "system" means "verify-full": public authorities sign everybody's certificates."""
        if options.get("ca") != SYSTEM:
            return options
        if options.get("sslmode") not in {None, "verify-full"}:
            raise target.error("options.sslmode", "must be verify-full if `ca` is system")
        return {**options, "sslmode": "verify-full"}

    def read_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the contract's
        """Returns options of TLS by our names, all others by libpq's.

        libpq reads `ssl=true` as `sslmode=require`; SQLAlchemy's asyncpg has any `sslmode` as `ssl`.
        """
        ours = {name: option for option, name in _LIBPQ.items()}
        found = {ours.get(key, key): value for key, value in query.items()}
        if "ssl" in found:
            ssl = found.pop("ssl")
            mode = {"true": "require", "false": "disable"}.get(str(ssl).lower(), ssl)
            if mode not in _OPPORTUNISTIC and found.get("sslmode") in _OPPORTUNISTIC:
                raise ValueError("asks for TLS with `ssl`, and with `sslmode` does not; give `sslmode` alone")
            found.setdefault("sslmode", mode)
        return found

    def read_keys(self, keys: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the options of TLS; a switch means "require", as `ssl=true` does in a URL of libpq."""
        names = (*TLS, *_LIBPQ.values())
        return read_tls_keys(keys, options.get("sslmode"), names, partial(self.read_options, "postgresql"), "require")

    def write_options(self, scheme: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Returns the options by libpq's names."""
        return scheme, {_LIBPQ.get(key, key): value for key, value in options.items()}


@hookimpl
def architect_credential_parser() -> CredentialParser:
    """Reads credentials."""
    return PostgresParser(
        "postgres",
        port_of("postgres"),
        schemes={"postgresql": "postgresql", "postgres": "postgresql", "postgis": "postgresql"},
        aliases={"host": "host", "port": "port", "user": "username", "password": "password", "dbname": "name"},
        drivers=DRIVERS,
    )


@hookimpl
def architect_datastore_provisioner() -> DatastoreProvisioner:
    """Starts a server for `architect run`."""
    from architect_datastore.postgres_server import PostgresProvisioner

    return PostgresProvisioner()
