"""What a relay moves in a second: `uv run python benchmarks/relay.py [webhooks] [rabbitmq] [sqs] [memory]`.

The outbox is in PostgreSQL, on its default local port. To a broker, the rate is compared with those of aio-pika and of
the channel alone, which send as many messages in the same batches; to webhooks, with the 1,442 deliveries a second of
before.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from events import amqp_message
from events_campaign import database, ministack

from architect_core.contract import Message
from architect_core.resolver.resolver import Resolver
from architect_events.commands.places import outbox_of
from architect_events.consuming.relaying import Relay, Settings
from architect_events.publishing import channels
from architect_events.subscribers import topic_of

BODY = b'{"order": "' + b"x" * 1011 + b'"}'
BATCH, IN_FLIGHT, ROUNDS = 100, 3, 5
BEFORE = 1442  # deliveries a second
COLUMNS = "event, subscriber, source, content_type, headers, body, occurred_at"
COPIES = (
    f"INSERT INTO architect_outbox (message_id, {COLUMNS})"
    f" SELECT gen_random_uuid(), {COLUMNS} FROM architect_outbox CROSS JOIN generate_series(1, %s)"
)


class System:
    """The service acme/orders, with an outbox in a database of its own."""

    def __init__(self, datastore: dict[str, Any], subscribers: dict[str, Any]) -> None:
        places = {name: place for name, (place, _) in subscribers.items()}
        deliveries = {name: delivery for name, (_, delivery) in subscribers.items()}
        own = {"subscriptions": {"placed": deliveries}, "datastores": {"db": datastore}}
        self.resolver = Resolver({**places, "acme/orders": own}, current_service="acme/orders")
        self.placed = self.resolver.notification("placed")
        self._store().create()
        self._arguments = self.resolver.datastore("db").for_driver("psycopg")

    def _store(self) -> Any:
        return outbox_of(self.resolver, "db")

    def fill(self, events: int) -> None:
        """Put events into the outbox."""
        with psycopg.connect(**self._arguments) as connection:
            self.placed.publish(BODY, outbox=connection)
            connection.execute(COPIES, (events - 1,))

    def empty(self) -> None:
        """Remove all events."""
        with psycopg.connect(**self._arguments) as connection:
            connection.execute("TRUNCATE architect_outbox")

    def relay(self, deliveries: int) -> float:
        """Returns how many deliveries a relay makes in a second."""
        return deliveries / channels().loop.run(self._relay(deliveries))

    async def _relay(self, deliveries: int) -> float:
        relay = Relay(self.resolver, channels(), self._store(), Settings(batch=BATCH))
        start = time.perf_counter()
        running = asyncio.create_task(relay.run())
        while relay.counts.done < deliveries and not running.done():
            await asyncio.sleep(0.002)
        taken = time.perf_counter() - start
        relay.stop()
        await running
        return taken

    def send(self, events: int) -> float:
        """Returns how many messages the channel of the broker alone sends in a second."""
        broker = self.resolver.broker()
        assert broker is not None
        channel = channels().open(self.resolver.channel(f"events.{broker.scheme}"), broker)
        now = datetime.now(UTC)
        batches = [
            [Message(str(uuid4()), "placed", "acme/orders", now, BODY) for _ in range(BATCH)]
            for _ in range(events // BATCH)
        ]
        left = iter(batches)

        async def sender() -> None:
            for batch in left:
                receipts = await channel.send(batch, 15)
                assert all(receipt.ok for receipt in receipts)

        async def run() -> float:
            await channel.declare([topic_of("placed", "acme/orders", self.placed.subscriptions)])
            start = time.perf_counter()
            await asyncio.gather(*(sender() for _ in range(IN_FLIGHT)))
            return time.perf_counter() - start

        return events / channels().loop.run(run())


@contextmanager
def serving() -> Iterator[list[int]]:
    """Yields the ports of subscribers that answer at once, in a process of their own."""
    command = [sys.executable, str(Path(__file__).with_name("server.py")), "quick"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield [int(port) for port in process.stdout.readline().split()]
        finally:
            process.terminate()


def webhooks(events: int, datastore: dict[str, Any]) -> None:
    """Deliveries to subscribers on loopback."""
    with serving() as ports:
        subscribers = {
            f"acme/s{port}": ({"host": "http://127.0.0.1", "port": port, "api": "rest"}, {"uri": "/placed"})
            for port in ports
        }
        system = System(datastore, subscribers)
        rates, used = [], time.process_time()
        deliveries = events // len(ports) * len(ports)
        for _ in range(ROUNDS):
            system.fill(events // len(ports))
            rates.append(system.relay(deliveries))
        rate, used = sorted(rates)[ROUNDS // 2], (time.process_time() - used) / ROUNDS
        compared = f"{rate / BEFORE:.2f} of before; {deliveries / used:,.0f} in a second of its own CPU time"
        print(f"webhooks, {len(ports)} subscribers: {rate:,.0f} deliveries/s, {compared}")


Rate = Callable[[int], float]


def against(name: str, events: int, datastore: dict[str, Any], bare: dict[str, Rate]) -> None:
    """The relay's rate to a broker, and in turns with it those of `bare` and of the channel alone."""
    system = System(datastore, {"acme/benchmark": ({}, {"handler": "benchmark"})})
    baselines = {**bare, "the channel alone": system.send}
    rates: list[float] = []
    ratios: dict[str, list[float]] = {each: [] for each in baselines}
    for _ in range(ROUNDS):
        taken = {each: send(events) for each, send in baselines.items()}
        system.fill(events)
        rates.append(system.relay(events))
        for each, rate in taken.items():
            ratios[each].append(rates[-1] / rate)
    compared = ", ".join(
        f"{sorted(found)[ROUNDS // 2]:.2f} ({min(found):.2f} to {max(found):.2f}) of {each}"
        for each, found in ratios.items()
    )
    print(f"{name}: {sorted(rates)[ROUNDS // 2]:,.0f} events/s, {compared}")


