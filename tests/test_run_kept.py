"""`architect run --keep` with real servers: what is kept survives SIGKILL of every process; runs are side by side."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import PATIENCE, Run

STORES = {"db": {"type": "postgres"}, "cache": {"type": "redis"}, "file": {"type": "sqlite"}}
# counts in each store how often it has run, and keeps running
COUNT = """
import os, sqlite3, time
from contextlib import closing
import psycopg, redis
import architect.sdk as architect

def count(path):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS runs (number integer)")
        connection.execute("INSERT INTO runs VALUES (1)")
        return connection.execute("SELECT count(*) FROM runs").fetchone()[0]

with psycopg.connect(**architect.datastore("db").for_driver("psycopg")) as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS runs (number integer)")
    connection.execute("INSERT INTO runs VALUES (1)")
    runs = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
cached = redis.Redis(**architect.datastore("cache").for_driver("redis")).incr("runs")
events = count(os.environ["ARCHITECT_EVENTS"].removeprefix("sqlite:///"))
print("counted", [runs, cached, count(architect.datastore("file").name), events], flush=True)
time.sleep(600)
"""
QUEUE = """
import asyncio, os, time
import aio_pika

async def count():
    async with await aio_pika.connect(os.environ["ARCHITECT_EVENTS"]) as connection, connection.channel() as channel:
        queue = await channel.declare_queue("runs", durable=True)
        message = aio_pika.Message(b"1", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "runs")
        return (await channel.declare_queue("runs", durable=True, passive=True)).declaration_result.message_count

print("counted", [asyncio.run(count())], flush=True)
time.sleep(600)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "architect.json").write_text(json.dumps({"name": "acme/shop", "datastores": STORES}))
    (folder / "main.py").write_text(COUNT)
    return folder


@pytest.fixture
def shop(source: Path) -> Iterator[Run]:
    run = Run(source)
    yield run
    run.close()


def counted(run: Run) -> list[int]:
    run.wait_for("counted")
    return json.loads(run.printed().partition("counted ")[2].splitlines()[0])


def ports(run: Run) -> list[str]:
    return re.findall(r"acme/shop/(\w+ is ready on 127\.0\.0\.1:\d+)", run.printed())


@pytest.mark.exhaustive  # each starts real servers several times; `test_cli_kept.py` does so with small ones
def test_databases_and_events_survive_sigkill_of_every_process(shop):
    keeping = ("--keep", "--events", "sqlite")
    assert counted(shop.start(*keeping)) == [1, 1, 1, 1]
    first = ports(shop)
    shop.kill_all()
    shop.process.wait()
    assert counted(shop.start(*keeping)) == [2, 2, 2, 2]
    assert sorted(ports(shop)) == sorted(first)
    shop.process.terminate()
    assert shop.process.wait(PATIENCE) == 143, shop.printed()
    shop.assert_nothing_is_left()
    # a run without --keep does not see them
    assert counted(shop.start("--events", "sqlite")) == [1, 1, 1, 1]


@pytest.mark.exhaustive
def test_a_system_that_runs_twice_shares_nothing(shop, source):
    keeping = ("--keep", "--events", "sqlite")
    assert counted(shop.start(*keeping)) == [1, 1, 1, 1]
    other = Run(source)  # another system, although its services have the same names
    first, shop.output = shop.process, shop.folder / "second.txt"
    try:
        assert counted(other.start(*keeping)) == [1, 1, 1, 1]
        assert counted(shop.start(*keeping)) == [1, 1, 1, 1]  # the same system once more
        assert "shares no data with it" in shop.printed()
        assert first.poll() is None
    finally:
        other.close()
        first.terminate()
        first.wait(PATIENCE)


@pytest.mark.exhaustive
def test_rabbitmq_keeps_its_messages(shop):
    (shop.system / "main.py").write_text(QUEUE)
    (shop.system / "architect.json").write_text(json.dumps({"name": "acme/shop"}))
    keeping = ("--keep", "--events", "rabbitmq")
    assert counted(shop.start(*keeping)) == [1]
    shop.kill_all()
    shop.process.wait()
    assert counted(shop.start(*keeping)) == [2]
