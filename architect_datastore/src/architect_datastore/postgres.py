"""PostgreSQL (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, Literal

from pydantic import Field

from architect_core.contract import (
    CredentialParser,
    Credentials,
    DatastoreProvisioner,
    DatastoreTarget,
    Driver,
    hookimpl,
)
from architect_core.exceptions import DriverError
from architect_core.plugins.known import port_of
from architect_datastore.arguments import (
    client_context,
    django_entry,
    django_settings,
    engine_arguments,
    given,
    refusal,
    refuse_django_settings,
)
from architect_datastore.geographic import GeographicParser
from architect_datastore.kit.keywords import plain_search_path
from architect_datastore.kit.tls_keys import FALSE, SWITCHES, TRUE, word
from architect_datastore.kit.url import build_url
from architect_datastore.options import TLS, TlsFiles, read_tls_keys, with_tls

ARCHITECT_CONTRACT = 2

_OPPORTUNISTIC = ("disable", "allow", "prefer")
_LIBPQ = {"ca": "sslrootcert", "certificate": "sslcert", "key": "sslkey"}
_SYSTEM = "system"  # the `ca` for the authorities of the system, as libpq's `sslrootcert=system`
# options that only libpq has -> the values that other drivers can ignore
_LIBPQ_ONLY: dict[str, tuple[str, ...]] = {
    "channel_binding": ("disable", "prefer"),
    "gssencmode": ("disable", "prefer"),
    "gssdelegation": ("0",),
    "load_balance_hosts": ("disable",),
    "requiressl": ("0",),
    "sslcertmode": ("allow",),
    "sslcompression": ("0",),
    "sslsni": ("1",),
    **dict.fromkeys(("hostaddr", "require_auth", "requirepeer", "sslcrldir", "replication"), ()),
}
_KEEPALIVE = ("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout")
_PRISMA = ("pgbouncer", "connection_limit", "pool_timeout", "schema")


def _switch(value: object) -> bool:
    """Returns whether a switch is on; raises ValueError if it is neither on nor off."""
    text = str(value).lower()
    if text not in TRUE + FALSE:
        raise ValueError
    return text in TRUE


# options of SQLAlchemy's dialect for asyncpg, and of asyncpg itself, which a URL of SQLAlchemy may have
_DIALECT = {"prepared_statement_cache_size": int, "async_fallback": str}
_ASYNCPG: dict[str, Callable[[Any], Any]] = {
    "statement_cache_size": int,
    "max_cached_statement_lifetime": int,
    "max_cacheable_statement_size": int,
    "command_timeout": float,
    "timeout": float,
    "direct_tls": _switch,
}
# JDBC's `targetServerType` -> libpq's `target_session_attrs`; there is none for "preferPrimary"
_TARGETS = {
    "any": "any",
    **dict.fromkeys(("primary", "master"), "primary"),
    **dict.fromkeys(("secondary", "slave"), "standby"),
    **dict.fromkeys(("prefersecondary", "preferslave"), "prefer-standby"),
}
_LIBPQ_NAMES = ("host", "port", "user", "password", "dbname")
_ASYNCPG_NAMES = ("host", "port", "user", "password", "database")


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


def psycopg(db: Credentials) -> dict[str, Any]:
    """`psycopg.connect` and `psycopg2.connect`: libpq's keywords; libpq refuses unknown ones."""
    host: Any = db.host
    port: Any = db.port
    if len(db.hosts) > 1:
        host, port = (",".join(map(str, each)) for each in zip(*db.hosts, strict=True))
    login = given(host=host, port=port, user=db.username, password=db.password, dbname=db.name)
    return {**login, **_libpq_options(db, "psycopg")}


def asyncpg(db: Credentials) -> dict[str, Any]:
    """`asyncpg.connect` and `asyncpg.create_pool`; options that are no keywords of theirs are in `dsn`."""
    options = _asyncpg_options(db)
    timeout = options.pop("connect_timeout", None)
    own = _numbers(options, _ASYNCPG, "asyncpg")
    options = {key: value for key, value in options.items() if key not in own}
    context = None
    if options.get("sslrootcert") == _SYSTEM:
        files = {key: value for key, value in db.options.items() if key in {"sslmode", "certificate", "key"}}
        context = client_context(Credentials(db.engine, {"options": files}), "asyncpg")
        options = {key: value for key, value in options.items() if not key.startswith("ssl")}
    hosts: Any = db.host
    ports: Any = db.port
    if len(db.hosts) > 1:
        hosts, ports = map(list, zip(*db.hosts, strict=True))
    if timeout is not None:
        own["timeout"] = float(timeout)
    return given(
        host=hosts,
        port=ports,
        user=db.username,
        password=db.password,
        database=db.name,
        ssl=context,
        dsn=build_url("postgresql", {}, options) if options else None,
        **own,
    )


