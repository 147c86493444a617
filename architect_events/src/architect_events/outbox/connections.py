"""Inserting a row by a caller's own connection, of whatever library it is, in the transaction that it is in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from architect_events.outbox.libraries import AWAITED, BLOCKING, class_name

if TYPE_CHECKING:
    from architect_core.exceptions import ArchitectError
    from architect_events.outbox.libraries import Insert

_BLOCKING_LIBRARIES = "psycopg, psycopg2, sqlite3, PyMySQL, mysqlclient, Django or SQLAlchemy"
_AWAITED_LIBRARIES = "psycopg, asyncpg, aiomysql or SQLAlchemy"


def execute(connection: Any, insert: Insert, values: Sequence[Any]) -> int:
    """Insert `values`, and commit nothing; returns 1 if a row was inserted, and less than 0 if that is not known yet.

    Raises `insert.error` if the connection is unsuitable or the table is missing, else what the connection raises.
    """
    run = BLOCKING.get(_known(connection.__class__))
    if run is None:
        raise _unsuitable(connection, insert)
    try:
        return run(connection, insert, values)
    except Exception as problem:
        cause = _cause(problem)
        if not _is_missing_table(cause, insert):
            raise
    raise _missing_table(insert) from cause


async def aio_execute(connection: Any, insert: Insert, values: Sequence[Any]) -> int:
    """The same for asyncio."""
    run = AWAITED.get(_known(connection.__class__))
    if run is None:
        raise _unsuitable(connection, insert)
    try:
        return await run(connection, insert, values)
    except Exception as problem:
        cause = _cause(problem)
        if not _is_missing_table(cause, insert):
            raise
    raise _missing_table(insert) from cause


@lru_cache(maxsize=128)
def _known(class_: type) -> str:
    """Returns the connection's name in the tables of libraries, or ""."""
    for each in class_.__mro__:
        name = f"{each.__module__.partition('.')[0]}.{each.__qualname__}"
        if name in BLOCKING or name in AWAITED:
            return name
    return ""


def _unsuitable(connection: Any, insert: Insert) -> ArchitectError:
    given, known = class_name(connection), _known(connection.__class__)
    if known in BLOCKING:
        hint = f"is a connection that blocks: use {insert.blocking}, or a connection for asyncio: {_AWAITED_LIBRARIES}"
    elif known in AWAITED:
        hint = f"is a connection for asyncio: use {insert.awaited}, or one that blocks: {_BLOCKING_LIBRARIES}"
    else:
        hint = (
            "is no connection that is supported: pass a connection (no cursor, engine or pool) or a session, the one "
            f"whose transaction it is, of {_BLOCKING_LIBRARIES}; or for asyncio of {_AWAITED_LIBRARIES}"
        )
    return insert.error(f"{insert.table}: {given} {hint}")


def _cause(problem: Exception) -> BaseException:
    """Returns the driver's own error, which SQLAlchemy and Django wrap."""
    return getattr(problem, "orig", None) or problem.__cause__ or problem


def _is_missing_table(cause: BaseException, insert: Insert) -> bool:
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    no_such_table = state == "42P01" or cause.args[:1] == (1146,)  # PostgreSQL's or MySQL's code
    return no_such_table or f"no such table: {insert.table}" in str(cause)


def _missing_table(insert: Insert) -> ArchitectError:
    return insert.error(
        f"the database has no table {insert.table}: create it with `architect events init`, or put what `architect "
        "events init --sql` prints into your migrations"
    )
