"""Events are kept in a file of this machine, by and for any number of its processes."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import architect.sdk as architect
from architect_core.contract import Channel, Message, Topic
from architect_core.exceptions import ConfigError, PublishError
from architect_core.resolver import Resolver
from architect_events.embedded import Embedded
from architect_events.outbox import database

MAILER, AUDIT = "acme/mailer", "acme/audit"
PLACED = Topic("placed", "acme/orders", (MAILER,))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that ARCHITECT_EVENTS names; it does not exist yet."""
    path = tmp_path / "events.db"
    monkeypatch.setenv("ARCHITECT_EVENTS", f"sqlite:///{path}")
    return path


def run(use: Callable[[Channel], Coroutine[Any, Any, Any]]) -> Any:
    async def body() -> Any:
        channel = Embedded().open(Resolver({}).broker())
        try:
            return await use(channel)
        finally:
            await channel.close()

    return asyncio.run(body())


def message(number: int = 0, key: str | None = None, body: bytes | None = None) -> Message:
    body = str(number).encode() if body is None else body
    return Message(str(uuid4()), PLACED.event, PLACED.source, datetime.now(UTC), body, key=key)


def bodies(file: Path, subscriber: str = MAILER) -> list[bytes]:
    with closing(sqlite3.connect(file)) as connection:
        query = "SELECT body FROM architect_outbox WHERE subscriber = ? ORDER BY id"
        return [row[0] for row in connection.execute(query, (subscriber,))]


def test_a_publisher_knows_the_subscribers_that_another_process_declared(file):
    async def subscribe(channel: Channel) -> None:
        assert await channel.consumer(AUDIT, [PLACED], 1).receive(1, 0) == []

    async def publish(channel: Channel) -> None:
        await channel.declare([PLACED])
        assert all(each.ok for each in await channel.send([message()], 10))

    run(subscribe)
    run(publish)
    assert bodies(file) == bodies(file, AUDIT) == [b"0"]


def test_a_publication_returns_once_the_file_has_the_event(file):
    config = {"acme/orders": {"subscriptions": {"placed": {MAILER: {"handler": "shop.letters"}}}}}
    resolver = Resolver(config, current_service="acme/orders")
    assert resolver.notification("placed").publish({"order": 7}) == []
    assert [json.loads(body) for body in bodies(file)] == [{"order": 7}]


def test_messages_that_are_sent_at_once_are_committed_together(file):
    async def use(channel: Channel) -> None:
        await channel.declare([PLACED])
        await asyncio.gather(*(channel.send([message(number)], 20) for number in range(200)))

    run(use)
    assert bodies(file) == [str(number).encode() for number in range(200)]
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def _publish_until_killed(answer: Any) -> None:
    async def use(channel: Channel) -> None:
        await channel.declare([PLACED])
        number = 0
        while True:
            receipts = await channel.send([message(number)], 10)
            assert receipts[0].ok
            answer.send(number)
            number += 1

    run(use)


def test_what_was_confirmed_survives_that_its_publisher_is_killed(file):
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=_publish_until_killed, args=(theirs,))
    child.start()
    while ours.poll(20) and ours.recv() < 20:
        pass
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join(20)
    confirmed = 20
    while ours.poll():
        confirmed = ours.recv()
    assert [int(body) for body in bodies(file)][: confirmed + 1] == list(range(confirmed + 1))


