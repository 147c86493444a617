"""The insertion of a row into a table of ours by each library's connection, in the transaction that it is in.

None of the libraries is imported here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import AsyncCursor, Cursor

    from architect_core.exceptions import ArchitectError

_MYSQL = frozenset({"mysql", "mariadb"})
_PLACEHOLDERS = {"qmark": "?", "format": "%s", "pyformat": "%s", "numeric_dollar": "${}"}
_IDLE = 0  # a connection of PostgreSQL that is in no transaction
_IN_TRANSACTION = 1  # a flag of MySQL's server status


@dataclass(frozen=True, eq=False)
class Insert:
    """The insertion of one row into a table of ours.

    Attributes:
        error: what is raised if the connection is unsuitable, or the table is missing.
        blocking: how a caller names what takes a connection that blocks; `awaited` names its twin for asyncio.
        binary: those of the columns that hold bytes.
        once: a column of numbers, if a row that exists counts as none. It may be changed then, and a connection that
            would commit the row at once is refused.
    """

    table: str
    columns: tuple[str, ...]
    error: type[ArchitectError]
    blocking: str
    awaited: str
    binary: frozenset[str] = frozenset()
    once: str = ""


Run = Callable[[Any, Insert, Sequence[Any]], int]
AioRun = Callable[[Any, Insert, Sequence[Any]], Awaitable[int]]


def bound(insert: Insert, values: Sequence[Any], dialect: str, paramstyle: str) -> tuple[str, Sequence[Any]]:
    """Returns the SQL, and the values that it takes."""
    text = _statement(insert, dialect, paramstyle)
    if dialect in _MYSQL and insert.binary:  # aiomysql 0.3 cannot send bytes with PyMySQL 1.2, which sends hex itself
        values = tuple(value.hex() if isinstance(value, bytes) else value for value in values)
    return text, values


@cache
def _statement(insert: Insert, dialect: str, paramstyle: str) -> str:
    """Returns the SQL; `dialect` and `paramstyle` are SQLAlchemy's names. Raises `insert.error` for other databases."""
    mysql = dialect in _MYSQL
    if not (mysql or dialect in {"postgresql", "sqlite"}) or paramstyle not in _PLACEHOLDERS:
        raise insert.error(
            f"a database of {dialect} ({paramstyle}) cannot hold the table {insert.table}: pass a connection to "
            "PostgreSQL, MySQL, MariaDB or SQLite"
        )
    marks = [_PLACEHOLDERS[paramstyle].format(number) for number in range(1, len(insert.columns) + 1)]
    if mysql:
        named = zip(insert.columns, marks, strict=True)
        marks = [f"UNHEX({mark})" if name in insert.binary else mark for name, mark in named]
    text = f"INSERT INTO {insert.table} ({', '.join(insert.columns)}) VALUES ({', '.join(marks)})"  # noqa: S608 - all are ours
    if insert.once and mysql:  # counts a changed row as 2; one that stays as it is would be 0 or 1, as the client chose
        return f"{text} ON DUPLICATE KEY UPDATE {insert.once} = {insert.once} + 1"
    return f"{text} ON CONFLICT DO NOTHING" if insert.once else text


def _psycopg(connection: Any, insert: Insert, values: Sequence[Any]) -> int:
    if insert.once and connection.autocommit and connection.info.transaction_status == _IDLE:
        raise _commits(connection, insert)
    cursor = _psycopg_cursors()[0](connection)
    return cursor.execute(*bound(insert, values, "postgresql", "format")).rowcount


async def _aio_psycopg(connection: Any, insert: Insert, values: Sequence[Any]) -> int:
    if insert.once and connection.autocommit and connection.info.transaction_status == _IDLE:
        raise _commits(connection, insert)
    cursor = _psycopg_cursors()[1](connection)
    return (await cursor.execute(*bound(insert, values, "postgresql", "format"))).rowcount


@cache
def _psycopg_cursors() -> tuple[type[Cursor[Any]], type[AsyncCursor[Any]]]:
    """Plain cursors. Those of a connection's own cursor_factory may have placeholders of another style."""
    import psycopg

    return psycopg.Cursor, psycopg.AsyncCursor


def _psycopg2(connection: Any, insert: Insert, values: Sequence[Any]) -> int:
    if insert.once and connection.autocommit and connection.info.transaction_status == _IDLE:
        raise _commits(connection, insert)
    return _by_cursor(connection, *bound(insert, values, "postgresql", "format"))


async def _asyncpg(connection: Any, insert: Insert, values: Sequence[Any]) -> int:
    if insert.once and not connection.is_in_transaction():
        raise _commits(connection, insert)
    text, parameters = bound(insert, values, "postgresql", "numeric_dollar")
    tag: str = await connection.execute(text, *parameters)
    return int(tag.rpartition(" ")[2])  # of "INSERT 0 1"


def _sqlite3(connection: Any, insert: Insert, values: Sequence[Any]) -> int:
    explicit = connection.isolation_level is None or getattr(connection, "autocommit", False) is True  # from 3.12 on
    if insert.once and explicit and not connection.in_transaction:
        raise _commits(connection, insert)
    count: int = connection.execute(*bound(insert, values, "sqlite", "qmark")).rowcount
    return count


