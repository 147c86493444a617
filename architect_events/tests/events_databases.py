"""Databases with the tables of events, on real servers, and the libraries that connect to them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import aiomysql
import asyncpg
import django
import psycopg
import psycopg2
import pymysql
import pytest
import sqlalchemy
from django.conf import settings
from django.db.utils import ConnectionHandler
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from architect_core.contract import Message
from architect_core.exceptions import RunError
from architect_datastore.postgres_server import PostgresProvisioner
from architect_events.outbox.inbox import Inbox
from architect_events.outbox.insert import aio_put, put
from architect_events.outbox.tables import DIALECTS

try:
    version("mysqlclient")
except PackageNotFoundError:  # it has to be compiled, with headers that few machines have; Django takes PyMySQL for it
    pymysql.version_info = (2, 2, 1, "final", 0)
    pymysql.install_as_MySQLdb()
    COMPILED = False
else:
    COMPILED = True

HOST = "127.0.0.1"
_LOGIN = (("host", "host"), ("port", "port"), ("username", "user"), ("password", "password"))
ENGINES = ("postgres", "mysql", "sqlite")


@dataclass
class Database:
    """One database. `login` is what drivers of servers take beside the name; for SQLite, `name` is a file."""

    engine: str
    name: str
    login: dict[str, Any] = field(default_factory=dict)

    def connect(self) -> Any:
        """A connection that commits each statement."""
        if self.engine == "postgres":
            return psycopg.connect(**self.login, dbname=self.name, autocommit=True)
        if self.engine == "mysql":
            return pymysql.connect(**self.login, database=self.name, autocommit=True)
        return sqlite3.connect(self.name, isolation_level=None)

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Returns the rows of the last statement."""
        with contextlib.closing(self.connect()) as connection, contextlib.closing(connection.cursor()) as cursor:
            for statement in statements:
                cursor.execute(statement)
            return [] if cursor.description is None else [tuple(row) for row in cursor.fetchall()]

    @property
    def entry(self) -> dict[str, Any]:
        """The entry of a datastore."""
        login = {ours: self.login.get(theirs) for ours, theirs in _LOGIN if self.login.get(theirs)}
        return {"type": self.engine, "name": self.name, **login}

    def url(self, driver: str) -> str:
        """SQLAlchemy's URL."""
        if self.engine == "sqlite":
            return f"{driver}:///{self.name}"
        login = f"{self.login['user']}:{self.login['password']}@{HOST}:{self.login['port']}"
        return f"{driver}://{login}/{self.name}"


@contextlib.contextmanager
def postgres_server() -> Iterator[Database]:
    """A server that is ended afterwards."""
    with socket.create_server((HOST, 0)) as listener:
        port = int(listener.getsockname()[1])
    folder = Path(tempfile.mkdtemp(prefix="architect-events-"))
    folder.chmod(0o711)  # the server may run as another user
    try:
        provisioned = PostgresProvisioner().provision({}, folder, port)
        assert provisioned.command is not None
        assert provisioned.prepare is not None
        identity = {}
        if provisioned.user is not None:
            identity = {"user": provisioned.user[0], "group": provisioned.user[1], "extra_groups": ()}
        process = subprocess.Popen(
            provisioned.command,
            cwd=folder,
            env=os.environ | dict(provisioned.env),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **identity,
        )
        try:
            _wait_until_listening(port, process)
            provisioned.prepare()
            entry = provisioned.entry
            login = {"host": HOST, "port": port, "user": entry["username"], "password": entry["password"]}
            yield Database("postgres", str(entry["name"]), login)
        finally:
            process.send_signal(provisioned.stop_signal)
            process.wait()
    except RunError as problem:
        if "there is no such program" not in str(problem):
            raise
        pytest.skip(str(problem))
    finally:
        shutil.rmtree(folder)


def _wait_until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, f"PostgreSQL ended with {process.returncode}"
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("PostgreSQL does not listen")


@contextlib.contextmanager
def mysql_server() -> Iterator[Database]:
    """The server on the local default port."""
    login = {"host": HOST, "port": 3306, "user": "root", "password": ""}
    database = Database("mysql", "mysql", login)
    try:
        database.connect().close()
    except pymysql.err.OperationalError as problem:
        pytest.skip(f"no MySQL for root without a password on {HOST}:3306: {problem}")
    yield database


@contextlib.contextmanager
def new_database(server: Database, *, tables: bool = True) -> Iterator[Database]:
    """A new database on the server, or in the folder that SQLite's "server" names, in which the tables exist."""
    name = f"events_{secrets.token_hex(6)}"
    if server.engine == "sqlite":
        database = Database("sqlite", f"{server.name}/{name}.db")
    else:
        database = Database(server.engine, name, server.login)
        server.execute(f"CREATE DATABASE {name}")
    try:
        if tables:
            database.execute(*DIALECTS[database.engine].create)
        yield database
    finally:
        if server.engine != "sqlite":
            server.execute(f"DROP DATABASE {name}{' WITH (FORCE)' if server.engine == 'postgres' else ''}")


