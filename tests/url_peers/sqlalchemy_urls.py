"""SQLAlchemy: what `create_engine` passes to a driver."""

from __future__ import annotations

import inspect
import re
from typing import Any
from urllib.parse import quote_plus

import asyncpg
import oracledb
from hypothesis import strategies as st
from sqlalchemy import make_url

from url_peers import grammar
from url_peers.comparing import Peer, by_peer, credentials, same_host
from url_peers.grammar import joined, optional
from url_peers.postgresql import read_arguments_of_asyncpg

_DOCUMENTATION = "https://docs.sqlalchemy.org/en/20/core/engines.html#database-urls"

# SQLAlchemy needs no percent-encoding of these in a password, or of any character but "/" and "?" in a database's name
_RAW = st.sampled_from(["p/w", "p?w", "p#w", "a:b", "p;w", "a,b", "x&y=z", "p w"])
_PASSWORDS = grammar.encoded(grammar.values) | grammar.encoded(grammar.values) | _RAW
_USERINFO = optional(joined(grammar.encoded(grammar.values), optional(joined(":", optional(_PASSWORDS))), "@"))
_NETLOCS = optional(
    joined(grammar.names | st.sampled_from(["[::1]", "[2001:db8::5]"]), optional(joined(":", grammar.ports)))
)
_PATHS = optional(joined("/", optional(grammar.encoded(grammar.values)), st.sampled_from(["", "", "", "/", "/x"])))

_POSTGRESQL = {
    "application_name": grammar.values,
    "connect_timeout": grammar.numbers,
    "sslmode": st.sampled_from(["disable", "require", "verify-full"]),
    "sslrootcert": st.just("/etc/ca.pem"),
    "options": st.just("-csearch_path=a"),
    "client_encoding": st.just("utf8"),
    "host": st.sampled_from(["h", "/run/pg", "a,b"]),
    "target_session_attrs": st.just("read-write"),
}
_ASYNCPG = {
    "prepared_statement_cache_size": grammar.numbers | st.just("0"),
    "statement_cache_size": grammar.numbers,
    "command_timeout": grammar.numbers,
    "timeout": grammar.numbers,
    "ssl": st.sampled_from(["disable", "prefer", "require"]),
    "sslmode": st.just("require"),
    "host": st.sampled_from(["h", "/run/pg"]),
}
_MYSQL = {
    "charset": st.sampled_from(["utf8mb4", "latin1"]),
    "connect_timeout": grammar.numbers,
    "init_command": st.just("SET a=1"),
    "unix_socket": st.just("/run/my.sock"),
    "ssl_ca": st.just("/etc/ca.pem"),
    "read_timeout": grammar.numbers,
    "write_timeout": grammar.numbers,
    "local_infile": st.sampled_from(["0", "1"]),
}
_SQLSERVER = {
    "driver": st.sampled_from(["ODBC Driver 18 for SQL Server", "FreeTDS"]),
    "Encrypt": st.sampled_from(["yes", "no"]),
    "TrustServerCertificate": st.sampled_from(["yes", "no"]),
    "Trusted_Connection": st.just("yes"),
    "MARS_Connection": st.just("yes"),
    "authentication": st.just("ActiveDirectoryIntegrated"),
    "LoginTimeout": grammar.numbers,
    "charset": st.just("utf8"),
}
_SQLITE = {
    "timeout": grammar.numbers.map(lambda text: f"{text}.5"),
    "isolation_level": st.sampled_from(["IMMEDIATE", "EXCLUSIVE"]),
    "detect_types": st.just("3"),
    "cached_statements": grammar.numbers,
    "check_same_thread": st.sampled_from(["true", "false"]),
}
_SQLITE_URLS = ["sqlite:///", "sqlite+pysqlite:///", "sqlite+aiosqlite:///"]
_SWITCHES = {"true": True, "false": False}
_FILES = st.sampled_from(["a.db", "/tmp/a.db", "a b.db", "a%20b.db", "a+b.db", ":memory:", "x/../y.db", "C:/a.db", ""])


