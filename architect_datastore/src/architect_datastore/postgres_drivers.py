"""The keyword arguments of PostgreSQL's drivers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from architect_core.datastore_url import build_url
from architect_datastore.arguments import given
from architect_datastore.engine_url import engine_arguments

if TYPE_CHECKING:
    from architect_core.datastore import Credentials, Driver

_LIBPQ_NAMES = ("host", "port", "user", "password", "dbname")
_ASYNCPG_NAMES = ("host", "port", "user", "password", "database")


def psycopg(db: Credentials) -> dict[str, Any]:
    """`psycopg.connect` and `psycopg2.connect`: libpq's keywords; libpq refuses those that it does not know."""
    host, port = db.host, db.port
    several = {}
    if len(db.hosts) > 1:
        host, port = None, None
        several = {
            "host": ",".join(str(each) for each, _ in db.hosts),
            "port": ",".join(str(each) for _, each in db.hosts),
        }
    login = given(host=host, port=port, user=db.username, password=db.password, dbname=db.name)
    return {**several, **login, **_libpq_options(db)}


def asyncpg(db: Credentials) -> dict[str, Any]:
    """`asyncpg.connect` and `asyncpg.create_pool`; options that are no keywords of theirs stand in `dsn`."""
    options = _libpq_options(db)
    timeout = options.pop("connect_timeout", None)
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
        dsn=build_url("postgresql", {}, options) if options else None,
    )


def sqlalchemy(db: Credentials, driver: str = "") -> dict[str, Any]:
    """`sqlalchemy.create_engine`, with the named driver or SQLAlchemy's own choice, which is one on libpq."""
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


def _libpq_options(db: Credentials) -> dict[str, Any]:
    names = {"ca": "sslrootcert", "certificate": "sslcert", "key": "sslkey"}
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
