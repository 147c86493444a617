"""The keyword arguments of MySQL's and MariaDB's drivers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from architect_datastore.arguments import given, mode_of, refusal, translated
from architect_datastore.engine_url import engine_arguments
from architect_datastore.tls_keys import TLS

if TYPE_CHECKING:
    from architect_core.contract import Credentials, Driver

# how clients in other languages ask for TLS in a URL
_FOREIGN_TLS = frozenset({"ssl", "sslaccept", "tls", "usessl", "requiressl", "verifyservercertificate"})
_SAME = {"charset": "charset", "connect_timeout": "connect_timeout"}


def pymysql(db: Credentials) -> dict[str, Any]:
    """`pymysql.connect`; it encodes text as latin-1 for a password, and without a context verifies no host."""
    password = db.password
    arguments = {**_place(db, "database"), **_options(db, "pymysql")}
    if password is not None:
        arguments["password"] = password if password.isascii() else password.encode()
    mode = mode_of(db, "pymysql")
    if mode == "disable":
        arguments["ssl_disabled"] = True
    elif mode not in {None, "prefer"}:  # which is what it does unless told
        from architect_datastore.client_context import client_context

        arguments["ssl"] = client_context(db, "pymysql")
    return arguments


def aiomysql(db: Credentials) -> dict[str, Any]:
    """`aiomysql.connect` and `aiomysql.create_pool`; it encodes a password as latin-1, whatever it gets."""
    arguments = {**_place(db, "db"), **_options(db, "aiomysql")}
    if db.password is not None:
        arguments["password"] = db.password.encode().decode("latin-1")
    if mode_of(db, "aiomysql") not in {None, "disable"}:
        from architect_datastore.client_context import client_context

        arguments["ssl"] = client_context(db, "aiomysql")
    return arguments


def mysqlclient(db: Credentials) -> dict[str, Any]:
    """`MySQLdb.connect`."""
    arguments = {**_place(db, "database"), **given(password=db.password), **_options(db, "mysqlclient")}
    mode = mode_of(db, "mysqlclient")
    if mode is not None:
        names = {"disable": "DISABLED", "prefer": "PREFERRED", "require": "REQUIRED", "verify-ca": "VERIFY_CA"}
        arguments["ssl_mode"] = names.get(mode, "VERIFY_IDENTITY")
    files = given(ca=db.options.get("ca"), cert=db.options.get("certificate"), key=db.options.get("key"))
    return {**arguments, **({"ssl": files} if files else {})}


def sqlalchemy(db: Credentials, driver: str = "mysqldb") -> dict[str, Any]:
    """`sqlalchemy.create_engine`, with the named driver or mysqlclient, which is SQLAlchemy's own choice."""
    make = {"pymysql": pymysql, "aiomysql": aiomysql, "mysqldb": mysqlclient}[driver]
    name = "db" if driver == "aiomysql" else "database"
    return engine_arguments(f"mysql+{driver}", make(db), ("host", "port", "user", "password", name))


def django(db: Credentials) -> dict[str, Any]:
    """An entry of Django's `DATABASES`, whose backend uses mysqlclient."""
    arguments = mysqlclient(db)
    place = {
        "HOST": arguments.pop("unix_socket", "") or arguments.pop("host", ""),
        "PORT": arguments.pop("port", ""),
        "USER": arguments.pop("user", ""),
        "PASSWORD": arguments.pop("password", ""),
        "NAME": arguments.pop("database", ""),
    }
    return {"ENGINE": "django.db.backends.mysql", **place, "OPTIONS": arguments}


def _options(db: Credentials, driver: str) -> dict[str, Any]:
    for option in db.options:
        if option.lower() in _FOREIGN_TLS:
            raise refusal(driver, option, "state ssl-mode=VERIFY_IDENTITY in its place, or another ssl-mode")
    return translated(db, driver, _SAME, *TLS)


def _place(db: Credentials, name: str) -> dict[str, Any]:
    host = db.host or ""
    place = {"unix_socket": host} if host.startswith("/") else {"host": host, "port": db.port}
    return given(**place, user=db.username, **{name: db.name})


DRIVERS: dict[str, Driver] = {
    "pymysql": pymysql,
    "aiomysql": aiomysql,
    "mysqlclient": mysqlclient,
    "mysqldb": mysqlclient,
    "sqlalchemy": sqlalchemy,
    "sqlalchemy+mysqldb": sqlalchemy,
    "sqlalchemy+pymysql": partial(sqlalchemy, driver="pymysql"),
    "sqlalchemy+aiomysql": partial(sqlalchemy, driver="aiomysql"),
    "django": django,
}