def _pymysql(connection: Any, insert: Insert, values: Sequence[Any]) -> int:
    if insert.once and connection.get_autocommit() and not connection.server_status & _IN_TRANSACTION:
        raise _commits(connection, insert)
    return _by_cursor(connection, *bound(insert, values, "mysql", "format"))


async def _aiomysql(connection: Any, insert: Insert, values: Sequence[Any]) -> int:
    if insert.once and connection.get_autocommit() and not connection.get_transaction_status():
        raise _commits(connection, insert)
    async with connection.cursor() as cursor:
        await cursor.execute(*bound(insert, values, "mysql", "format"))
        count: int = cursor.rowcount
    return count


def _mysqlclient(connection: Any, insert: Insert, values: Sequence[Any]) -> int:
    if insert.once and connection.get_autocommit():  # it does not say whether a transaction was begun nevertheless
        raise _commits(connection, insert)
    return _by_cursor(connection, *bound(insert, values, "mysql", "format"))


def _django(connection: Any, insert: Insert, values: Sequence[Any]) -> int:
    text, parameters = bound(insert, values, connection.vendor, "format")
    if insert.once and connection.get_autocommit():
        raise _commits(connection, insert)
    return _by_cursor(connection, text, parameters)


def _by_cursor(connection: Any, text: str, values: Sequence[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(text, values)
        count: int = cursor.rowcount
    return count


def _sqlalchemy(connection: Any, insert: Insert, values: Sequence[Any]) -> int:
    text, parameters = _sqlalchemy_bound(connection, insert, values)
    try:
        count: int = connection.exec_driver_sql(text, parameters).rowcount
    except Exception as problem:
        _hide_values(problem)
        raise
    return count


async def _aio_sqlalchemy(connection: Any, insert: Insert, values: Sequence[Any]) -> int:
    text, parameters = _sqlalchemy_bound(connection, insert, values)
    try:
        count: int = (await connection.exec_driver_sql(text, parameters)).rowcount
    except Exception as problem:
        _hide_values(problem)
        raise
    return count


def _session(session: Any, insert: Insert, values: Sequence[Any]) -> int:
    return _sqlalchemy(session.connection(), insert, values)


async def _aio_session(session: Any, insert: Insert, values: Sequence[Any]) -> int:
    return await _aio_sqlalchemy(await session.connection(), insert, values)


def _sqlalchemy_bound(connection: Any, insert: Insert, values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    dialect = connection.dialect  # first, because it raises an error of SQLAlchemy's if there is no connection yet
    if insert.once and _sqlalchemy_commits(getattr(connection, "sync_connection", connection)):
        raise _commits(connection, insert)
    return bound(insert, values, dialect.name, dialect.paramstyle)


def _sqlalchemy_commits(connection: Any) -> bool:
    detect = getattr(connection.dialect, "detect_autocommit_setting", None)  # older versions of SQLAlchemy 2 have none
    if detect is None or connection.dialect.name == "sqlite":  # there a listener may begin the transaction later
        return bool(connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT")
    return bool(detect(connection.connection.dbapi_connection))


def _hide_values(problem: Exception) -> None:
    """Have SQLAlchemy's error show no payload."""
    if hasattr(problem, "hide_parameters"):
        problem.hide_parameters = True


# by the package and the name of the connection's class, or of one that this is derived from
BLOCKING: dict[str, Run] = {
    "psycopg.Connection": _psycopg,
    "psycopg2.connection": _psycopg2,
    "sqlite3.Connection": _sqlite3,
    "pymysql.Connection": _pymysql,
    "MySQLdb.Connection": _mysqlclient,
    "django.BaseDatabaseWrapper": _django,
    "django.ConnectionProxy": _django,
    "sqlalchemy.Connection": _sqlalchemy,
    "sqlalchemy.Session": _session,
    "sqlalchemy.scoped_session": _session,
}
AWAITED: dict[str, AioRun] = {
    "psycopg.AsyncConnection": _aio_psycopg,
    "asyncpg.Connection": _asyncpg,
    "asyncpg.PoolConnectionProxy": _asyncpg,
    "aiomysql.Connection": _aiomysql,
    "sqlalchemy.AsyncConnection": _aio_sqlalchemy,
    "sqlalchemy.AsyncSession": _aio_session,
    "sqlalchemy.async_scoped_session": _aio_session,
}


def _commits(connection: Any, insert: Insert) -> ArchitectError:
    return insert.error(
        f"{insert.table}: {class_name(connection)} is in no transaction and commits each statement at once, so the "
        "event would count as handled even if its effect fails: begin a transaction first, or turn autocommit off"
    )


def class_name(connection: Any) -> str:
    """Returns the name of the connection's class, with its module."""
    class_ = connection.__class__
    return class_.__qualname__ if class_.__module__ == "builtins" else f"{class_.__module__}.{class_.__qualname__}"