def _arguments(url: str, **connect_args: Any) -> dict[str, Any]:
    """The arguments that SQLAlchemy passes to the driver."""
    parsed = make_url(url)
    dialect = parsed.get_dialect()()
    if dialect.name == "oracle":  # which needs the driver to make a descriptor
        dialect.dbapi = oracledb
    arguments, keywords = dialect.create_connect_args(parsed)
    return {"positional": list(arguments), "driver": parsed.get_driver_name(), **keywords, **connect_args}


def _given(url: str) -> dict[str, Any]:
    driver = make_url(url).get_driver_name()
    arguments = credentials(url=url).for_driver("sqlalchemy" if "oracle" in driver else f"sqlalchemy+{driver}")
    return _arguments(arguments["url"], **arguments.get("connect_args", {}))


def _of_libpq(arguments: dict[str, Any]) -> dict[str, Any]:
    found = {key: str(value) for key, value in arguments.items() if value not in (None, "") and key not in _OURS}
    count = len(found.get("host", "").split(","))
    ports = found.get("port", "").split(",")
    ports = ports * count if len(ports) == 1 else ports
    return same_host({**found, "port": ",".join(each or "5432" for each in ports)})


def _of_asyncpg(arguments: dict[str, Any]) -> dict[str, Any]:
    known = {*inspect.signature(asyncpg.connect).parameters, "prepared_statement_cache_size", *_OURS}
    if not arguments.keys() <= known:
        raise TypeError("connect() got an unexpected keyword argument")
    arguments = {key: value for key, value in arguments.items() if key not in _OURS}
    found = read_arguments_of_asyncpg(**arguments)
    others = {key: float(value) for key, value in (found.pop("others") or {}).items()}
    addresses = [each if isinstance(each, str) else (each[0].lower(), each[1]) for each in found.pop("addresses")]
    return {**found, **others, "addresses": addresses}


_OURS = frozenset({"positional", "driver"})
_NAMES = {"passwd": "password", "db": "database"}
_INSIGNIFICANT = frozenset({"positional", "client_flag", "ssl", "ssl_mode", "ssl_disabled"})


def _of_mysql(arguments: dict[str, Any]) -> dict[str, Any]:
    found = {_NAMES.get(key, key): value for key, value in arguments.items() if key not in _INSIGNIFICANT}
    driver = found.pop("driver")
    if driver == "aiomysql" and {"read_timeout", "write_timeout"} & set(found):
        raise TypeError("connect() got an unexpected keyword argument")
    password = found.get("password")
    if isinstance(password, str):
        found["password"] = password.encode("utf-8" if driver == "mysqldb" else "latin-1")
    shown = {key: str(value) for key, value in found.items() if value not in (None, "", b"")}
    if "unix_socket" in shown:
        shown.pop("host", None)
        shown.pop("port", None)
    else:
        shown = {"host": "localhost", "port": "3306", **shown}
    tls = bool(arguments.get("ssl")) or arguments.get("ssl_mode") not in {None, "DISABLED", "PREFERRED"}
    return same_host({**shown, "tls": tls})


def _of_sqlite(arguments: dict[str, Any]) -> dict[str, Any]:
    (path,) = arguments["positional"]
    options = {key: value for key, value in arguments.items() if key not in _OURS}
    return {"path": path, **{key: _SWITCHES.get(str(value).lower(), str(value)) for key, value in options.items()}}


def _of_odbc(arguments: dict[str, Any]) -> dict[str, Any]:
    ((text,),) = [arguments["positional"]]
    pairs = re.findall(r"([^=;]+)=(\{(?:[^}]|\}\})*\}|[^;]*)(?:;|$)", text)
    found = {key.lower(): value[1:-1].replace("}}", "}") if value[:1] == "{" else value for key, value in pairs}
    found.setdefault("driver", "ODBC Driver 18 for SQL Server")
    if "timeout" in arguments:
        found["logintimeout"] = str(arguments["timeout"])
    server = found.get("server")
    if server:
        found["server"] = server.lower() if "," in server else f"{server.lower()},1433"
    if found.setdefault("encrypt", "yes") == "no":  # the default of version 18
        found.pop("trustservercertificate", None)
    else:
        found.setdefault("trustservercertificate", "no")
    return {key: value.lower() if value in {"Yes", "No"} else value for key, value in found.items() if value}