class Client:
    """A connection of a library, in a transaction that `commit` and `rollback` end; everything blocks."""

    def __init__(self, connection: Any, run: Callable[[str], Any], *, sessions: bool = False) -> None:
        """`run` executes a statement in the transaction."""
        self.connection = connection
        self.run = run
        self.close = self.disconnect = connection.remove if sessions else connection.close

    def put(self, message: Message) -> None:
        put(self.connection, message)

    def inbox(self, event: Message | str, consumer: str = "acme/mailer") -> contextlib.AbstractContextManager[bool]:
        return Inbox(self.connection, event, consumer)

    def commit(self) -> None:
        self.connection.commit()

    def rollback(self) -> None:
        self.connection.rollback()


class AioClient:
    """The same for a connection for asyncio, in an event loop of its own."""

    def __init__(
        self, runner: asyncio.Runner, connection: Any, run: Callable[[str], Any], *, close: str = "close"
    ) -> None:
        """`close` is the name of the coroutine function that closes the connection."""
        self._runner = runner
        self.connection = connection
        self._run = run
        self._close = getattr(connection, close)

    def run(self, statement: str) -> None:
        self._runner.run(_awaited(self._run, statement))

    def await_(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(coroutine)

    def put(self, message: Message) -> None:
        self._runner.run(aio_put(self.connection, message))

    @contextlib.contextmanager
    def inbox(self, event: Message | str, consumer: str = "acme/mailer") -> Iterator[bool]:
        context = Inbox(self.connection, event, consumer)
        is_new = self._runner.run(context.__aenter__())
        try:
            yield is_new
        except BaseException as problem:
            if not self._runner.run(context.__aexit__(type(problem), problem, problem.__traceback__)):
                raise
        else:
            self._runner.run(context.__aexit__(None, None, None))

    def commit(self) -> None:
        self._runner.run(_awaited(self.connection.commit))

    def rollback(self) -> None:
        self._runner.run(_awaited(self.connection.rollback))

    def disconnect(self) -> None:
        self._runner.run(_awaited(self._close))

    def close(self) -> None:
        self.disconnect()
        self._runner.close()


async def _awaited(function: Callable[..., Any], *arguments: Any) -> None:
    await function(*arguments)


class AsyncpgClient(AioClient):
    """asyncpg has a transaction as an object."""

    def __init__(self, runner: asyncio.Runner, connection: Any) -> None:
        super().__init__(runner, connection, connection.execute)
        self._begin()

    def _begin(self) -> None:
        self._transaction = self.connection.transaction()
        self._runner.run(_awaited(self._transaction.start))

    def commit(self) -> None:
        self._runner.run(_awaited(self._transaction.commit))
        self._begin()

    def rollback(self) -> None:
        self._runner.run(_awaited(self._transaction.rollback))
        self._begin()


def _by_cursor(connection: Any, statement: str) -> None:
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute(statement)


def _dbapi(connection: Any) -> Client:
    return Client(connection, functools.partial(_by_cursor, connection))


def over_psycopg(database: Database) -> Client:
    return _dbapi(psycopg.connect(**database.login, dbname=database.name))


def over_psycopg2(database: Database) -> Client:
    return _dbapi(psycopg2.connect(**database.login, dbname=database.name))


def over_pymysql(database: Database) -> Client:
    return _dbapi(pymysql.connect(**database.login, database=database.name))


def over_mysqlclient(database: Database) -> Client:
    import MySQLdb

    return _dbapi(MySQLdb.connect(**database.login, database=database.name))


def over_sqlite3(database: Database) -> Client:
    return _dbapi(sqlite3.connect(database.name, timeout=30))


def django_connection(database: Database) -> Any:
    if not settings.configured:
        settings.configure()
        django.setup()
    login = {key.upper(): value for key, value in database.login.items()}
    entry = {**login, "ENGINE": f"django.db.backends.{DJANGO[database.engine]}", "NAME": database.name}
    return ConnectionHandler({"default": entry})["default"]


def over_django(database: Database) -> Client:
    connection = django_connection(database)
    connection.set_autocommit(False)
    return _dbapi(connection)


DJANGO = {"postgres": "postgresql", "mysql": "mysql", "sqlite": "sqlite3"}


def over_sqlalchemy(database: Database, driver: str) -> Client:
    connection = sqlalchemy.create_engine(database.url(driver), poolclass=sqlalchemy.NullPool).connect()
    return Client(connection, connection.exec_driver_sql)


def over_session(database: Database, driver: str) -> Client:
    session = Session(sqlalchemy.create_engine(database.url(driver), poolclass=sqlalchemy.NullPool))
    return Client(session, lambda statement: session.execute(sqlalchemy.text(statement)))


def over_scoped_session(database: Database, driver: str) -> Client:
    engine = sqlalchemy.create_engine(database.url(driver), poolclass=sqlalchemy.NullPool)
    session = scoped_session(sessionmaker(engine))
    return Client(session, lambda statement: session.execute(sqlalchemy.text(statement)), sessions=True)


def over_aio_psycopg(database: Database) -> AioClient:
    runner = asyncio.Runner()
    connection = runner.run(psycopg.AsyncConnection.connect(**database.login, dbname=database.name))
    return AioClient(runner, connection, connection.execute)


def over_asyncpg(database: Database) -> AioClient:
    runner = asyncio.Runner()

    async def connect() -> Any:
        return await asyncpg.connect(**database.login, database=database.name)

    return AsyncpgClient(runner, runner.run(connect()))


def over_aiomysql(database: Database) -> AioClient:
    runner = asyncio.Runner()

    async def connect() -> Any:
        return await aiomysql.connect(**database.login, db=database.name)

    connection = runner.run(connect())

    async def execute(statement: str) -> None:
        async with connection.cursor() as cursor:
            await cursor.execute(statement)

    return AioClient(runner, connection, execute, close="ensure_closed")


def over_aio_sqlalchemy(database: Database, driver: str) -> AioClient:
    runner = asyncio.Runner()
    engine = create_async_engine(database.url(driver), poolclass=sqlalchemy.NullPool)

    async def connect() -> Any:
        return await engine.connect()

    connection = runner.run(connect())
    return AioClient(runner, connection, connection.exec_driver_sql)


def over_aio_session(database: Database, driver: str) -> AioClient:
    session = AsyncSession(create_async_engine(database.url(driver), poolclass=sqlalchemy.NullPool))
    return AioClient(asyncio.Runner(), session, lambda statement: session.execute(sqlalchemy.text(statement)))


def over_aio_scoped_session(database: Database, driver: str) -> AioClient:
    engine = create_async_engine(database.url(driver), poolclass=sqlalchemy.NullPool)
    session = async_scoped_session(sessionmaker(engine, class_=AsyncSession), scopefunc=lambda: 1)

    async def execute(statement: str) -> None:
        await session.execute(sqlalchemy.text(statement))

    return AioClient(asyncio.Runner(), session, execute, close="remove")


Connect = Callable[[Database], Client | AioClient]


def _through(over: Callable[[Database, str], Any], driver: str) -> Connect:
    return functools.partial(over, driver=driver)


LIBRARIES: dict[str, tuple[str, Connect]] = {
    "psycopg": ("postgres", over_psycopg),
    "psycopg for asyncio": ("postgres", over_aio_psycopg),
    "psycopg2": ("postgres", over_psycopg2),
    "asyncpg": ("postgres", over_asyncpg),
    "django on postgres": ("postgres", over_django),
    "sqlalchemy+psycopg": ("postgres", _through(over_sqlalchemy, "postgresql+psycopg")),
    "sqlalchemy+psycopg2": ("postgres", _through(over_sqlalchemy, "postgresql+psycopg2")),
    "sqlalchemy+psycopg for asyncio": ("postgres", _through(over_aio_sqlalchemy, "postgresql+psycopg")),
    "sqlalchemy+asyncpg": ("postgres", _through(over_aio_sqlalchemy, "postgresql+asyncpg")),
    "session+psycopg": ("postgres", _through(over_session, "postgresql+psycopg")),
    "scoped session+psycopg2": ("postgres", _through(over_scoped_session, "postgresql+psycopg2")),
    "session+asyncpg": ("postgres", _through(over_aio_session, "postgresql+asyncpg")),
    "scoped session+asyncpg": ("postgres", _through(over_aio_scoped_session, "postgresql+asyncpg")),
    "pymysql": ("mysql", over_pymysql),
    "mysqlclient": ("mysql", over_mysqlclient),
    "aiomysql": ("mysql", over_aiomysql),
    "django on mysql": ("mysql", over_django),
    "sqlalchemy+pymysql": ("mysql", _through(over_sqlalchemy, "mysql+pymysql")),
    "sqlalchemy+mysqldb": ("mysql", _through(over_sqlalchemy, "mariadb+mysqldb")),
    "sqlalchemy+aiomysql": ("mysql", _through(over_aio_sqlalchemy, "mysql+aiomysql")),
    "session+aiomysql": ("mysql", _through(over_aio_session, "mariadb+aiomysql")),
    "sqlite3": ("sqlite", over_sqlite3),
    "django on sqlite": ("sqlite", over_django),
    "sqlalchemy on sqlite": ("sqlite", _through(over_sqlalchemy, "sqlite")),
    "session on sqlite": ("sqlite", _through(over_session, "sqlite")),
}
if not COMPILED:
    del LIBRARIES["mysqlclient"], LIBRARIES["sqlalchemy+mysqldb"]
