"""MySQL and MariaDB (https://dev.mysql.com/doc/refman/8.4/en/connecting-using-uri-or-key-value-pairs.html)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Literal

from pydantic import Field

from architect_core.contract import Credentials, Driver
from architect_core.plugins.known import port_of
from architect_datastore.arguments import (
    client_context,
    django_entry,
    django_settings,
    engine_arguments,
    given,
    refusal,
    translated,
)
from architect_datastore.geographic import GeographicParser
from architect_datastore.options import TLS, TlsFiles
from architect_datastore.tls import Flag, TlsParser

_MODES = {
    "disable": "DISABLED",
    "prefer": "PREFERRED",
    "require": "REQUIRED",
    "verify-ca": "VERIFY_CA",
    "verify-full": "VERIFY_IDENTITY",
}
# TLS in the URLs of clients in other languages
_FOREIGN_TLS = frozenset({"ssl", "sslaccept", "tls", "usessl", "requiressl", "verifyservercertificate"})
_SWITCHES = [Flag(f"ssl_{name}") for name in ("disabled", "verify_cert", "verify_identity")]
_NAMES = ("host", "port", "user", "password", "database")
_SAME = {
    name: name
    for name in (
        *("autocommit", "charset", "connect_timeout", "init_command", "local_infile", "sql_mode", "use_unicode"),
        *("read_default_file", "read_default_group"),
    )
}
# options that not all of the drivers have
_OWN = {
    "pymysql": ("read_timeout", "write_timeout", "collation", "program_name"),
    "mysqlclient": ("read_timeout", "write_timeout", "collation"),
    "aiomysql": ("program_name",),
}


class MysqlOptions(TlsFiles):
    """Options of a MySQL or MariaDB datastore, beside those of TLS.

    Attributes:
        sslmode: the TLS mode; "verify-full" if only `ca` or `certificate` is given.
        connect_timeout: seconds that connecting may take.
        charset: the connection's character set, such as "utf8mb4".
        init_command: a statement to execute after connecting.
        read_timeout: seconds that reading from the server may take.
        write_timeout: seconds that writing to it may take.
        local_infile: whether the server may ask for files of this machine.
        sql_mode: the server's SQL mode.
        use_unicode: whether texts are `str`.
        autocommit: whether each statement is a transaction of its own.
        collation: the connection's collation, such as "utf8mb4_bin".
        program_name: the name of this program on the server.
        read_default_file: the path of an option file; `read_default_group` is the group that is read in it.
    """

    sslmode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] | None = None
    connect_timeout: int | None = Field(default=None, gt=0)
    charset: str | None = None
    init_command: str | None = None
    read_timeout: int | None = Field(default=None, gt=0)
    write_timeout: int | None = Field(default=None, gt=0)
    local_infile: bool | None = None
    sql_mode: str | None = None
    use_unicode: bool | None = None
    autocommit: bool | None = None
    collation: str | None = None
    program_name: str | None = None
    read_default_file: str | None = None
    read_default_group: str | None = None


def pymysql(db: Credentials) -> dict[str, Any]:
    """`pymysql.connect`, which encodes a password of type str as latin-1, and verifies a host only with a context."""
    password = db.password
    arguments = {**_address(db, "database"), **_options(db, "pymysql")}
    if password is not None:
        arguments["password"] = password if password.isascii() else password.encode()
    mode = db.options.get("sslmode")
    if mode == "disable":
        arguments["ssl_disabled"] = True
    elif mode not in {None, "prefer"}:  # the default
        arguments["ssl"] = client_context(db, "pymysql")
    return arguments


def aiomysql(db: Credentials) -> dict[str, Any]:
    """`aiomysql.connect` and `aiomysql.create_pool`; they always encode a password as latin-1."""
    arguments = {**_address(db, "db"), **_options(db, "aiomysql")}
    if db.password is not None:
        arguments["password"] = db.password.encode().decode("latin-1")
    if db.options.get("sslmode") not in {None, "disable"}:
        arguments["ssl"] = client_context(db, "aiomysql")
    return arguments


def mysqlclient(db: Credentials) -> dict[str, Any]:
    """`MySQLdb.connect`."""
    arguments = {**_address(db, "database"), **given(password=db.password), **_options(db, "mysqlclient")}
    mode = db.options.get("sslmode")
    if mode is not None:
        arguments["ssl_mode"] = _MODES[mode]
    files = given(ca=db.options.get("ca"), cert=db.options.get("certificate"), key=db.options.get("key"))
    return {**arguments, **({"ssl": files} if files else {})}


def sqlalchemy(db: Credentials, driver: str = "mysqldb") -> dict[str, Any]:
    """`sqlalchemy.create_engine`, with the named driver; by default with mysqlclient, as SQLAlchemy."""
    make = {"pymysql": pymysql, "aiomysql": aiomysql, "mysqldb": mysqlclient}[driver]
    names = (*_NAMES[:-1], "db") if driver == "aiomysql" else _NAMES
    return engine_arguments(f"mysql+{driver}", make(db), names)


def django(db: Credentials, backend: str = "django.db.backends.mysql") -> dict[str, Any]:
    """An entry of Django's `DATABASES`, whose backend uses mysqlclient."""
    db, settings = django_settings(db)
    arguments = mysqlclient(db)
    if "unix_socket" in arguments:
        arguments["host"] = arguments.pop("unix_socket")
    return {**django_entry(backend, arguments, _NAMES), **settings}