def _of_pymssql(arguments: dict[str, Any]) -> dict[str, Any]:
    names = {"server": "host"}
    found = {names.get(key, key): str(value) for key, value in arguments.items() if value and key not in _OURS}
    host, port = found.get("host", ""), found.pop("port", "")
    return same_host({**found, "host": (f"{host}:{port}" if port else host).removesuffix(":1433")})


def _of_oracle(arguments: dict[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in arguments.items() if value is not None and key not in _OURS}
    descriptor = found.pop("dsn", "")
    if "(" in descriptor:
        found |= {
            key.lower(): value for key, value in re.findall(r"\((HOST|PORT|SERVICE_NAME|SID)=([^()]*)\)", descriptor)
        }
    elif descriptor:
        found["dsn"] = descriptor
    return same_host({key: str(value).lower() if key == "events" else str(value) for key, value in found.items()})


def _peer(name: str, texts: st.SearchStrategy[str], shape: Any) -> Peer:
    return Peer(
        f"SQLAlchemy, {name}",
        _DOCUMENTATION,
        texts,
        lambda url: shape(_arguments(url)),
        lambda url: by_peer(shape, _given(url)),
    )


def _urls(schemes: list[str], options: dict[str, grammar.Texts]) -> grammar.Texts:
    return joined(
        st.sampled_from([f"{each}://" for each in schemes]), _USERINFO, _NETLOCS, _PATHS, grammar.query(options)
    )


_ORACLE = {"mode": st.just("2"), "purity": st.just("1"), "events": st.just("true"), "stmtcachesize": grammar.numbers}
_SERVICES = joined("/?service_name=", st.sampled_from(["orders", "orders.example.com", "X$1"]))
_ORACLE_URLS = joined(
    st.sampled_from(["oracle+oracledb://", "oracle+oracledb_async://"]),
    _USERINFO,
    st.sampled_from(["db", "db.example.com", "10.0.0.1", "DB"]),
    optional(joined(":", grammar.ports)),
    optional(_SERVICES | st.sampled_from(["/XE", "/orcl"])),
)
_ODBC_VALUES = st.sampled_from(["u", "a b", "{p;w}", "{a}}b}", "p=w", "é", "a+b"])
_ODBC = joined(
    "Server=",
    st.sampled_from(["h", "tcp:h,1434", "h,1433", "10.0.0.1"]),
    optional(joined(";Database=", st.sampled_from(["d", "{a b}"]))),
    optional(joined(";UID=", _ODBC_VALUES, ";PWD=", _ODBC_VALUES)),
    optional(st.sampled_from([";Encrypt=no", ";Encrypt=yes;TrustServerCertificate=yes", ";MARS_Connection=yes", ";"])),
)
_ODBC_URLS = joined(
    "mssql+pyodbc:///?odbc_connect=", joined("Driver={FreeTDS};", _ODBC).map(quote_plus) | _ODBC.map(quote_plus)
)
_SEVERAL = st.sampled_from(
    ["?host=a:1&host=b:2", "?host=a&host=b", "?host=a,b&port=1,2", "?host=a:1&host=b:2&host=c:3"]
)

PEERS = [
    _peer(
        "PostgreSQL",
        _urls(["postgresql+psycopg", "postgresql+psycopg2"], _POSTGRESQL)
        | joined("postgresql+psycopg://", _USERINFO, _PATHS, _SEVERAL),
        _of_libpq,
    ),
    _peer(
        "asyncpg",
        _urls(["postgresql+asyncpg"], _ASYNCPG) | joined("postgresql+asyncpg://", _USERINFO, "/d", _SEVERAL),
        _of_asyncpg,
    ),
    _peer("MySQL", _urls(["mysql+mysqldb", "mysql+pymysql", "mysql+aiomysql", "mariadb+pymysql"], _MYSQL), _of_mysql),
    _peer("SQLite", joined(st.sampled_from(_SQLITE_URLS), _FILES, grammar.query(_SQLITE)), _of_sqlite),
    _peer(
        "SQL Server, pyodbc",
        _urls(["mssql+pyodbc"], {key: drawn for key, drawn in _SQLSERVER.items() if key != "charset"}) | _ODBC_URLS,
        _of_odbc,
    ),
    _peer("Oracle", _ORACLE_URLS, _of_oracle),
    _peer("SQL Server, pymssql", _urls(["mssql+pymssql"], {"charset": _SQLSERVER["charset"]}), _of_pymssql),
]
