"""Rows of an outbox are claimed in order, by one holder at a time, and nothing that is pending is ever lost."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from events_databases import COMPILED, Database

from architect_core.contract import Credentials, Message, Received
from architect_core.exceptions import ConfigError
from architect_core.resolver import Resolver
from architect_events.consuming import relaying
from architect_events.outbox.browsing import Browser, Selection
from architect_events.outbox.claiming import Lane
from architect_events.outbox.consumer import OutboxConsumer, StoreThread
from architect_events.outbox.database import NoTablesError
from architect_events.outbox.insert import put
from architect_events.outbox.store import Store

ORDERS = "acme/orders"
ALL = Lane(ORDERS)
_ids = itertools.count()


def credentials(database: Database) -> Credentials:
    config = {ORDERS: {"datastores": {"db": database.entry}}}
    return Resolver(config, current_service=ORDERS, root="/nowhere").datastore("db")


@pytest.fixture
def stores(database: Database) -> Iterator[Callable[[], Store]]:
    """Returns a further store of the same database, as another relay has it."""
    opened: list[Store] = []

    def open_store() -> Store:
        opened.append(Store(credentials(database), "the datastore 'db'"))
        return opened[-1]

    yield open_store
    for each in opened:
        each.database.close()


@pytest.fixture
def store(stores: Callable[[], Store]) -> Store:
    return stores()


def publish(database: Database, *keys: str | None, source: str = ORDERS, event: str = "placed") -> list[str]:
    """Publishes an event for each key; returns their ids."""
    ids = [f"e{next(_ids)}" for _ in keys]
    with closing(database.connect()) as connection:
        for id_, key in zip(ids, keys, strict=True):
            put(connection, Message(id_, event, source, datetime.now(UTC), b'{"order": 7}', key=key))
    return ids


def ids_of(rows: Any) -> list[str]:
    return [row.message.id for row in rows]


def test_rows_are_claimed_once_in_order_and_are_gone_once_delivered(database, store):
    published = publish(database, None, "ada", None)
    rows = store.claim(ALL, "me", 2, 30.0)
    assert ids_of(rows) == published[:2]
    assert [row.attempts for row in rows] == [1, 1]
    assert rows[1].message.key == "ada"
    assert rows[0].message.body == b'{"order": 7}'
    assert ids_of(store.claim(ALL, "you", 9, 30.0)) == published[2:]
    assert store.claim(ALL, "you", 9, 30.0) == []
    assert store.delivered(rows) == 2
    assert database.execute("SELECT count(*) FROM architect_outbox") == [(1,)]


def test_a_service_takes_only_its_own_events_and_only_those_that_are_asked_for(database, store):
    publish(database, None, source="acme/billing")
    first, second = publish(database, None, event="paid"), publish(database, None)
    assert ids_of(store.claim(ALL, "me", 9, 30.0, ["placed"])) == second
    assert ids_of(store.claim(ALL, "me", 9, 30.0)) == first


def test_a_lease_that_ended_is_claimed_by_another_and_its_former_holder_changes_nothing(database, store):
    publish(database, "ada")
    (lost,) = store.claim(ALL, "me", 1, -1.0)
    (row,) = store.claim(ALL, "you", 1, 30.0)
    assert row.attempts == 2
    former = (
        store.delivered([lost]),
        store.delivered([lost], 60.0),
        store.retry(lost, 0.0),
        store.dead(lost, "why"),
        store.release([lost]),
        store.extend([lost], 30.0),
    )
    assert former == (0, 0, 0, 0, 0, 0)
    assert store.delivered([row]) == 1


def test_an_attempt_whose_lease_its_own_relay_claimed_again_does_not_bury_the_row(database, store):
    publish(database, None)
    (lost,) = store.claim(ALL, "me", 1, -1.0)
    (row,) = store.claim(ALL, "me", 1, 30.0)
    assert store.dead(lost, "why") == store.retry(lost, 9.0) == 0
    assert store.delivered([row]) == 1


def test_an_extended_lease_does_not_end(database, store):
    publish(database, None)
    rows = store.claim(ALL, "me", 1, -1.0)
    assert store.extend(rows, 30.0) == 1
    assert store.claim(ALL, "you", 1, 30.0) == []


def test_what_waits_for_another_attempt_holds_back_only_what_is_behind_it_with_the_same_key(database, stores):
    store, other = stores(), stores()
    first, second, third = publish(database, "ada", "ada", "bob")
    (row,) = store.claim(ALL, "me", 1, 30.0)
    assert row.message.id == first
    store.retry(row, 60.0)
    later = publish(database, "ada", None)
    assert ids_of(other.claim(ALL, "you", 9, 30.0)) == [third, later[1]]
    assert other.claim(ALL, "you", 9, 30.0) == []
    due = database.execute("SELECT next_at FROM architect_outbox WHERE ordering_key = 'ada' ORDER BY id")
    assert due[0] == due[1] == due[2]  # nobody looks at those behind before it is due
    database.execute("UPDATE architect_outbox SET next_at = 5 WHERE ordering_key = 'ada'")
    assert ids_of(other.claim(ALL, "you", 9, 30.0)) == [first, second, later[0]]


def test_one_that_is_due_again_is_taken_before_newer_ones_of_its_key(database, store):
    old, *_ = publish(database, "ada")
    store.retry(store.claim(ALL, "me", 1, 30.0)[0], -1.0)
    new = publish(database, "ada", "ada")
    # the newer ones come first by their time, and the limit cuts the old one off
    assert ids_of(store.claim(ALL, "me", 1, 30.0)) == [old]
    assert ids_of(store.claim(ALL, "me", 1, 30.0)) == [new[0]]


def test_a_key_that_another_relay_holds_is_left_to_it_but_its_holder_takes_more(database, stores):
    store, other = stores(), stores()
    first, second = publish(database, "ada", "ada")
    assert ids_of(store.claim(ALL, "me", 1, 30.0)) == [first]
    assert other.claim(ALL, "you", 9, 30.0) == []
    database.execute("UPDATE architect_outbox SET next_at = 0 WHERE lease IS NULL")
    assert ids_of(store.claim(ALL, "me", 9, 30.0)) == [second]


def test_released_rows_come_back_in_their_order_without_having_lost_an_attempt(database, store):
    first, *behind = publish(database, "ada", "ada", "ada")
    rows = store.claim(ALL, "me", 9, 30.0)
    assert store.retry(rows[0], -1.0) == 1
    assert store.release(rows[1:]) == 2
    again = store.claim(ALL, "me", 9, 30.0)
    assert ids_of(again) == [first, *behind]
    assert [row.attempts for row in again] == [2, 1, 1]


def test_many_rows_behind_one_that_waits_do_not_hold_up_others(database, store):
    publish(database, "ada")
    store.retry(store.claim(ALL, "me", 1, 30.0)[0], 60.0)
    publish(database, *["ada"] * 30)
    free = publish(database, "bob")
    assert ids_of(store.claim(ALL, "me", 10, 30.0)) == free


def test_a_dead_row_is_kept_with_its_reason_and_holds_nothing_back(database, store):
    first, second = publish(database, "ada", "ada")
    rows = store.claim(ALL, "me", 9, 30.0)
    assert store.dead(rows[0], "status 410") == 1
    store.release(rows[1:])
    assert ids_of(store.claim(ALL, "me", 9, 30.0)) == [second]
    (letter,) = store.claim(Lane(ORDERS, "", "dead"), "me", 9, 30.0)
    assert letter.message.id == first
    assert database.execute("SELECT problem FROM architect_outbox WHERE state = 'dead'") == [("status 410",)]
    assert store.retry(letter, 0.0) == 1
    assert [(row.message.id, row.attempts) for row in store.claim(ALL, "me", 9, 30.0)] == [(first, 1)]


def test_an_event_becomes_one_row_for_each_subscriber_in_order_and_is_gone(database, store):
    published = publish(database, "ada", None, "ada")
    other = publish(database, None, event="unknown")
    assert store.expand(ORDERS, {"placed": ["acme/mailer", "acme/audit"], "paid": ["acme/mailer"]}, 9) == 3
    for name in ("acme/mailer", "acme/audit"):
        assert ids_of(store.claim(Lane(ORDERS, name), "me", 9, 30.0)) == published
    assert ids_of(store.claim(ALL, "me", 9, 30.0)) == other
    assert store.expand(ORDERS, {"placed": ["acme/mailer"]}, 9) == 0


def test_an_event_without_subscribers_is_gone_once_it_is_expanded(database, store):
    publish(database, None)
    assert store.expand(ORDERS, {"placed": []}, 9) == 1
    assert database.execute("SELECT count(*) FROM architect_outbox") == [(0,)]


def test_delivered_rows_are_kept_for_a_while_if_wanted_and_then_purged(database, store):
    publish(database, None, None)
    rows = store.claim(ALL, "me", 9, 30.0)
    assert store.delivered(rows[:1], 60.0) == 1
    assert store.delivered(rows[1:], 0.000001) == 1
    assert store.claim(ALL, "me", 9, 30.0) == []
    while database.execute("SELECT count(*) FROM architect_outbox") != [(1,)]:
        store.purge(ALL)
    assert store.purge(ALL) == 0


def test_large_bodies_are_claimed_in_smaller_batches(database, store, monkeypatch):
    monkeypatch.setattr("architect_events.outbox.claiming.MOST_BYTES", 30)
    published = publish(database, None, None, None)  # of 12 bytes each
    assert ids_of(store.claim(ALL, "me", 9, 30.0)) == published[:2]
    monkeypatch.setattr("architect_events.outbox.claiming.MOST_BYTES", 1)
    assert ids_of(store.claim(ALL, "me", 9, 30.0)) == published[2:]


def test_two_relays_at_once_claim_every_row_once_and_each_key_in_order(database, stores):
    keys = [f"k{number % 7}" for number in range(300)]
    published = publish(database, *keys)
    taken: list[tuple[str, str]] = []

    def relay(store: Store, name: str) -> None:
        while len(taken) < len(published):
            rows = store.claim(ALL, name, 10, 30.0)
            taken.extend((str(row.message.key), row.message.id) for row in rows)
            store.delivered(rows)

    threads = [threading.Thread(target=relay, args=(stores(), name)) for name in ("a", "b")]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert sorted(id_ for _, id_ in taken) == sorted(published)
    for key in set(keys):
        numbers = [int(id_[1:]) for each, id_ in taken if each == key]
        assert numbers == sorted(numbers)


def test_a_missing_table_says_what_creates_it(shared, database):
    empty = shared(database.engine, tables=False)
    with pytest.raises(ConfigError, match="the datastore 'db': has no table architect_outbox; `architect events init`"):
        Store(credentials(empty), "the datastore 'db'").claim(ALL, "me", 1, 1.0)


def test_tables_are_created_once_and_may_exist(new, database):
    created = new(database.engine, tables=False)
    store = Store(credentials(created), "the datastore 'db'")
    store.create()
    store.create()
    publish(created, None)
    assert len(store.claim(ALL, "me", 1, 1.0)) == 1
    store.database.close()


@pytest.mark.parametrize("engine", ["postgres", "mysql"])
def test_a_store_connects_again_after_its_connection_was_lost(shared, engine):
    database = shared(engine)
    store = Store(credentials(database), "the datastore 'db'")
    published = publish(database, None)
    assert store.claim(Lane("acme/nobody"), "me", 1, 30.0) == []
    if database.engine == "postgres":
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{database.name}' AND pid <> pg_backend_pid()"
        )
    else:
        for (number,) in database.execute(
            f"SELECT id FROM information_schema.processlist WHERE db = '{database.name}' AND id <> connection_id()"
        ):
            database.execute(f"KILL {number}")
    with pytest.raises(OSError, match="the datastore 'db': "):
        store.claim(ALL, "me", 1, 30.0)
    assert ids_of(store.claim(ALL, "me", 1, 30.0)) == published
    store.database.close()


def test_a_datastore_of_timescaledb_holds_an_outbox_as_postgresql_does(shared):
    database = shared("postgres")
    entry = {**database.entry, "type": "timescaledb"}
    config = {ORDERS: {"datastores": {"db": entry}}}
    found = Resolver(config, current_service=ORDERS, root="/nowhere").datastore("db")
    assert found.engine == "timescaledb"
    published = publish(database, None)
    store = Store(found, "the datastore 'db'")
    assert ids_of(store.claim(ALL, "me", 1, 30.0)) == published
    store.database.close()


@pytest.mark.parametrize("engine", ["postgres", "mysql"])
def test_a_server_that_is_away_is_an_oserror_without_the_password(engine):
    entry = {"type": engine, "host": "127.0.0.1", "port": 1, "password": "hunter2", "name": "x"}
    found = Resolver({ORDERS: {"datastores": {"db": entry}}}, current_service=ORDERS, root="/nowhere").datastore("db")
    with pytest.raises(OSError, match="the datastore 'db': ") as caught:
        Store(found, "the datastore 'db'").create()
    assert "hunter2" not in str(caught.value)


def test_a_datastore_of_another_engine_cannot_hold_an_outbox():
    with pytest.raises(ConfigError, match="is redis; an outbox needs one of postgres, mysql, sqlite, timescaledb"):
        Store(Credentials("redis", {}), "the datastore 'cache'")


def _claim_in_child(store: Store, answer: Any) -> None:
    answer.send(ids_of(store.claim(ALL, "child", 1, 30.0)))


def test_a_forked_child_has_a_connection_of_its_own(database, store):
    first, second = publish(database, None, None)
    assert ids_of(store.claim(ALL, "parent", 1, 30.0)) == [first]
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=_claim_in_child, args=(store, theirs))
    child.start()
    assert ours.poll(20)
    assert ours.recv() == [second]
    child.join(20)
    assert store.claim(ALL, "parent", 1, 30.0) == []


def _relay_until_killed(store: Store, answer: Any) -> None:
    rows = store.claim(ALL, "killed", 5, 0.3)
    store.delivered(rows[:2])
    answer.send(ids_of(rows))
    signal.pause()


def test_a_relay_that_is_killed_loses_nothing(database, store):
    published = publish(database, *"aabbc")
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=_relay_until_killed, args=(store, theirs))
    child.start()
    assert ours.poll(20)
    assert ours.recv() == published
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join(20)
    rows: list[str] = []
    while len(rows) < 3:
        rows += ids_of(store.claim(ALL, "next", 9, 30.0))
    assert rows == published[2:]


def consume(store: Store, use: Callable[[OutboxConsumer], Any], **options: Any) -> Any:
    async def run() -> Any:
        thread = StoreThread(store)
        consumer = OutboxConsumer(thread, [ALL], **options)
        try:
            return await use(consumer)
        finally:
            await consumer.close()
            await thread.close()

    return asyncio.run(run())


def test_a_consumer_waits_for_a_row_without_blocking_the_loop(database, store):
    async def use(consumer: OutboxConsumer) -> Any:
        receiving = asyncio.create_task(consumer.receive(5, 20.0))
        await asyncio.sleep(0)
        await asyncio.to_thread(publish, database, None)
        (received,) = await receiving
        await consumer.ack([received])
        return received

    assert consume(store, use).attempt == 1
    assert database.execute("SELECT count(*) FROM architect_outbox") == [(0,)]


def test_a_consumer_returns_nothing_when_its_time_is_over(database, store):
    assert consume(store, lambda consumer: consumer.receive(5, 0.05)) == []


def test_a_poll_that_is_woken_looks_at_once(database, store, monkeypatch):
    claim, polled = store.claim, threading.Event()

    def watched(*arguments: Any) -> Any:
        try:
            return claim(*arguments)
        finally:
            polled.set()

    monkeypatch.setattr(store, "claim", watched)

    async def use(consumer: OutboxConsumer) -> Any:
        receiving = asyncio.create_task(consumer.receive(5, 60.0))
        await asyncio.to_thread(polled.wait, 20)
        await asyncio.to_thread(publish, database, None)
        consumer.wake()
        return await receiving

    assert len(consume(store, use, idle=100_000.0)) == 1


def test_what_a_consumer_holds_at_its_end_is_due_at_once(database, store):
    published = publish(database, None)
    assert len(consume(store, lambda consumer: consumer.receive(5, 1.0))) == 1
    assert ids_of(store.claim(ALL, "next", 5, 30.0)) == published


def test_a_receive_that_is_cancelled_keeps_no_rows(database, store, monkeypatch):
    published = publish(database, None)
    claim, reached, go_on = store.claim, threading.Event(), threading.Event()

    def slow(*arguments: Any) -> Any:
        reached.set()
        go_on.wait(20)
        return claim(*arguments)

    async def use(consumer: OutboxConsumer) -> None:
        monkeypatch.setattr(store, "claim", slow)
        receiving = asyncio.create_task(consumer.receive(5, 20.0))
        await asyncio.to_thread(reached.wait, 20)
        receiving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await receiving
        monkeypatch.undo()
        go_on.set()

    consume(store, use)
    (row,) = store.claim(ALL, "next", 5, 30.0)
    assert (row.message.id, row.attempts) == (published[0], 1)


def test_a_lost_lease_is_in_the_log(database, store, caplog):
    publish(database, None)

    async def use(consumer: OutboxConsumer) -> None:
        received = await consumer.receive(5, 1.0)
        await asyncio.to_thread(database.execute, "UPDATE architect_outbox SET lease = 'other'")
        await consumer.ack(received)

    consume(store, use)
    assert "the lease of 1 events has ended" in caplog.text


def test_a_consumer_holds_no_more_than_its_limit(database, store):
    published = publish(database, None, None, None)

    async def use(consumer: OutboxConsumer) -> Any:
        held = await consumer.receive(5, 1.0)
        assert await consumer.receive(5, 0.0) == []
        await consumer.ack(held[:1])
        return [*held, *await consumer.receive(5, 1.0)]

    assert ids_of(consume(store, use, limit=2)) == published


def test_what_is_acknowledged_while_its_lease_is_extended_is_not_held_any_more(database, store, caplog):
    published = publish(database, None, None, None)

    async def use(consumer: OutboxConsumer) -> list[Received]:
        held = await consumer.receive(5, 1.0)
        await asyncio.gather(consumer.ack(held[:1]), consumer.extend(held))
        return [*held, *await consumer.receive(5, 0.0)]

    assert ids_of(consume(store, use, limit=2)) == published
    assert "lease" not in caplog.text


def test_a_relay_that_ends_when_nothing_is_due_waits_for_what_another_one_has_looked_at(database, store):
    _, second = publish(database, "ada", "ada")
    (row,) = store.claim(ALL, "me", 1, 30.0)
    assert store.claim(ALL, "you", 9, 30.0) == []
    store.delivered([row])

    async def use(consumer: OutboxConsumer) -> Any:
        return await consumer.receive(5, relaying._EMPTY)

    assert ids_of(consume(store, use)) == [second]


DRIVERS = [("postgres", "psycopg2"), *([("mysql", "MySQLdb")] if COMPILED else [])]


@pytest.mark.parametrize(("engine", "driver"), DRIVERS)
def test_another_driver_does_the_same(shared, monkeypatch, engine, driver):
    monkeypatch.setattr("architect_events.outbox.database._DRIVERS", {engine: ((driver,), driver)})
    database = shared(engine)
    store = Store(credentials(database), "the datastore 'db'")
    first, second = publish(database, "ada", "ada")
    (row,) = store.claim(ALL, "me", 1, 30.0)
    assert store.retry(row, 60.0) == 1
    assert store.claim(ALL, "you", 9, 30.0) == []
    database.execute("UPDATE architect_outbox SET next_at = 0")
    rows = store.claim(ALL, "you", 9, 30.0)
    assert (ids_of(rows), rows[0].message.body) == ([first, second], b'{"order": 7}')
    assert store.delivered(rows) == 2
    assert store.expand(ORDERS, {"placed": ["acme/mailer"]}, 9) == 0
    store.database.close()


def test_a_missing_driver_says_what_to_install(shared, monkeypatch):
    monkeypatch.setattr(
        "architect_events.outbox.database._DRIVERS", {"postgres": (("nosuchdriver",), "psycopg[binary]")}
    )
    with pytest.raises(ConfigError, match=r"the datastore 'db': has no driver: run `pip install psycopg\[binary\]`"):
        Store(Credentials("postgres", {}), "the datastore 'db'")


def test_a_driver_that_cannot_be_imported_counts_as_missing(shared, monkeypatch, tmp_path):
    (tmp_path / "brokendriver.py").write_text("raise ImportError('no library in C')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("architect_events.outbox.database._DRIVERS", {"sqlite": (("brokendriver", "sqlite3"), "")})
    store = Store(credentials(shared("sqlite")), "the datastore 'db'")
    assert store.claim(ALL, "me", 1, 1.0) == []
    store.database.close()


def test_a_child_that_is_forked_during_a_transaction_in_a_file_can_write_to_it(shared):
    login = credentials(shared("sqlite"))
    store, begun = Store(login, "the datastore 'db'"), threading.Event()

    def write() -> None:
        with store.database.transaction() as cursor:
            cursor.run("DELETE FROM architect_outbox")
            begun.set()
            time.sleep(0.2)

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait()
    pid = os.fork()
    if pid == 0:
        signal.alarm(5)
        Store(login, "the child's").purge(ALL)
        os._exit(0)
    writer.join()
    assert os.waitpid(pid, 0)[1] == 0
    assert store.purge(ALL) == 0
    store.database.close()


def test_a_package_that_the_driver_needs_for_the_login_is_named(monkeypatch):
    def connect(**_: Any) -> None:
        raise RuntimeError("'cryptography' package is required")

    monkeypatch.setattr("pymysql.connect", connect)
    store = Store(Credentials("mysql", {}, drivers={"pymysql": lambda _: {}}), "the datastore 'db'")
    with pytest.raises(ConfigError, match="the datastore 'db': 'cryptography' package is required"):
        store.create()


def test_a_missing_table_is_recognised_by_every_driver(shared, monkeypatch):
    monkeypatch.setattr("architect_events.outbox.database._DRIVERS", {"postgres": (("psycopg2",), "")})
    store = Store(credentials(shared("postgres", tables=False)), "the datastore 'db'")
    with pytest.raises(NoTablesError):
        store.claim(ALL, "me", 1, 1.0)


@pytest.mark.parametrize(
    "change",
    ["headers = 'no JSON'", "headers = '[]'", "headers = '{\"a\": 1}'", "occurred_at = 'yesterday'"],
    ids=["text", "array", "number", "time"],
)
def test_a_row_that_cannot_be_read_is_dead_and_holds_no_other_up(database, store, change):
    broken, fine = publish(database, None, None)
    database.execute(f"UPDATE architect_outbox SET {change} WHERE message_id = '{broken}'")
    assert ids_of(store.claim(ALL, "me", 9, 30.0)) == [fine]
    (entry,) = Browser(store.database).find(Selection(states=["dead"]), 9)
    assert entry.id == broken
    assert str(entry.problem).startswith("this row cannot be read: ")


def test_a_body_that_another_program_has_inserted_as_text_is_taken_as_bytes(shared):
    database = shared("sqlite")
    store = Store(credentials(database), "the datastore 'db'")
    publish(database, None)
    database.execute("UPDATE architect_outbox SET body = '{}'")
    assert Browser(store.database).find(Selection(), 9, bodies=True)[0].body == b"{}"
    assert [row.message.body for row in store.claim(ALL, "me", 9, 30.0)] == [b"{}"]
    store.database.close()


def test_a_claim_takes_no_more_rows_than_a_statement_has_parameters_for(shared):
    database = shared("sqlite")
    store = Store(credentials(database), "the datastore 'db'")
    publish(database, None)
    columns = "message_id, event, source, content_type, headers, body, occurred_at"
    database.execute(
        f"INSERT INTO architect_outbox ({columns}) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
        f" WHERE i < 40000) SELECT {columns} FROM architect_outbox, n"
    )
    assert 0 < len(store.claim(ALL, "me", 10**9, 30.0)) < 30_000
    store.database.close()


def test_a_time_without_an_offset_is_in_utc(database, store):
    publish(database, None)
    database.execute("UPDATE architect_outbox SET occurred_at = '2026-01-02 03:04:05'")
    (row,) = store.claim(ALL, "me", 9, 30.0)
    assert row.message.time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_claim_that_fails_leases_nothing(database, store, monkeypatch):
    published = publish(database, None)
    with monkeypatch.context() as patch:
        patch.setattr("architect_events.outbox.store._COLUMNS", "no_such_column")
        with pytest.raises(OSError, match="no_such_column"):
            store.claim(ALL, "me", 1, 30.0)
    assert ids_of(store.claim(ALL, "me", 1, 30.0)) == published
