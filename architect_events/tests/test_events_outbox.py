"""An event that is put in an outbox is kept if and only if the transaction of the connection is committed."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import asyncpg
import psycopg
import psycopg2.extras
import pymysql.cursors
import pytest
import sqlalchemy
from django.db.utils import ConnectionHandler
from django.utils.connection import ConnectionProxy
from events_databases import LIBRARIES, Database, django_connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import sessionmaker

import architect.sdk as architect
from architect_core.contract import Message
from architect_core.exceptions import ArchitectError, PublishError
from architect_events.outbox.inbox import Inbox
from architect_events.outbox.insert import aio_put, put

each_library = pytest.mark.parametrize("library", LIBRARIES)


def message(body: bytes = b'{"order": 7}', **more: Any) -> Message:
    return Message(str(uuid4()), "order_placed", "acme/orders", datetime.now(UTC), body, **more)


def kept(database: Database) -> list[str]:
    return [row[0] for row in database.execute("SELECT message_id FROM architect_outbox ORDER BY id")]


@each_library
def test_an_event_is_kept_by_the_commit_and_by_nothing_before_it(opened, library):
    database, client = opened(library)
    event = message()
    client.put(event)
    assert kept(database) == []
    client.commit()
    assert kept(database) == [event.id]


@each_library
def test_a_rollback_leaves_nothing(opened, library):
    database, client = opened(library)
    client.put(message())
    client.rollback()
    after = message()
    client.put(after)
    client.commit()
    assert kept(database) == [after.id]


@each_library
def test_an_event_belongs_to_the_savepoint_that_it_was_published_in(opened, library):
    database, client = opened(library)
    first, second, third = message(), message(), message()
    client.put(first)
    client.run("SAVEPOINT here")
    client.put(second)
    client.run("ROLLBACK TO SAVEPOINT here")
    client.put(third)
    client.commit()
    assert kept(database) == [first.id, third.id]


@each_library
def test_every_field_is_kept_as_it_was(opened, library):
    database, client = opened(library)
    headers = {"traceparent": "00-1-2-01", "x": "a 'quote', 100% and a \\ \N{SNOWMAN}"}
    body = bytes(range(256)) + b"%s %(a)s ? $1 :x '' \\' \\"
    keyed = message(body, key="Ada \N{GREEK SMALL LETTER LAMDA} \N{BLACK CHESS QUEEN}\N{ROCKET} %s '", headers=headers)
    plain = message(b"", content_type="text/plain")
    client.put(keyed)
    client.put(plain)
    client.commit()
    columns = "message_id, event, source, ordering_key, content_type, headers, body, occurred_at, subscriber, attempts"
    rows = database.execute(f"SELECT {columns} FROM architect_outbox ORDER BY id")
    assert [json.loads(row[5]) for row in rows] == [headers, {}]
    assert [(*row[:5], *row[6:]) for row in rows] == [
        (each.id, each.event, each.source, each.key, each.content_type, each.body, each.time.isoformat(), "", 0)
        for each in (keyed, plain)
    ]


def test_the_time_is_kept_in_utc(shared):
    database = shared("sqlite")
    with closing(database.connect()) as connection:
        time = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))
        put(connection, Message("7", "order_placed", "acme/orders", time, b""))
    assert database.execute("SELECT occurred_at FROM architect_outbox") == [("2026-03-01T10:00:00+00:00",)]


@each_library
def test_a_body_of_a_mebibyte_is_kept(opened, library):
    database, client = opened(library)
    body = bytes(range(256)) * 4096
    client.put(message(body))
    client.commit()
    assert database.execute("SELECT body FROM architect_outbox") == [(body,)]


@each_library
def test_a_missing_table_is_an_error_that_says_what_creates_it(opened, library):
    _, client = opened(library, tables=False)
    with pytest.raises(PublishError, match=r"no table architect_outbox: .*`architect events init`") as problem:
        client.put(message(b"secret"))
    assert "secret" not in "".join(map(str, (problem.value, problem.value.__cause__)))
    assert problem.value.__cause__ is not None
    assert problem.value.__cause__.__class__.__module__.partition(".")[0] not in {"django", "architect_core"}
    client.rollback()


@each_library
def test_another_error_is_that_of_the_library_and_shows_no_payload(new, library):
    engine, over = LIBRARIES[library]
    database = new(engine)
    database.execute("DROP TABLE architect_outbox", "CREATE TABLE architect_outbox (id INTEGER)")
    with closing(over(database)) as client:
        with pytest.raises(Exception, match="message_id") as problem:
            client.put(message(b"secret"))
        assert not isinstance(problem.value, ArchitectError)
        assert "secret" not in str(problem.value)
        client.rollback()


@each_library
def test_threads_with_connections_of_their_own_lose_and_double_nothing(shared, library):
    engine, over = LIBRARIES[library]
    database = shared(engine)
    wanted = [[message() for _ in range(10)] for _ in range(6)]
    problems = []

    def publish(events: list[Message]) -> None:
        try:
            with closing(over(database)) as client:
                for event in events:
                    client.put(event)
                    client.commit()
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=publish, args=(events,)) for events in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert sorted(kept(database)) == sorted(event.id for events in wanted for event in events)


# Django's connections and sessions open a new connection
@pytest.mark.parametrize("library", [each for each in LIBRARIES if "django" not in each and "session" not in each])
def test_a_closed_connection_raises_the_error_of_its_library(shared, library):
    engine, over = LIBRARIES[library]
    client = over(shared(engine))
    client.disconnect()
    with pytest.raises(Exception, match=r"(?i)close|not connected|\(0, ''\)|\(2006, ''\)") as problem:
        client.put(message())
    assert not isinstance(problem.value, ArchitectError)
    with suppress(Exception):  # PyMySQL and mysqlclient refuse to close it twice
        client.close()


def test_a_connection_of_sqlalchemy_that_was_not_awaited_raises_an_error_of_sqlalchemy(shared):
    engine = create_async_engine(shared("postgres").url("postgresql+asyncpg"))
    with pytest.raises(sqlalchemy.exc.SQLAlchemyError):
        asyncio.run(aio_put(engine.connect(), message()))
    with pytest.raises(sqlalchemy.exc.SQLAlchemyError):
        asyncio.run(Inbox(engine.connect(), "7", "acme/mailer").__aenter__())


def test_a_connection_that_commits_each_statement_keeps_the_event_at_once(database):
    event = message()
    with closing(database.connect()) as connection:
        put(connection, event)
        assert kept(database) == [event.id]


def test_outside_of_a_transaction_asyncpg_keeps_the_event_at_once(shared):
    database = shared("postgres")
    event = message()

    async def publish() -> list[str]:
        connection = await asyncpg.connect(**database.login, database=database.name)
        try:
            await aio_put(connection, event)
            return kept(database)
        finally:
            await connection.close()

    assert asyncio.run(publish()) == [event.id]


def test_connections_of_pools_put_events(shared):
    database = shared("postgres")
    event = message()

    async def publish() -> None:
        async with (
            asyncpg.create_pool(**database.login, database=database.name, min_size=1, max_size=1) as pool,
            pool.acquire() as connection,
            connection.transaction(),
        ):
            await aio_put(connection, event)

    asyncio.run(publish())
    assert kept(database) == [event.id]


def test_cursors_of_another_kind_do_not_matter(shared):
    postgres, mysql = shared("postgres"), shared("mysql")
    login = {**postgres.login, "dbname": postgres.name}
    with closing(psycopg.connect(**login, cursor_factory=psycopg.RawCursor)) as connection:  # with other placeholders
        put(connection, message())
        connection.commit()
    with closing(psycopg.connect(**login, row_factory=psycopg.rows.dict_row)) as connection:
        put(connection, message())
        connection.commit()
    with closing(psycopg2.connect(**login, cursor_factory=psycopg2.extras.RealDictCursor)) as connection:
        put(connection, message())
        connection.commit()
    cursor = pymysql.cursors.SSDictCursor
    with closing(pymysql.connect(**mysql.login, database=mysql.name, cursorclass=cursor)) as connection:
        put(connection, message())
        connection.commit()
    assert (len(kept(postgres)), len(kept(mysql))) == (3, 1)


def test_a_pipeline_of_psycopg_puts_events(shared):
    database = shared("postgres")
    events = [message() for _ in range(10)]
    with closing(psycopg.connect(**database.login, dbname=database.name)) as connection:
        with connection.pipeline():
            for event in events:
                put(connection, event)
        connection.commit()
    assert kept(database) == [event.id for event in events]


class Observed:
    """A connection in the shape that instrumentation gives it: it says that its class is that of what it wraps."""

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    @property
    def __class__(self) -> type:
        return self._wrapped.__class__

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)


@pytest.mark.parametrize("library", ["psycopg2", "pymysql", "sqlite3"])
def test_a_connection_that_is_wrapped_puts_events(opened, library):
    database, client = opened(library)
    event = message()
    put(Observed(client.connection), event)
    client.commit()
    assert kept(database) == [event.id]


def test_the_connection_that_django_shares_puts_events(shared):
    database = shared("sqlite")
    handler = ConnectionHandler({"default": django_connection(database).settings_dict})
    event = message()
    put(ConnectionProxy(handler, "default"), event)
    assert kept(database) == [event.id]
    handler.close_all()


def unsupported(connection: Any) -> str:
    with pytest.raises(PublishError) as problem:
        put(connection, message())
    assert problem.value.__cause__ is None
    return str(problem.value)


def test_what_is_no_connection_is_refused_with_what_is_supported():
    engine = sqlalchemy.create_engine("sqlite://")
    aio_engine = create_async_engine("postgresql+asyncpg://h/n")
    with closing(sqlite3.connect(":memory:")) as connection:
        cursor = connection.cursor()
        given = ["postgresql://h/n", 7, cursor, engine, aio_engine, sessionmaker(engine), ConnectionHandler({})]
        found = [unsupported(each) for each in given]
    names = [
        "str",
        "int",
        "sqlite3.Cursor",
        "sqlalchemy.engine.base.Engine",
        "sqlalchemy.ext.asyncio.engine.AsyncEngine",
    ]
    names += ["sqlalchemy.orm.session.sessionmaker", "django.db.utils.ConnectionHandler"]
    for text, name in zip(found, names, strict=True):
        assert text.startswith(f"architect_outbox: {name} is no connection that is supported: pass a connection")
        assert "psycopg, psycopg2, sqlite3, PyMySQL, mysqlclient, Django or SQLAlchemy" in text


def test_a_pool_is_no_connection():
    pool = asyncpg.pool.Pool.__new__(asyncpg.pool.Pool)  # its `execute` would use a connection of its own
    with pytest.raises(PublishError, match=r"asyncpg\.pool\.Pool is no connection that is supported"):
        asyncio.run(aio_put(pool, message()))


BLOCKING = [each for each, (_, over) in LIBRARIES.items() if "async" not in each and "aio" not in each]


@each_library
def test_each_connection_is_refused_where_the_other_kind_belongs(opened, library):
    _, client = opened(library)
    if library in BLOCKING:
        with pytest.raises(PublishError, match=r"blocks: use `publish`, or a connection for asyncio: psycopg, asyncpg"):
            asyncio.run(aio_put(client.connection, message()))
    else:
        with pytest.raises(
            PublishError, match=r"for asyncio: use `await notification.aio.publish`, or one that blocks"
        ):
            put(client.connection, message())


def test_a_database_that_cannot_hold_an_outbox_is_refused(opened, monkeypatch):
    _, client = opened("sqlalchemy on sqlite")
    monkeypatch.setattr(client.connection.dialect, "name", "oracle")
    text = unsupported(client.connection)
    assert text.startswith("a database of oracle (qmark) cannot hold the table architect_outbox: pass a connection to ")
    _, client = opened("django on sqlite")
    monkeypatch.setattr(client.connection, "vendor", "oracle")
    assert "PostgreSQL, MySQL, MariaDB or SQLite" in unsupported(client.connection)


def test_a_key_that_mysql_would_cut_off_is_refused_by_every_database(database):
    with closing(database.connect()) as connection:
        put(connection, message(key="k" * 255))
        with pytest.raises(PublishError, match="the key has 256 characters, and an outbox keeps 255 at most"):
            put(connection, message(key="k" * 256))
    assert len(kept(database)) == 1


def test_no_driver_is_imported():
    program = """
