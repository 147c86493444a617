"""An inbox says whether an event is new to its consumer, and the answer stands or falls with the transaction."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import aiomysql
import asyncpg
import psycopg
import pymysql
import pytest
import sqlalchemy
from events_databases import COMPILED, LIBRARIES, AioClient, Database, django_connection, over_mysqlclient
from sqlalchemy.orm import Session

import architect.sdk as architect
from architect_core.contract import Event, Message
from architect_core.exceptions import ArchitectError, InboxError, NoCurrentServiceError
from architect_events.outbox.inbox import Inbox

each_library = pytest.mark.parametrize("library", LIBRARIES)


def event() -> Event:
    return Event(str(uuid4()), "order_placed", "acme/orders", datetime.now(UTC), b"{}")


def recorded(database: Database) -> list[str]:
    """The ids, as texts."""
    rows = database.execute("SELECT message_id FROM architect_inbox ORDER BY message_id")
    return [row[0].decode() if isinstance(row[0], bytes) else row[0] for row in rows]


@each_library
def test_an_event_is_new_once_and_again_after_a_rollback(opened, library):
    database, client = opened(library)
    delivered = event()
    with client.inbox(delivered) as is_new:
        assert is_new is True
    with client.inbox(delivered) as is_new:  # in the same transaction
        assert is_new is False
    client.rollback()
    with client.inbox(delivered) as is_new:
        assert is_new is True
    assert recorded(database) == []
    client.commit()
    with client.inbox(delivered) as is_new:
        assert is_new is False
    with client.inbox(delivered.id) as is_new:  # by its id
        assert is_new is False
    client.rollback()
    assert recorded(database) == [delivered.id]


@each_library
def test_an_error_in_the_body_is_raised_and_leaves_the_rollback_to_the_caller(opened, library):
    _, client = opened(library)
    delivered = event()
    found = []

    def handle() -> None:
        with client.inbox(delivered) as is_new:
            found.append(is_new)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        handle()
    assert found == [True]
    client.rollback()
    with client.inbox(delivered) as is_new:
        assert is_new
    client.rollback()


@each_library
@pytest.mark.parametrize("committed", [True, False])
def test_a_second_delivery_waits_for_the_end_of_the_first_transaction(shared, library, committed):
    engine, over = LIBRARIES[library]
    database, delivered, found = shared(engine), event(), []

    def deliver_again() -> None:
        with closing(over(database)) as client:
            with client.inbox(delivered) as is_new:
                found.append(is_new)
            client.commit()

    with closing(over(database)) as client:
        with client.inbox(delivered) as is_new:
            assert is_new
        second = threading.Thread(target=deliver_again)
        second.start()
        second.join(0.1)
        assert (second.is_alive(), found) == (True, [])
        if committed:
            client.commit()
        else:
            client.rollback()
        second.join()
    assert found == [not committed]
    assert recorded(database) == [delivered.id]


@pytest.mark.parametrize("library", ["psycopg", "pymysql", "sqlite3"])
def test_many_deliveries_at_once_have_one_effect_each(shared, library):
    engine, over = LIBRARIES[library]
    database = shared(engine)
    database.execute("CREATE TABLE effects (message_id VARCHAR(64) NOT NULL)")
    events = [event() for _ in range(20)]

    def handle(client: Any, delivered: Event) -> None:
        with client.inbox(delivered) as is_new:
            if is_new:
                client.run(f"INSERT INTO effects VALUES ('{delivered.id}')")

    def deliver() -> None:
        with closing(over(database)) as client:
            for delivered in events:
                while True:
                    try:
                        handle(client, delivered)
                        client.commit()
                        break
                    except pymysql.err.OperationalError:  # a deadlock: MySQL has one transaction be done again
                        client.rollback()

    threads = [threading.Thread(target=deliver) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    effects = sorted(row[0] for row in database.execute("SELECT message_id FROM effects"))
    database.execute("DROP TABLE effects")
    assert effects == recorded(database) == sorted(each.id for each in events)


def test_consumers_and_ids_are_told_apart_to_the_letter(database):
    with closing(database.connect()) as connection:
        connection.cursor().execute("BEGIN")
        names = [("acme/mailer", "a"), ("acme/Mailer", "a"), ("acme/mailer", "A"), ("acme/mailer", "a ")]
        names += [("acme/mailer", "\N{LATIN SMALL LETTER A WITH DIAERESIS}"), ("acme/mailer", "'%s\\?")]
        found = []
        for _ in range(2):
            for consumer, identifier in names:
                with Inbox(connection, identifier, consumer) as is_new:
                    found.append(is_new)
    assert found == [True] * len(names) + [False] * len(names)


@each_library
def test_a_missing_table_is_an_error_that_says_what_creates_it(opened, library):
    _, client = opened(library, tables=False)
    with pytest.raises(InboxError, match=r"no table architect_inbox: .*`architect events init`"), client.inbox(event()):
        raise AssertionError
    client.rollback()


def refused(connection: Any) -> None:
    with pytest.raises(InboxError, match="is in no transaction and commits each statement at once"):
        Inbox(connection, event(), "acme/mailer").__enter__()


def new_within(connection: Any) -> None:
    with Inbox(connection, event(), "acme/mailer") as is_new:
        assert is_new


def test_without_a_transaction_the_inbox_is_refused_because_a_failing_effect_would_be_lost(database):
    with closing(database.connect()) as connection:
        refused(connection)
        connection.cursor().execute("BEGIN")
        new_within(connection)
        connection.rollback()
    assert recorded(database) == []


def test_what_python_3_12_calls_autocommit_is_refused(shared):
    options = [{"isolation_level": None}] + [{"autocommit": True}] * (sys.version_info >= (3, 12))
    for option in options:
        with closing(sqlite3.connect(shared("sqlite").name, **option)) as connection:
            refused(connection)


def test_without_a_transaction_psycopg2_is_refused(opened):
    _, client = opened("psycopg2")
    client.connection.autocommit = True
    refused(client.connection)
    client.run("BEGIN")
    new_within(client.connection)


if COMPILED:

    def test_without_a_transaction_mysqlclient_is_refused(shared):
        with closing(over_mysqlclient(shared("mysql"))) as client:
            client.connection.autocommit(True)
            refused(client.connection)


def test_without_a_transaction_django_is_refused(database):
    connection = django_connection(database)
    with closing(connection):
        refused(connection)
        connection.set_autocommit(False)
        new_within(connection)
        connection.rollback()


@pytest.mark.parametrize("library", [each for each in LIBRARIES if "sqlalchemy" in each])
def test_with_autocommit_sqlalchemy_is_refused(opened, library):
    _, client = opened(library)
    options = {"isolation_level": "AUTOCOMMIT"}
    if isinstance(client, AioClient):
        client.await_(client.connection.execution_options(**options))
    else:
        client.connection.execution_options(**options)
    with pytest.raises(InboxError, match="is in no transaction"):
        client.inbox(event()).__enter__()


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "mysql+pymysql"])
def test_an_engine_with_autocommit_is_refused(shared, driver):
    url = shared({"postgresql+psycopg": "postgres", "mysql+pymysql": "mysql"}[driver]).url(driver)
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        refused(connection)
    with Session(engine) as session, pytest.raises(InboxError, match="is in no transaction"):
        Inbox(session, event(), "acme/mailer").__enter__()


def test_a_transaction_that_a_listener_of_sqlalchemy_begins_is_one(shared):
    engine = sqlalchemy.create_engine(shared("sqlite").url("sqlite"))

    @sqlalchemy.event.listens_for(engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None

    @sqlalchemy.event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    with engine.connect() as connection:
        new_within(connection)
    engine.dispose()


def test_without_a_transaction_connections_for_asyncio_are_refused(shared):
    postgres, mysql = shared("postgres"), shared("mysql")

    async def enter(connection: Any) -> bool:
        async with Inbox(connection, event(), "acme/mailer") as is_new:
            return is_new

    async def run() -> None:
        connection = await psycopg.AsyncConnection.connect(**postgres.login, dbname=postgres.name, autocommit=True)
        async with connection:
            with pytest.raises(InboxError, match="is in no transaction"):
                await enter(connection)
            async with connection.transaction():
                assert await enter(connection)
        connection = await asyncpg.connect(**postgres.login, database=postgres.name)
        with pytest.raises(InboxError, match="is in no transaction"):
            await enter(connection)
        async with connection.transaction():
            assert await enter(connection)
        await connection.close()
        connection = await aiomysql.connect(**mysql.login, db=mysql.name, autocommit=True)
        with pytest.raises(InboxError, match="is in no transaction"):
            await enter(connection)
        await connection.begin()
        assert await enter(connection)
        await connection.ensure_closed()

    asyncio.run(run())


def test_each_connection_is_refused_where_the_other_kind_belongs(opened):
    async def enter(connection: Any) -> None:
        async with Inbox(connection, event(), "acme/mailer"):
            raise AssertionError

    with pytest.raises(InboxError, match="blocks: use `with`, or a connection for asyncio"):
        asyncio.run(enter(opened("sqlite3")[1].connection))
    with pytest.raises(InboxError, match="for asyncio: use `async with`, or one that blocks"):
        Inbox(opened("asyncpg")[1].connection, event(), "acme/mailer").__enter__()


def test_a_pipeline_of_psycopg_is_refused_because_its_answers_come_later(opened):
    _, client = opened("psycopg")
    with client.connection.pipeline(), pytest.raises(InboxError, match="leave the pipeline first"):
        new_within(client.connection)


def test_postgresql_fails_the_second_of_two_isolated_transactions(shared):
    database, delivered = shared("postgres"), event()
    with closing(LIBRARIES["psycopg"][1](database)) as first, closing(LIBRARIES["psycopg"][1](database)) as second:
        second.connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        second.run("SELECT 1 FROM architect_inbox")
        with first.inbox(delivered):
            first.commit()
        with pytest.raises(psycopg.errors.SerializationFailure):
            second.inbox(delivered).__enter__()
        second.rollback()
        with second.inbox(delivered) as is_new:
            assert not is_new


@pytest.mark.parametrize(
    ("identifier", "consumer", "reason"),
    [
        ("", "acme/mailer", "the event's id must have 1 to 255 bytes, not 0"),
        ("\N{SNOWMAN}" * 86, "acme/mailer", "the event's id must have 1 to 255 bytes, not 258"),
        ("7", "m" * 256, "the consumer's name must have 1 to 255 bytes, not 256"),
        (7, "acme/mailer", "the event's id must be text, not int"),
        (None, "acme/mailer", "the event's id must be text, not NoneType"),
    ],
)
def test_a_name_that_is_no_text_or_that_mysql_would_cut_off_is_refused(identifier, consumer, reason):
    with pytest.raises(InboxError, match=reason):
        Inbox(None, identifier, consumer)


def test_the_consumer_is_the_running_service(opened, monkeypatch):
    database, client = opened("psycopg")
    with pytest.raises(NoCurrentServiceError):
        architect.inbox(client.connection, "7")
    with architect.inbox(client.connection, "7", consumer="acme/printer") as is_new:
        assert is_new
    monkeypatch.setenv("ARCHITECT", "{}")
    monkeypatch.setenv("ARCHITECT_CURRENT_SERVICE", "acme/mailer")
    architect.reset()
    message = Message("7", "order_placed", "acme/orders", datetime.now(UTC), b"{}")
    with architect.inbox(client.connection, message) as is_new:
        assert is_new
    client.commit()
    assert database.execute("SELECT consumer, message_id FROM architect_inbox ORDER BY consumer") == [
        ("acme/mailer", "7"),
        ("acme/printer", "7"),
    ]


def test_another_error_is_that_of_the_library(opened):
    _, client = opened("psycopg")
    with pytest.raises(psycopg.errors.SyntaxError):
        client.run("no SQL")
    with pytest.raises(psycopg.errors.InFailedSqlTransaction) as problem:
        client.inbox(event()).__enter__()
    assert not isinstance(problem.value, ArchitectError)
