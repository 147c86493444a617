"""What publishing to a broker costs, as ratios to its bare library: `uv run python benchmarks/events.py [rabbitmq]`.

Both sides publish 1 KiB to one durable queue, and wait for the broker's confirmation; the wall clock is what counts.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from measure import HEADER, Comparison, compare

import architect.sdk as architect

Publish = Callable[[], Awaitable[object]]

IN_FLIGHT = 100
BODY = b'{"order": "' + b"x" * 1011 + b'"}'
CONFIG = {"acme/orders": {"subscriptions": {"benchmark": {"acme/benchmark": {"handler": "benchmark"}}}}}


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
            message = aio_pika.Message(BODY, delivery_mode=2, content_type="application/json")
            await channel.default_exchange.publish(message, queue, mandatory=True)

        async def disconnect() -> None:
            for name in (queue, ours, f"{ours}:dead"):
                await channel.queue_delete(name)
            await channel.exchange_delete("architect:acme/orders:benchmark")
            await connection.close()

        connection, channel = runner.run(connect())
        try:
            yield from against("aio-pika", url, runner, publish)
        finally:
            runner.run(disconnect())


def against(library: str, url: str, runner: asyncio.Runner, bare: Publish) -> Iterator[Comparison]:
    """Compare all ways to publish with `bare`, which publishes one message by the library itself."""
    os.environ["ARCHITECT_EVENTS"] = url
    architect.configure(CONFIG, current_service="acme/orders")
    event = architect.notification("benchmark")
    threads = ThreadPoolExecutor(IN_FLIGHT)

    async def one_by_one(publish: Publish) -> None:
        for _ in range(IN_FLIGHT):
            await publish()

    async def together(publish: Publish) -> None:
        await asyncio.gather(*(publish() for _ in range(IN_FLIGHT)))

    def aio() -> Awaitable[object]:
        return event.aio.publish(BODY)

    def sync_one_by_one() -> None:
        for _ in range(IN_FLIGHT):
            event.publish(BODY)

    def sync_together() -> None:
        list(threads.map(event.publish, [BODY] * IN_FLIGHT))

    ways: tuple[tuple[str, Callable[[], object], Callable[[], object]], ...] = (
        ("one by one", sync_one_by_one, lambda: runner.run(one_by_one(bare))),
        ("one by one, aio", lambda: runner.run(one_by_one(aio)), lambda: runner.run(one_by_one(bare))),
        (f"{IN_FLIGHT} threads", sync_together, lambda: runner.run(together(bare))),
        (f"{IN_FLIGHT} in flight, aio", lambda: runner.run(together(aio)), lambda: runner.run(together(bare))),
    )
    for way, ours, baseline in ways:
        name = f"publish, {way} / {library}"
        yield compare(name, ours, baseline, repeat=3, rounds=9, unrolled=IN_FLIGHT, clock=time.perf_counter)
    threads.shutdown()
    architect.reset()


BROKERS = {"rabbitmq": rabbitmq}


def main() -> None:
    print(f"Python {sys.version.split()[0]}\n{HEADER}")
    for name in sys.argv[1:] or BROKERS:
        for comparison in BROKERS[name]():
            print(comparison, flush=True)


if __name__ == "__main__":
    main()
