"""One connection to a database that holds an outbox, by whichever driver is installed."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from importlib import import_module
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from architect_core.clock import monotonic
from architect_core.exceptions import ConfigError
from architect_events.outbox.tables import DIALECTS, OUTBOX

if TYPE_CHECKING:
    from types import ModuleType

    from architect_core.contract import Credentials

LOCK_TIMEOUT = 10
"""Seconds that a transaction waits for those of other processes."""
_LOCKED_SECONDS = 0.01

# drivers by engine, the preferred one first, and what to install if there is none
_DRIVERS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "postgres": (("psycopg", "psycopg2"), "psycopg[binary]"),
    "mysql": (("pymysql", "MySQLdb"), "pymysql"),
    "sqlite": (("sqlite3",), ""),
}
# a server that is gone without a word is noticed within about a minute
_LIBPQ = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_MYSQL = {
    "connect_timeout": 10,
    "read_timeout": 60,
    "write_timeout": 60,
    "charset": "utf8mb4",
    "autocommit": True,
    "client_flag": 2,  # CLIENT_FOUND_ROWS: count the rows that a statement found, and not only those that it changed
}
_DEFAULTS: Mapping[str, dict[str, Any]] = {
    "psycopg": {**_LIBPQ, "autocommit": True, "prepare_threshold": None},  # a pooler may lack prepared statements
    "psycopg2": _LIBPQ,
    "pymysql": _MYSQL,
    "MySQLdb": _MYSQL,
    "sqlite3": {"timeout": LOCK_TIMEOUT, "check_same_thread": False, "isolation_level": None},
}
# a time without a zone is ambiguous when clocks are put back; under a lock, each statement must see what is committed
_MYSQL_SESSION = "SET SESSION time_zone = '+00:00'", "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
_NO_TABLE = frozenset({"42P01", 1146})  # SQLSTATE, and MySQL's number; SQLite has only words
_of_parents: list[Any] = []  # connections that a forked child must not close, because its parent goes on using them


class NoTablesError(ConfigError):
    """The database has no outbox."""


class Cursor:
    """Runs statements, whose parameters are marked with "?" for every driver."""

    def __init__(self, cursor: Any, mark: str) -> None:
        self._cursor = cursor
        self._mark = mark

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; returns the number of rows that it changed."""
        text = statement.replace("?", self._mark)
        if parameters:
            self._cursor.execute(text, parameters)
        else:
            self._cursor.execute(text)
        return int(self._cursor.rowcount)

    def run_many(self, statement: str, parameters: Sequence[Sequence[Any]]) -> None:
        """Run a statement with each of the parameters."""
        self._cursor.executemany(statement.replace("?", self._mark), parameters)

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query; returns its rows."""
        self.run(statement, parameters)
        return list(self._cursor.fetchall())


class Database:
    """A connection that is opened when it is first used, after it was lost, and in a forked child.

    One thread uses it at a time, and others wait. Any error of the driver closes it and is raised as an OSError, or as
    a NoTablesError; their messages show no values of a row.
    """

    def __init__(self, credentials: Credentials, where: str, settings: Sequence[str] = ()) -> None:
        """`where` is what errors call it; `settings` are statements that every new connection runs.

        Raises ConfigError if no outbox can be there, or no driver is installed.
        """
        if credentials.engine not in DIALECTS:
            raise ConfigError(where, [("", f"is {credentials.engine}; an outbox needs one of {', '.join(DIALECTS)}")])
        self.dialect = DIALECTS[credentials.engine]
        engine = self.dialect.engine
        names, package = _DRIVERS[engine]
        module = _first_installed(names)
        if module is None:
            raise ConfigError(where, [("", f"has no driver: run `pip install {package}`")])
        self.where = where
        self._driver = module.__name__
        self._module: Any = module
        self._credentials = credentials
        self._settings = (*_MYSQL_SESSION, *settings) if engine == "mysql" else tuple(settings)
        self._begin = {"postgres": _begin_postgres, "mysql": _begin_mysql, "sqlite": _begin_sqlite}[engine]
        self._mark = "?" if engine == "sqlite" else "%s"
        self._connection: Any = None
        self._pid = 0
        self._lock = threading.Lock()
        _databases.add(self)

    @contextlib.contextmanager
    def cursor(self) -> Iterator[Cursor]:
        """A cursor whose statements are committed one by one."""
        with self._lock:
            try:
                if self._connection is None or self._pid != os.getpid():
                    self._connect()
                with contextlib.closing(self._connection.cursor()) as cursor:
                    yield Cursor(cursor, self._mark)
            except (self._module.Error, UnicodeError) as problem:  # a parameter that is no Unicode text
                self._close()
                raise self._error(problem) from None
            except BaseException:
                self._close()  # which undoes a transaction that has begun
                raise

    @contextlib.contextmanager
    def transaction(self, lock: str = "") -> Iterator[Cursor]:
        """A cursor whose statements are committed together at the end.

        Transactions with the same `lock` exclude each other, and each sees what the one before has committed.
        """
        with self.cursor() as cursor:
            end = self._begin(cursor, lock)
            yield cursor
            cursor.run("COMMIT")
            if end:
                cursor.rows(end)

    def close(self) -> None:
        """Disconnect; the next use connects again."""
        with self._lock:
            self._close()

    def _connect(self) -> None:
        if self._connection is not None:
            _of_parents.append(self._connection)
            self._connection = None
        arguments = {**_DEFAULTS[self._driver], **self._credentials.for_driver(self._driver)}
        try:
            connection = self._module.connect(**arguments)
        except RuntimeError as problem:  # PyMySQL's, if the server's logins need a package that is not installed
            raise ConfigError(self.where, [("", str(problem))]) from None
        if self._driver == "psycopg2":
            connection.autocommit = True
        self._connection, self._pid = connection, os.getpid()
        with contextlib.closing(connection.cursor()) as cursor:
            for statement in self._settings:
                self._set(cursor, statement)

    def _set(self, cursor: Any, statement: str) -> None:
        """Execute a setting; SQLite does not wait itself for another process that holds a lock meanwhile."""
        until = monotonic() + LOCK_TIMEOUT
        while True:
            try:
                cursor.execute(statement)
            except self._module.OperationalError as problem:
                if "is locked" not in str(problem) or monotonic() > until:
                    raise
                time.sleep(_LOCKED_SECONDS)
            else:
                return

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._pid != os.getpid():
            _of_parents.append(connection)
            return
        with contextlib.suppress(Exception):  # it may be broken already
            connection.close()

    def _error(self, problem: Exception) -> Exception:
        codes = {getattr(problem, "sqlstate", None), getattr(problem, "pgcode", None), *problem.args[:1]}
        # the first line; a further one may show a row's values
        text = next(iter(str(problem.args[-1] if problem.args else problem).splitlines()), type(problem).__name__)
        if codes & _NO_TABLE or text.startswith("no such table"):
            return NoTablesError(self.where, [("", f"has no table {OUTBOX}; `architect events init` creates it")])
        return OSError(f"{self.where}: {text}")

    def hold_for_fork(self) -> bool:
        """Waits for the end of a transaction in a file: what SQLite keeps about it in memory would be the child's, too.

        The child could not write to the file any more. Returns whether nothing happens here until `fork_has_ended`.
        """
        return self.dialect.engine == "sqlite" and self._lock.acquire(timeout=LOCK_TIMEOUT)

    def fork_has_ended(self, *, in_child: bool) -> None:
        """Go on; in the child, a thread of the parent may hold the lock."""
        if in_child:
            self._lock = threading.Lock()
        else:
            self._lock.release()


def _first_installed(names: Sequence[str]) -> ModuleType | None:
    for name in names:
        with contextlib.suppress(ImportError):  # that of psycopg without its library in C, too
            return import_module(name)
    return None


_databases: WeakSet[Database] = WeakSet()


_held_for_fork: list[Database] = []


def _before_fork() -> None:
    held = [each for each in sorted(_databases, key=id) if each.hold_for_fork()]  # all threads in the same order
    _held_for_fork.extend(held)


def _after_fork_in_parent() -> None:
    while _held_for_fork:
        _held_for_fork.pop().fork_has_ended(in_child=False)


def _after_fork_in_child() -> None:
    _held_for_fork.clear()
    for each in list(_databases):
        each.fork_has_ended(in_child=True)


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)


def _begin_postgres(cursor: Cursor, lock: str) -> str:
    begin = f"BEGIN; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'"
    taken = f"; SELECT pg_advisory_xact_lock('{OUTBOX}'::regclass::oid::int, {_number(lock)})" if lock else ""
    cursor.run(begin + taken)
    return ""


def _begin_mysql(cursor: Cursor, lock: str) -> str:
    if not lock:
        cursor.run("BEGIN")
        return ""
    # of the whole server, therefore with the database's name
    name = f"concat('{OUTBOX} ', left(sha1(database()), 16), ' {_number(lock)}')"
    if cursor.rows(f"SELECT get_lock({name}, {LOCK_TIMEOUT})") != [(1,)]:
        raise TimeoutError(f"another process has held the lock of {OUTBOX} for {LOCK_TIMEOUT} seconds")
    cursor.run("BEGIN")
    return f"SELECT release_lock({name})"


def _begin_sqlite(cursor: Cursor, lock: str) -> str:  # noqa: ARG001 - there is one writer at a time anyway
    cursor.run("BEGIN IMMEDIATE")
    return ""


def _number(text: str) -> int:
    """A number of 32 bits for a text, the same in every process."""
    return int.from_bytes(sha256(text.encode()).digest()[:4], "big", signed=True)
