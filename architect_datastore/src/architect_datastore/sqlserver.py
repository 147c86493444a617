"""Microsoft SQL Server (https://learn.microsoft.com/sql/connect/odbc/dsn-connection-string-attribute)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field

from architect_core.contract import Address, Credentials, DatastoreTarget, Driver, Options, raising
from architect_core.plugins.known import port_of
from architect_core.schema import DatastoreConfig
from architect_datastore.arguments import engine_arguments, given, mode_of, refusal, translated
from architect_datastore.kit.connection_string import is_odbc, parse_connection_string
from architect_datastore.kit.tls_keys import FALSE, TRUE
from architect_datastore.odbc import url_of_odbc
from architect_datastore.tls import Flag, TlsParser

_INSTANCE = re.compile(r"([^\\,]+)\\([^\\,:]+)")
_URL_INSTANCE = re.compile(
    r"([^/?#]+://(?:[^/?#]*@)?[^/?#@:\\%]+)(?:\\|%5C)([^/?#:@\\]+)(?![^/?#]*@)(.*)", re.IGNORECASE | re.DOTALL
)
_DSN = re.compile(r"mssql\+pyodbc://(?:[^/?#]*@)?([\w.-]+)/?(\?.*)?", re.IGNORECASE | re.ASCII)
_ENCRYPTION: Mapping[str, dict[str, str]] = {
    "off": {"sslmode": "disable"},
    "request": {},
    "require": {"sslmode": "require"},
}
# keywords of ODBC that the credentials' fields have
_IDENTITY = frozenset({"server", "address", "addr", "database", "uid", "pwd", "driver", "dsn", "filedsn", "savefile"})


class SqlServerOptions(Options):
    """Options of a SQL Server datastore.

    Attributes:
        sslmode: the TLS mode; certificates are verified with the system's authorities.
        connect_timeout: seconds that logging in may take.
        application_name: the name of this program on the server.
        odbc_driver: the name of the ODBC driver, for pyodbc; "ODBC Driver 18 for SQL Server" by default.
        instance: the name of an instance on the host, which has no default port then.
        authentication: how Microsoft Entra authenticates the user, such as "ActiveDirectoryMsi"; for pyodbc.
        dsn: a data source name of ODBC, in place of a host and a driver.
    """

    sslmode: Literal["disable", "require", "verify-full"] | None = None
    connect_timeout: int | None = Field(default=None, gt=0)
    application_name: str | None = None
    odbc_driver: str | None = None
    instance: str | None = Field(default=None, pattern=r"^[\w$#-]+$")
    authentication: str | None = None
    dsn: str | None = None


def pymssql(db: Credentials) -> dict[str, Any]:
    """`pymssql.connect`, which verifies no certificate."""
    port = None if db.port is None else str(db.port)
    login = given(user=db.username, password=db.password, database=db.name)
    arguments = {**given(server=_server(db, db.host or ""), port=port), **login}
    names = {"connect_timeout": "login_timeout", "application_name": "appname"}
    names |= {name: name for name in ("charset", "tds_version")}
    arguments |= translated(db, "pymssql", names, "sslmode", "odbc_driver", "instance")
    mode = mode_of(db, "pymssql", "disable", "require")
    return {**arguments, **given(encryption={None: None, "disable": "off", "require": "require"}[mode])}


def pyodbc(db: Credentials) -> dict[str, Any]:
    """`pyodbc.connect`, with quoted values, as it inserts them into a connection string unchanged."""
    options = dict(db.options)
    timeout = given(timeout=options.pop("connect_timeout", None))
    keywords = {key: str(value) for key, value in options.items() if key not in SqlServerOptions.model_fields}
    for keyword in keywords:
        if not re.fullmatch(r"[A-Za-z][\w ]*", keyword) or keyword.lower() in _IDENTITY:
            raise refusal("pyodbc", keyword)
    mode = db.options.get("sslmode")
    trusted = {None: None, "disable": None, "require": "yes", "verify-full": "no"}[mode]
    server = _server(db, Address("", db.host or "").netloc)
    driver = db.options.get("odbc_driver", "ODBC Driver 18 for SQL Server")
    source = {"dsn": options["dsn"]} if "dsn" in options else {"driver": driver, "server": _with_port(server, db.port)}
    texts = source | given(
        database=db.name,
        uid=db.username,
        pwd=db.password,
        app=options.get("application_name"),
        authentication=options.get("authentication"),
        encrypt=None if mode is None else "no" if mode == "disable" else "yes",
        trustservercertificate=trusted,
    )
    if db.username is None and not {"authentication", "trusted_connection"} & {*texts, *map(str.lower, keywords)}:
        texts["trusted_connection"] = "yes"  # as the user of this process, as SQLAlchemy has it
    quoted = {key: "{" + text.replace("}", "}}") + "}" for key, text in (texts | keywords).items()}
    return {**quoted, **timeout}


def _server(db: Credentials, host: str) -> str:
    instance = db.options.get("instance")
    return host if instance is None else f"{host}\\{instance}"


def _with_port(server: str, port: int | None) -> str:
    return server if port is None else f"{server},{port}"


def sqlalchemy(db: Credentials, driver: str = "pyodbc") -> dict[str, Any]:
    """`sqlalchemy.create_engine`, with the named driver; by default with pyodbc, as SQLAlchemy."""
    if driver == "pymssql":
        arguments = pymssql(db)
        # the dialect would join an IPv6 address and a port with a ":"
        address = ("", "") if ":" in arguments.get("server", "") else ("server", "port")
        return engine_arguments("mssql+pymssql", arguments, (*address, "user", "password", "database"))
    arguments = pyodbc(db)
    timeout = given(timeout=arguments.pop("timeout", None))
    text = quote(";".join(f"{key}={value}" for key, value in arguments.items()), safe="")
    return {"url": f"mssql+pyodbc:///?odbc_connect={text}", **({"connect_args": timeout} if timeout else {})}


def given_options(target: DatastoreTarget, **options: str | None) -> Any:
    """Returns the entry's options with those that are not None and that it does not have itself."""
    known = target.options.model_fields_set
    return target.options.model_copy(update={key: value for key, value in given(**options).items() if key not in known})


