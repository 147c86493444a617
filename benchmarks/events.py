"""What publishing to an outbox or a broker costs: `uv run python benchmarks/events.py [outbox] [rabbitmq] [sqs]`.

The wall clock is what counts. The outbox is in PostgreSQL, on its default local port. To a broker, both sides publish
events of 1 KiB with the same headers, those of CloudEvents, to one durable queue, and wait for the confirmation. SNS
and SQS are those of ministack, which both sides wait for most of the time; boto3 sends batches of ten.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from measure import HEADER, Comparison, compare

import architect.sdk as architect
from architect_events.outbox.tables import POSTGRES

if TYPE_CHECKING:
    import aio_pika

Publish = Callable[[], Awaitable[object]]
Headers = dict[str, Any]

IN_FLIGHT = 100
BODY = b'{"order": "' + b"x" * 1011 + b'"}'
SUBSCRIPTIONS = {"benchmark": {"acme/benchmark": {"handler": "benchmark"}}}
CONFIG: dict[str, dict[str, object]] = {"acme/orders": {"subscriptions": SUBSCRIPTIONS}}


def rabbitmq() -> Iterator[Comparison]:
    import aio_pika

    url = os.environ.get("RABBITMQ_URL", "amqp://guest:guest@127.0.0.1")
    queue, ours = "architect-benchmark", "architect:acme/benchmark"
    with asyncio.Runner() as runner:

        async def connect() -> tuple[aio_pika.abc.AbstractConnection, aio_pika.abc.AbstractChannel]:
            connection = await aio_pika.connect(url)
            channel = await connection.channel(on_return_raises=True)
            await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
            return connection, channel

        async def publish() -> None:
            await channel.default_exchange.publish(amqp_message(), queue, mandatory=True)

        async def disconnect() -> None:
            for name in (queue, ours, f"{ours}:dead"):
                await channel.queue_delete(name)
            await channel.exchange_delete("architect:acme/orders:benchmark")
            await connection.close()

        connection, channel = runner.run(connect())
        try:
            yield from against(
                "aio-pika", url, runner, lambda: runner.run(one_by_one(publish)), lambda: runner.run(together(publish))
            )
        finally:
            runner.run(disconnect())


def sqs() -> Iterator[Comparison]:
    import boto3

    with ministack() as endpoint, asyncio.Runner() as runner:
        place = {"region_name": "eu-central-1", "endpoint_url": endpoint}
        sns = boto3.client("sns", aws_access_key_id="key", aws_secret_access_key="secret", **place)
        sqs = boto3.client("sqs", aws_access_key_id="key", aws_secret_access_key="secret", **place)
        arn = sns.create_topic(Name="bare")["TopicArn"]
        sqs.create_queue(QueueName="bare")
        raw = {"RawMessageDelivery": "true"}
        sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=arn.replace("sns", "sqs"), Attributes=raw)
        text = BODY.decode()

        def attributes() -> dict[str, dict[str, str]]:
            headers = {"content-type": "application/json", **event_headers("ce-")}
            return {"headers": {"DataType": "String", "StringValue": json.dumps(headers)}}

        def singly() -> None:
            for _ in range(IN_FLIGHT):
                sns.publish(TopicArn=arn, Message=text, MessageAttributes=attributes())

        def batches() -> None:
            for _ in range(IN_FLIGHT // 10):
                entries = [
                    {"Id": str(number), "Message": text, "MessageAttributes": attributes()} for number in range(10)
                ]
                assert not sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=entries).get("Failed")

        url = f"sqs://key:secret@eu-central-1/ours?endpoint={endpoint}"
        yield from against("boto3", url, runner, singly, batches)


@contextmanager
def ministack() -> Iterator[str]:
    """The URL of a server of SNS and SQS, which ends afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    program = [sys.executable, "-m", "hypercorn", "--workers", "0", "--bind", f"127.0.0.1:{port}", "ministack.app:app"]
    environ = {**os.environ, "SERVICES": "sqs,sns", "LOG_LEVEL": "WARNING"}
    with subprocess.Popen(program, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            while True:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()


def amqp_message() -> aio_pika.Message:
    """An event as a message of aio-pika, which RabbitMQ writes to its disk."""
    import aio_pika

    headers = event_headers("cloudEvents:")
    id_ = headers["cloudEvents:id"]
    return aio_pika.Message(BODY, headers=headers, message_id=id_, delivery_mode=2, content_type="application/json")


def event_headers(prefix: str) -> Headers:
    """What says which event a message is."""
    return {
        f"{prefix}specversion": "1.0",
        f"{prefix}id": str(uuid4()),
        f"{prefix}source": "acme/orders",
        f"{prefix}type": "benchmark",
        f"{prefix}time": datetime.now(UTC).isoformat(),
    }


async def one_by_one(publish: Publish) -> None:
    for _ in range(IN_FLIGHT):
        await publish()


async def together(publish: Publish) -> None:
    await asyncio.gather(*(publish() for _ in range(IN_FLIGHT)))


def against(
    library: str, url: str, runner: asyncio.Runner, singly: Callable[[], object], at_once: Callable[[], object]
) -> Iterator[Comparison]:
    """Compare all ways to publish with the library itself.

    Both `singly` and `at_once` publish `IN_FLIGHT` messages by it, one by one and in the way that is quickest.
    """
    os.environ["ARCHITECT_EVENTS"] = url
    architect.configure(CONFIG, current_service="acme/orders")
    event = architect.notification("benchmark")
    threads = ThreadPoolExecutor(IN_FLIGHT)

    def aio() -> Awaitable[object]:
        return event.aio.publish(BODY)

    def sync_one_by_one() -> None:
        for _ in range(IN_FLIGHT):
            event.publish(BODY)

    def sync_together() -> None:
        list(threads.map(event.publish, [BODY] * IN_FLIGHT))

    ways: tuple[tuple[str, Callable[[], object], Callable[[], object]], ...] = (
        ("one by one", sync_one_by_one, singly),
        ("one by one, aio", lambda: runner.run(one_by_one(aio)), singly),
        (f"{IN_FLIGHT} threads", sync_together, at_once),
        (f"{IN_FLIGHT} in flight, aio", lambda: runner.run(together(aio)), at_once),
    )
    for way, ours, baseline in ways:
        name = f"publish, {way} / {library}"
        yield compare(name, ours, baseline, repeat=2, rounds=25, unrolled=IN_FLIGHT, clock=time.perf_counter)
    threads.shutdown()
    architect.reset()


def outbox() -> Iterator[Comparison]:
    """A transaction in PostgreSQL that publishes, against the same without that, and with any second statement."""
    import psycopg
    from events_campaign import database

    with tempfile.TemporaryDirectory() as folder, database("postgres", Path(folder)) as entry:
        services = {"acme/orders": {**CONFIG["acme/orders"], "datastores": {"db": entry}}}
        architect.configure(services, current_service="acme/orders")
        event = architect.notification("benchmark")
        with psycopg.connect(**architect.datastore("db").for_driver("psycopg")) as connection:
            connection.execute("CREATE TABLE orders (id uuid PRIMARY KEY, note text)")
            connection.execute("CREATE TABLE log (id uuid PRIMARY KEY, note text)")
            for statement in POSTGRES.create:
                connection.execute(statement.encode())
            connection.commit()

            def insert(table: bytes) -> None:
                connection.execute(b"INSERT INTO " + table + b" VALUES (%s, %s)", (uuid4(), "two espresso cups"))

            def plain() -> None:
                insert(b"orders")
                connection.commit()

            def second() -> None:
                insert(b"orders")
                insert(b"log")
                connection.commit()

            def publishing() -> None:
                insert(b"orders")
                event.publish({"order": 7}, outbox=connection)
                connection.commit()

            for name, baseline in (("with a second statement", second), ("without it", plain)):
                title = f"a transaction that publishes / {name}"
                yield compare(title, publishing, baseline, repeat=100, rounds=15, clock=time.perf_counter)
        architect.reset()


PARTS = {"outbox": outbox, "rabbitmq": rabbitmq, "sqs": sqs}


def main() -> None:
    print(f"Python {sys.version.split()[0]}\n{HEADER}")
    for name in sys.argv[1:] or PARTS:
        for comparison in PARTS[name]():
            print(comparison, flush=True)


if __name__ == "__main__":
    main()