def sqlalchemy(db: Credentials, driver: str = "", dialect: str = "postgresql") -> dict[str, Any]:
    """`sqlalchemy.create_engine`, with the named driver; by default with one on libpq, as SQLAlchemy."""
    if driver == "asyncpg":
        arguments = {**asyncpg(db), **_numbers(db.options, _DIALECT, "sqlalchemy+asyncpg")}
        return engine_arguments(f"{dialect}+asyncpg", arguments, _ASYNCPG_NAMES)
    return engine_arguments(f"{dialect}+{driver}" if driver else dialect, psycopg(db), _LIBPQ_NAMES)


def django(db: Credentials, backend: str) -> dict[str, Any]:
    """An entry of Django's `DATABASES`."""
    db, settings = django_settings(db)
    return {**django_entry(backend, psycopg(db), _LIBPQ_NAMES), **settings}


def _asyncpg_options(db: Credentials) -> dict[str, Any]:
    """Removes what asyncpg would send to the server as a setting that the server does not have."""
    options = _libpq_options(db, "asyncpg")
    fallback = options.pop("fallback_application_name", None)
    if fallback is not None:
        options.setdefault("application_name", fallback)
    for name, harmless in _LIBPQ_ONLY.items():
        if name in options and str(options.pop(name)) not in harmless:
            remedy = "remove it, or use psycopg"
            if name == "channel_binding":
                remedy = "use channel_binding=prefer with sslmode=verify-full, in `options` or the URL, or use psycopg"
            raise refusal("asyncpg", name, remedy)
    return {key: value for key, value in options.items() if key not in _KEEPALIVE}


def _libpq_options(db: Credentials, driver: str) -> dict[str, Any]:
    refuse_django_settings(db, driver)
    for option in db.options:
        if option in _PRISMA:
            raise refusal(driver, option, "only Prisma has it; remove it")
        if option in _ASYNCPG and driver != "asyncpg":
            raise refusal(driver, option, "only asyncpg has it; remove it, or use asyncpg")
    return {_LIBPQ.get(option, option): value for option, value in db.options.items() if option not in _DIALECT}


def _numbers(options: Mapping[str, Any], types: Mapping[str, Callable[[Any], Any]], driver: str) -> dict[str, Any]:
    """Returns those of the options that have a type, converted; raises DriverError if a value has another."""
    try:
        return {name: convert(options[name]) for name, convert in types.items() if name in options}
    except ValueError:
        names = ", ".join(name for name in types if name in options)
    raise DriverError(f"{driver} needs numbers, or true and false, as {names}")


def drivers_for(backend: str, dialect: str = "postgresql") -> dict[str, Driver]:
    """Returns the drivers of an engine with this backend of Django and this dialect of SQLAlchemy."""
    names = ("psycopg", "psycopg2", "asyncpg")
    return {
        "psycopg": psycopg,
        "psycopg2": psycopg,
        "asyncpg": asyncpg,
        "sqlalchemy": partial(sqlalchemy, dialect=dialect),
        **{f"sqlalchemy+{name}": partial(sqlalchemy, driver=name, dialect=dialect) for name in names},
        "django": partial(django, backend=backend),
    }