def test_processes_that_consume_at_once_get_every_message_once(file):
    program = """
import asyncio, sys
from architect_core.contract import Topic
from architect_core.resolver import Resolver
from architect_events.embedded import Embedded
from architect_events.outbox import database

async def main():
    channel = Embedded().open(Resolver({}).broker())
    consumer = channel.consumer("acme/mailer", [Topic("placed", "acme/orders")], 5)
    while received := await consumer.receive(5, 1.0):
        print(*(each.message.body.decode() for each in received), flush=True)
        await consumer.ack(received)
    await channel.close()

asyncio.run(main())
"""

    async def publish(channel: Channel) -> None:
        await channel.declare([PLACED])
        await channel.send([message(number, key=f"k{number % 3}") for number in range(120)], 10)

    run(publish)
    command = [sys.executable, "-c", program]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [child.communicate(timeout=50)[0].split() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert sorted(int(number) for output in outputs for number in output) == list(range(120))
    assert bodies(file) == []


def test_a_message_for_nobody_is_accepted_and_kept_for_nobody(file):
    async def use(channel: Channel) -> Any:
        return await channel.send([message()], 10)

    assert run(use)[0].ok
    assert bodies(file) == []


def _receipts(file: Path, spoil: Callable[[], Any], timeout: float = 10.0) -> Any:
    async def use(channel: Channel) -> Any:
        await channel.declare([PLACED])
        assert (await channel.send([message(1)], 10))[0].ok
        spoil()
        return await channel.send([message(2), message(3, body=b"x" * 200_000)], timeout)

    return run(use)


ENDING = """
import atexit, sys, threading
import architect.sdk as architect
architect.configure({"acme/orders": {"subscriptions": {"placed": {"acme/mailer": {"handler": "letters"}}}}},
                    current_service="acme/orders")
publish = architect.notification("placed").publish
"""


@pytest.mark.parametrize(
    "program",
    [
        "threading.Thread(target=lambda: (threading.main_thread().join(), publish(1), publish(2))).start()",
        "atexit.register(publish, 2); publish(1)",
        "publish(1); atexit.register(publish, 2)",
    ],
    ids=["a thread", "before the first", "after the first"],
)
def test_events_are_kept_at_the_end_of_a_process(file, program):
    command = [sys.executable, "-c", ENDING + program]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert bodies(file) == [b"1", b"2"]


def test_a_full_disk_gives_receipts_that_say_so_and_keeps_none_of_the_batch(file, monkeypatch):
    limited = "PRAGMA max_page_count = 30"
    monkeypatch.setattr("architect_events.embedded._SETTINGS", ("PRAGMA journal_mode = WAL", limited))
    receipts = _receipts(file, lambda: None)
    assert [str(each.error) for each in receipts] == [f"the events file {file}: database or disk is full"] * 2
    assert not any(each.permanent for each in receipts)
    assert bodies(file) == [b"1"]


def test_a_file_that_another_process_has_locked_gives_receipts_in_time(file, monkeypatch):
    monkeypatch.setitem(database._DEFAULTS["sqlite3"], "timeout", 1)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        receipts = _receipts(file, lambda: other.execute("BEGIN IMMEDIATE"), timeout=0.2)
        assert isinstance(receipts[0].error, TimeoutError)
        assert str(receipts[0].error) == f"the events file {file}: not written within 0.2 seconds"
        other.execute("ROLLBACK")


def test_a_lock_that_is_never_released_is_an_error(file, monkeypatch):
    monkeypatch.setitem(database._DEFAULTS["sqlite3"], "timeout", 0)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        receipts = _receipts(file, lambda: other.execute("BEGIN IMMEDIATE"))
        assert str(receipts[0].error) == f"the events file {file}: database is locked"
    assert bodies(file) == [b"1"]


def test_a_folder_that_does_not_exist_gives_a_receipt(tmp_path, monkeypatch):
    monkeypatch.setenv("ARCHITECT_EVENTS", f"sqlite:///{tmp_path}/missing/events.db")

    async def use(channel: Channel) -> Any:
        return await channel.send([message()], 10)

    (receipt,) = run(use)
    assert str(receipt.error) == f"the events file {tmp_path}/missing/events.db: unable to open database file"


def test_a_file_that_is_no_database_makes_a_publication_fail(file):
    file.write_bytes(b"no database" * 100)
    config = {"acme/orders": {"subscriptions": {"placed": {MAILER: {"handler": "shop.letters"}}}}}
    with pytest.raises(PublishError, match="file is not a database"):
        Resolver(config, current_service="acme/orders").notification("placed").publish({})


def test_a_read_only_file_gives_a_receipt(file, monkeypatch):
    monkeypatch.setattr("architect_events.embedded._SETTINGS", ("PRAGMA query_only = ON",))

    async def use(channel: Channel) -> Any:
        return await channel.send([message()], 10)

    assert "readonly database" in str(run(use)[0].error)


def test_memory_is_no_file(monkeypatch):
    monkeypatch.setenv("ARCHITECT_EVENTS", "sqlite://")
    with pytest.raises(ConfigError, match="ARCHITECT_EVENTS: must name a file"):
        Embedded().open(Resolver({}).broker())


def test_a_sender_that_gives_up_does_not_keep_others_from_being_confirmed(file):
    async def use(channel: Channel) -> Any:
        await channel.declare([PLACED])
        first = asyncio.create_task(channel.send([message(1)], 10))
        second = asyncio.create_task(channel.send([message(2)], 10))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert run(use)[0].ok
    assert b"2" in bodies(file)
    architect.reset()


def test_a_new_file_that_another_program_writes_to_is_waited_for(file):
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as connection:
        connection.execute("CREATE TABLE other (n)")
        connection.execute("BEGIN IMMEDIATE")  # the journal's mode cannot be changed until it ends
        ending = threading.Timer(0.3, connection.execute, ["COMMIT"])
        ending.start()
        run(lambda channel: channel.declare([PLACED]))
        ending.join()
    assert bodies(file) == []