def _options(db: Credentials, driver: str) -> dict[str, Any]:
    for option in db.options:
        if option.lower() in _FOREIGN_TLS:
            raise refusal(driver, option, "use ssl-mode=VERIFY_IDENTITY instead, or another ssl-mode")
    return translated(db, driver, {**_SAME, **{name: name for name in _OWN[driver]}}, *TLS)


def _of_pymysql(query: dict[str, Any]) -> dict[str, Any]:
    """Reads the switches of PyMySQL and MySQL Connector/Python (`ssl_disabled`, `ssl_verify_cert`...)."""
    disabled, certificate, host = (flag.read(query) for flag in _SWITCHES)
    if disabled and (certificate or host):
        raise ValueError("asks for no TLS with `ssl_disabled`, and for TLS with another option")
    if disabled:
        return {"sslmode": "disable", **query}
    if host or certificate:
        return {"sslmode": "verify-full" if host else "verify-ca", **query}
    if certificate is False and {"ca", "certificate"} & set(query):
        return {"sslmode": "require", **{key: value for key, value in query.items() if key != "ca"}}
    return {"sslmode": "verify-ca", **query} if host is False and "ca" in query else query


def _address(db: Credentials, name: str) -> dict[str, Any]:
    host = db.host or ""
    address = {"unix_socket": host} if host.startswith("/") else {"host": host, "port": db.port}
    return given(**address, user=db.username, **{name: db.name})


DRIVERS: dict[str, Driver] = {
    "pymysql": pymysql,
    "aiomysql": aiomysql,
    "mysqlclient": mysqlclient,
    "mysqldb": mysqlclient,
    "sqlalchemy": sqlalchemy,
    **{f"sqlalchemy+{name}": partial(sqlalchemy, driver=name) for name in ("mysqldb", "pymysql", "aiomysql")},
    "django": django,
}


class MysqlParser(GeographicParser, TlsParser):
    """Credentials for PyMySQL, mysqlclient, aiomysql, SQLAlchemy and Django.

    A socket is a `host` that starts with "/", in the entry, percent-encoded, or as the URL's option `unix_socket`.
    """

    Options = MysqlOptions
    default_host = "localhost"
    socket = "unix_socket"
    other_drivers = ("asyncmy", "mysqlconnector", "mariadbconnector", "cymysql", "pyodbc")
    geographic: ClassVar = {"mysqlgis": "django.contrib.gis.db.backends.mysql"}
    switches = frozenset()  # refused by the drivers, as clients differ in what they verify
    drivers_check_tls = True
    option_names: ClassVar = {
        "ssl-mode": "sslmode",
        "ssl-ca": "ca",
        "ssl-cert": "certificate",
        "ssl-key": "key",
        "ssl_mode": "sslmode",
        "ssl_ca": "ca",
        "ssl_cert": "certificate",
        "ssl_key": "key",
    }

    def read_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """Reads MySQL's names of the TLS modes; ignores `reconnect`, which brokers add for clients in Ruby."""
        found = super().read_options(scheme, {key: value for key, value in query.items() if key != "reconnect"})
        found = _of_pymysql(found)
        if "sslmode" in found:
            mode = str(found["sslmode"])
            found["sslmode"] = next((ours for ours, name in _MODES.items() if name == mode.upper()), mode)
        return found

    def write_options(self, scheme: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Writes MySQL's names of the TLS modes."""
        scheme, query = super().write_options(scheme, options)
        if "sslmode" in query:
            query = {"ssl-mode": _MODES[query.pop("sslmode")], **query}
        return scheme, query


ALIASES = {"unix_socket": "host", "socket": "host"}
PARSER = MysqlParser(
    "mysql",
    port_of("mysql"),
    schemes={"mysql": "mysql", "mariadb": "mariadb", "mysql2": "mysql", "mysqlgis": "mysql"},
    aliases=ALIASES,
    drivers=DRIVERS,
)