import sys
import architect_events.outbox.insert, architect_events.outbox.inbox
print([name for name in ("psycopg", "psycopg2", "asyncpg", "pymysql", "sqlalchemy", "django") if name in sys.modules])
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


SERVICE = {
    "acme/orders": {
        "host": "http://127.0.0.1",
        "port": 80,
        "api": "rest",
        "subscriptions": {"order_placed": {"acme/mailer": {"uri": "/mail", "method": "POST"}}},
    },
    "acme/mailer": {"host": "http://127.0.0.1", "port": 9, "api": "rest"},
}


@each_library
def test_a_notification_is_published_into_the_outbox_of_its_connection(opened, library, monkeypatch):
    database, client = opened(library)
    monkeypatch.setenv("ARCHITECT", json.dumps(SERVICE))
    monkeypatch.setenv("ARCHITECT_CURRENT_SERVICE", "acme/orders")
    placed = architect.notification("order_placed")
    deliveries: Any
    if library in BLOCKING:
        deliveries = placed.publish({"order": 7}, key="ada", outbox=client.connection)
    else:
        deliveries = client.await_(placed.aio.publish({"order": 7}, key="ada", outbox=client.connection))
    client.commit()
    assert deliveries == []
    columns = "event, source, subscriber, ordering_key, content_type, body"
    assert database.execute(f"SELECT {columns} FROM architect_outbox") == [
        ("order_placed", "acme/orders", "", "ada", "application/json", b'{"order": 7}')
    ]
