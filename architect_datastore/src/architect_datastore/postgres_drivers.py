"""The keyword arguments of PostgreSQL's drivers."""

from __future__ import annotations

from functools import partial
from typing import Any

from architect_core.contract import Credentials, Driver
from architect_datastore.arguments import client_context, engine_arguments, given, refusal
from architect_datastore.kit.url import build_url

SYSTEM = "system"
"""The `ca` for the authorities of the system, as libpq's `sslrootcert=system`."""

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
_LIBPQ_NAMES = ("host", "port", "user", "password", "dbname")
_ASYNCPG_NAMES = ("host", "port", "user", "password", "database")


def psycopg(db: Credentials) -> dict[str, Any]:
    """`psycopg.connect` and `psycopg2.connect`: libpq's keywords; libpq refuses unknown ones."""
    host, port = db.host, db.port
    several = {}
    if len(db.hosts) > 1:
        host, port = None, None
        several = {
            "host": ",".join(str(each) for each, _ in db.hosts),
            "port": ",".join(str(each) for _, each in db.hosts),
        }
    login = given(host=host, port=port, user=db.username, password=db.password, dbname=db.name)
    return {**several, **login, **_libpq_options(db, "psycopg")}


def asyncpg(db: Credentials) -> dict[str, Any]:
    """`asyncpg.connect` and `asyncpg.create_pool`; options that are no keywords of theirs are in `dsn`."""
    options = _asyncpg_options(db)
    timeout = options.pop("connect_timeout", None)
    context = None
    if options.get("sslrootcert") == SYSTEM:
        files = {key: value for key, value in db.options.items() if key in {"sslmode", "certificate", "key"}}
        context = client_context(Credentials(db.engine, {"options": files}), "asyncpg")
        options = {key: value for key, value in options.items() if not key.startswith("ssl")}
    hosts: Any = db.host
    ports: Any = db.port
    if len(db.hosts) > 1:
        hosts, ports = [host for host, _ in db.hosts], [port for _, port in db.hosts]
    return given(
        host=hosts,
        port=ports,
        user=db.username,
        password=db.password,
        database=db.name,
        timeout=None if timeout is None else float(timeout),
        ssl=context,
        dsn=build_url("postgresql", {}, options) if options else None,
    )


def sqlalchemy(db: Credentials, driver: str = "") -> dict[str, Any]:
    """`sqlalchemy.create_engine`, with the named driver; by default with one on libpq, as SQLAlchemy."""
    if driver == "asyncpg":
        return engine_arguments("postgresql+asyncpg", asyncpg(db), _ASYNCPG_NAMES)
    return engine_arguments(f"postgresql+{driver}" if driver else "postgresql", psycopg(db), _LIBPQ_NAMES)


def django(db: Credentials) -> dict[str, Any]:
    """An entry of Django's `DATABASES`."""
    arguments = psycopg(db)
    host, port, user, password, name = (arguments.pop(key, "") for key in _LIBPQ_NAMES)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": host,
        "PORT": port,
        "USER": user,
        "PASSWORD": password,
        "NAME": name,
        "OPTIONS": arguments,
    }


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
    names = {"ca": "sslrootcert", "certificate": "sslcert", "key": "sslkey"}
    for option in db.options:
        if option in _PRISMA:
            raise refusal(driver, option, "only Prisma has it; remove it")
    return {names.get(option, option): value for option, value in db.options.items()}


DRIVERS: dict[str, Driver] = {
    "psycopg": psycopg,
    "psycopg2": psycopg,
    "asyncpg": asyncpg,
    "sqlalchemy": sqlalchemy,
    "sqlalchemy+psycopg": partial(sqlalchemy, driver="psycopg"),
    "sqlalchemy+psycopg2": partial(sqlalchemy, driver="psycopg2"),
    "sqlalchemy+asyncpg": partial(sqlalchemy, driver="asyncpg"),
    "django": django,
}