def _local(host: str) -> str:
    return "localhost" if host in {".", "(local)"} else host


def _dsn(config: DatastoreConfig) -> str | None:
    """Returns the data source name that SQLAlchemy has as the host of a URL without a database."""
    match = _DSN.fullmatch(config.url or "")
    return match[1] if match and config.name is None and "driver=" not in (match[2] or "") else None


DRIVERS: dict[str, Driver] = {
    "pymssql": pymssql,
    "pyodbc": pyodbc,
    "sqlalchemy": sqlalchemy,
    "sqlalchemy+pyodbc": sqlalchemy,
    "sqlalchemy+pymssql": partial(sqlalchemy, driver="pymssql"),
}


class SqlServerParser(TlsParser):
    """Credentials for pymssql, pyodbc and SQLAlchemy: `pyodbc.connect(**db.for_driver("pyodbc"))`."""

    Options = SqlServerOptions
    sockets = False
    other_drivers = ("aioodbc", "pytds", "mssqlpython")
    encrypted = Flag("Encrypt", on=("yes", "true", "1", "mandatory"), off=("no", "false", "0", "optional", "disable"))
    certificate = Flag("TrustServerCertificate", on=FALSE[1:] + FALSE[:1], off=TRUE[1:] + TRUE[:1])
    option_names: ClassVar = {
        "LoginTimeout": "connect_timeout",
        "connection timeout": "connect_timeout",
        "APP": "application_name",
        "Authentication": "authentication",
        "app name": "application_name",
        "driver": "odbc_driver",
    }

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """Returns the credentials; what follows a backslash in the host is the option `instance`."""
        config, instance = target.config, None
        text = config.get("connection_string")
        if config.url is None and isinstance(text, str) and is_odbc(text):
            url = str(parse_connection_string(text)[0]["url"])
            config = config.model_copy(update={"connection_string": None, "url": url})
            target = target.with_keys({"url": "connection_string"})
        if config.url is not None:
            config = config.model_copy(update={"url": raising(partial(target.error, "url"), url_of_odbc, config.url)})
        if match := _INSTANCE.fullmatch(config.host or ""):
            config, instance = config.model_copy(update={"host": _local(match[1])}), match[2]
        elif match := _URL_INSTANCE.fullmatch(config.url or ""):
            config, instance = config.model_copy(update={"url": match[1] + match[3]}), match[2]
        given = given_options(target, instance=instance, dsn=_dsn(config))
        return super().credentials(replace(target, config=config, options=given))

    def port(self, scheme: str, options: Mapping[str, Any]) -> int | None:  # noqa: ARG002 - to override
        """Returns None for an instance, which SQL Server Browser has the port of, and for a data source name."""
        return None if {"instance", "dsn"} & set(options) else self.default_port

    def read_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """Refuses a database in the query: then the path is the name of an instance, which has no port."""
        if any(key.lower() == "database" for key in query):
            raise ValueError("names a database in its query; name it in the path: mssql://host:port/database")
        # pymssql's; "request" is TLS if the server has it, as without an option
        query = dict(query)
        mode = _ENCRYPTION.get(str(query.get("encryption")).lower())
        if mode is not None:
            del query["encryption"]
            query = {**query, **mode}
        return super().read_options(scheme, query)


PARSER = SqlServerParser(
    "sqlserver", port_of("sqlserver"), schemes={"mssql": "mssql", "sqlserver": "mssql"}, drivers=DRIVERS
)
