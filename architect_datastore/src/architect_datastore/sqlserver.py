"""Microsoft SQL Server (https://learn.microsoft.com/sql/connect/odbc/dsn-connection-string-attribute)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field

from architect_core.contract import Address, CredentialParser, Credentials, Driver, Options, hookimpl
from architect_core.plugins.known import port_of
from architect_datastore.arguments import engine_arguments, given, mode_of, translated
from architect_datastore.options import FALSE, TRUE
from architect_datastore.tls import Flag, TlsParser

ARCHITECT_CONTRACT = 2


class SqlServerOptions(Options):
    """Options of a SQL Server datastore.

    Attributes:
        sslmode: the TLS mode; certificates are verified with the system's authorities.
        connect_timeout: seconds that logging in may take.
        application_name: the name of this program on the server.
        odbc_driver: the name of the ODBC driver, for pyodbc; "ODBC Driver 18 for SQL Server" by default.
    """

    sslmode: Literal["disable", "require", "verify-full"] | None = None
    connect_timeout: int | None = Field(default=None, gt=0)
    application_name: str | None = None
    odbc_driver: str | None = None


def pymssql(db: Credentials) -> dict[str, Any]:
    """`pymssql.connect`, which verifies no certificate."""
    arguments = given(server=db.host, port=str(db.port), user=db.username, password=db.password, database=db.name)
    names = {"connect_timeout": "login_timeout", "application_name": "appname"}
    arguments |= translated(db, "pymssql", names, "sslmode", "odbc_driver")
    mode = mode_of(db, "pymssql", "disable", "require")
    return {**arguments, **given(encryption={None: None, "disable": "off", "require": "require"}[mode])}


def pyodbc(db: Credentials) -> dict[str, Any]:
    """`pyodbc.connect`, with quoted values, as it inserts them into a connection string unchanged."""
    options = translated(
        db, "pyodbc", {"application_name": "app", "connect_timeout": "timeout"}, "sslmode", "odbc_driver"
    )
    mode = db.options.get("sslmode")
    trusted = {None: None, "disable": None, "require": "yes", "verify-full": "no"}[mode]
    texts = given(
        driver=db.options.get("odbc_driver", "ODBC Driver 18 for SQL Server"),
        server=f"{Address('', db.host or '').netloc},{db.port}",
        database=db.name,
        uid=db.username,
        pwd=db.password,
        app=options.pop("app", None),
        encrypt=None if mode is None else "no" if mode == "disable" else "yes",
        trustservercertificate=trusted,
    )
    return {**{key: "{" + text.replace("}", "}}") + "}" for key, text in texts.items()}, **options}


def sqlalchemy(db: Credentials, driver: str = "pyodbc") -> dict[str, Any]:
    """`sqlalchemy.create_engine`, with the named driver; by default with pyodbc, as SQLAlchemy."""
    if driver == "pymssql":
        return engine_arguments("mssql+pymssql", pymssql(db), ("server", "port", "user", "password", "database"))
    arguments = pyodbc(db)
    timeout = given(timeout=arguments.pop("timeout", None))
    text = quote(";".join(f"{key}={value}" for key, value in arguments.items()), safe="")
    return {"url": f"mssql+pyodbc:///?odbc_connect={text}", **({"connect_args": timeout} if timeout else {})}


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
        "app name": "application_name",
        "driver": "odbc_driver",
    }

    def read_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """Refuses a database in the query: then the path is the name of an instance, which has no port."""
        if any(key.lower() == "database" for key in query):
            raise ValueError("names a database in its query; name it in the path: mssql://host:port/database")
        return super().read_options(scheme, query)


@hookimpl
def architect_credential_parser() -> CredentialParser:
    return SqlServerParser("sqlserver", port_of("sqlserver"), {"mssql": "mssql", "sqlserver": "mssql"}, drivers=DRIVERS)