def rabbitmq(events: int, datastore: dict[str, Any]) -> None:
    """To a quorum queue, which is deleted at the end."""
    import aio_pika

    url = os.environ["ARCHITECT_EVENTS"] = os.environ.get("RABBITMQ_URL", "amqp://guest:guest@127.0.0.1")
    queue = "architect-benchmark"

    async def publish(events: int) -> float:
        left = iter(range(events // BATCH))
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel(on_return_raises=True)
            await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})

            async def one() -> None:
                await channel.default_exchange.publish(amqp_message(), queue, mandatory=True)

            async def sender() -> None:
                for _ in left:
                    await asyncio.gather(*(one() for _ in range(BATCH)))

            start = time.perf_counter()
            await asyncio.gather(*(sender() for _ in range(IN_FLIGHT)))
            return time.perf_counter() - start

    async def delete() -> None:
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            for name in (queue, "architect:acme/benchmark", "architect:acme/benchmark:dead"):
                await channel.queue_delete(name)
            await channel.exchange_delete("architect:acme/orders:placed")

    try:
        against("RabbitMQ", events, datastore, {"aio-pika": lambda count: count / asyncio.run(publish(count))})
    finally:
        del os.environ["ARCHITECT_EVENTS"]
        asyncio.run(delete())


def sqs(events: int, datastore: dict[str, Any]) -> None:
    """To ministack, which is slower than everything else."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ["ARCHITECT_EVENTS"] = stack.enter_context(ministack(folder))
        stack.callback(os.environ.pop, "ARCHITECT_EVENTS")
        against("SNS and SQS (ministack)", max(BATCH * IN_FLIGHT, events // 20), datastore, {})


def memory(events: int, datastore: dict[str, Any]) -> None:
    """How much more memory a relay takes with a hundred times as many pending events."""
    with serving() as ports:
        place = {"host": "http://127.0.0.1", "port": ports[0], "api": "rest"}
        system = System(datastore, {"acme/mailer": (place, {"uri": "/placed"})})
        peaks = []
        for pending in (events, 100 * events):
            system.fill(pending)
            system.relay(events)
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
            system.empty()
        few, many = peaks
        print(f"memory: {few:.0f} MiB with {events:,} pending events, {many:.0f} MiB with {100 * events:,}")


WHAT: dict[str, Callable[[int, dict[str, Any]], None]] = {
    "webhooks": webhooks,
    "rabbitmq": rabbitmq,
    "sqs": sqs,
    "memory": memory,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the arguments name, or everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[*WHAT, []], help="everything if not given")
    parser.add_argument("--events", type=int, default=10_000)
    asked = parser.parse_args(arguments)
    for name in asked.what or WHAT:
        with database("postgres", Path()) as datastore:
            WHAT[name](asked.events, datastore)


if __name__ == "__main__":
    main()