class PostgresParser(GeographicParser):
    """Credentials for psycopg2, psycopg 3, asyncpg, SQLAlchemy and Django.

    A socket's folder is a `host` that starts with "/", in the entry, as the URL's option `host`, or percent-encoded.
    """

    Options = PostgresOptions
    socket = "host"
    socket_has_port = True
    default_host = ""  # libpq and asyncpg find a socket
    several_hosts = True
    other_drivers = ("pg8000", "psycopg2cffi", "psycopg_async", "psycopg2_binary", "aiopg", "pygresql")
    geographic: ClassVar = {"postgis": "django.contrib.gis.db.backends.postgis"}

    def combine_options(self, options: dict[str, Any], target: DatastoreTarget) -> dict[str, Any]:
        """`ca` "system" means "verify-full": public authorities sign everybody's certificates."""
        if options.get("ca") != _SYSTEM:
            return options
        if options.get("sslmode") not in {None, "verify-full"}:
            raise target.error("options.sslmode", "must be verify-full if `ca` is system")
        return {**options, "sslmode": "verify-full"}

    def read_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the contract's
        """Returns options of TLS by our names, all others by libpq's.

        libpq reads `ssl=true` as `sslmode=require`, and other switches are read so;
        SQLAlchemy's asyncpg has any `sslmode` as `ssl`. JDBC's `currentSchema` is the search path, and its
        `targetServerType` is `target_session_attrs`.
        """
        query = dict(query)
        if "currentSchema" in query:
            path = f"-c search_path={plain_search_path(query.pop('currentSchema'))}"
            query["options"] = " ".join(filter(None, (query.get("options"), path)))
        attributes = _TARGETS.get(str(query.get("targetServerType")).lower())
        if attributes is not None:
            del query["targetServerType"]
            query.setdefault("target_session_attrs", attributes)
        ours = {name: option for option, name in _LIBPQ.items()} | {"sslmode": "sslmode"}
        found = {ours.get(word(key), key): value for key, value in query.items()}
        # libpq reads requiressl=1 as sslmode=require, and requiressl=0 as its default
        switches = [key for key in found if word(key) in SWITCHES and (key, found[key]) != ("requiressl", "0")]
        for key in switches:
            ssl = found.pop(key)
            mode = {**dict.fromkeys(TRUE, "require"), **dict.fromkeys(FALSE, "disable")}.get(str(ssl).lower(), ssl)
            if mode not in _OPPORTUNISTIC and found.get("sslmode") in _OPPORTUNISTIC:
                raise ValueError("asks for TLS with `ssl`, and with `sslmode` does not; give `sslmode` alone")
            found.setdefault("sslmode", mode)
        if str(found.get("direct_tls")).lower() in TRUE and found.setdefault("sslmode", "require") in _OPPORTUNISTIC:
            raise ValueError("asks for TLS with `direct_tls`, and with `sslmode` does not; give `sslmode` alone")
        return found

    def read_secure_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """Reads TLS in the scheme as `ssl=true`."""
        return with_tls(self.read_options(scheme, query), "require")

    def read_keys(self, keys: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the options of TLS; a switch means "require", as `ssl=true` does in a URL of libpq."""
        names = (*TLS, *_LIBPQ.values())
        return read_tls_keys(keys, options.get("sslmode"), names, partial(self.read_options, "postgresql"), "require")

    def write_options(self, scheme: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Returns the options by libpq's names."""
        return scheme, {_LIBPQ.get(key, key): value for key, value in options.items()}


ALIASES = {
    "host": "host",
    "port": "port",
    "user": "username",
    "password": "password",
    "dbname": "name",
    "database": "name",  # asyncpg's
}


class PostgresRelative(PostgresParser):
    """Credentials of an engine that speaks PostgreSQL's protocol; its URLs have its own schemes, or PostgreSQL's."""

    default_host = "localhost"

    def __init__(self, engine: str, default_port: int | None, *aliases: str, drivers: Mapping[str, Driver]) -> None:
        """Create a parser; `aliases` are further schemes. URLs are written with the engine's name as their scheme."""
        names = (engine, *aliases, "postgresql", "postgres")
        super().__init__(engine, default_port, dict.fromkeys(names, engine), ALIASES, drivers=drivers)


@hookimpl
def architect_credential_parser() -> CredentialParser:
    schemes = dict.fromkeys(("postgresql", "postgres", "postgis", "pgsql", "psql"), "postgresql")
    drivers = drivers_for("django.db.backends.postgresql")
    return PostgresParser("postgres", port_of("postgres"), schemes, ALIASES, drivers=drivers)


@hookimpl
def architect_datastore_provisioner() -> DatastoreProvisioner:
    from architect_datastore.postgres_server import PostgresProvisioner

    return PostgresProvisioner()
