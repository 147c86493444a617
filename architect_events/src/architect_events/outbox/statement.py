"""The insertion of a row into a table of ours, in the SQL of each database and the placeholders of each driver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from architect_core.exceptions import ArchitectError

_MYSQL = frozenset({"mysql", "mariadb"})
_PLACEHOLDERS = {"qmark": "?", "format": "%s", "pyformat": "%s", "numeric_dollar": "${}"}


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
