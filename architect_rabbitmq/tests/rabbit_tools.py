"""What the tests of RabbitMQ share."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import pytest

from architect_core.contract import Channel, Consumer, EventChannel, Message, Received, Topic
from architect_core.plugins import Plugins
from architect_core.resolver.events import broker_of
from architect_rabbitmq import topology
from architect_rabbitmq.channel import RabbitChannel

URL = "amqp://guest:guest@127.0.0.1:5672"
MAX_BYTES = 16 * 1024 * 1024
LEVELS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Names:
    """A topic with two subscribers, `mailer` and `billing`."""

    def __init__(self) -> None:
        unique = uuid4().hex[:10]
        self.source = f"t{unique}/orders"
        self.mailer, self.billing = f"t{unique}/mailer", f"t{unique}/billing"
        self.topic = self.topic_of("placed")
        self.subscribers = [self.mailer, self.billing]

    def topic_of(self, event: str, *subscribers: str) -> Topic:
        topic = Topic(event, self.source, subscribers or (self.mailer, self.billing))
        self._topics = [*getattr(self, "_topics", ()), topic]
        return topic

    def message(self, number: int = 0, *, event: str = "placed", **given: Any) -> Message:
        body = json.dumps({"number": number}).encode()
        return Message(given.pop("id", str(uuid4())), event, self.source, datetime.now(UTC), body, **given)

    async def delete(self) -> None:
        async with await aio_pika.connect(URL) as connection:
            channel = await connection.channel()
            for name in {*self.subscribers, *(name for topic in self._topics for name in topic.subscribers)}:
                queues = [topology.queue_of(name), topology.dead_queue_of(name)]
                for queue in [*queues, *(topology.retry_queue_of(name, level) for level in LEVELS)]:
                    await channel.queue_delete(queue)
            for topic in self._topics:
                await channel.exchange_delete(topology.exchange_of(topic.source, topic.event))


@asynccontextmanager
async def opened(url: str = URL) -> AsyncIterator[RabbitChannel]:
    channel = RabbitChannel({"url": url}, MAX_BYTES)
    try:
        yield channel
    finally:
        await channel.close()


@asynccontextmanager
async def opened_by_url(url: str) -> AsyncIterator[Channel]:
    """A channel as `ARCHITECT_EVENTS` makes it."""
    plugins = Plugins()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARCHITECT_EVENTS", url)
        broker = broker_of(plugins, Path.cwd)
    assert broker is not None
    channel = plugins.get(EventChannel, f"events.{broker.scheme}", "a test").open(broker)
    try:
        yield channel
    finally:
        await channel.close()


@asynccontextmanager
async def bare() -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    """A channel of aio-pika itself."""
    async with await aio_pika.connect(URL) as connection:
        yield await connection.channel()


async def count(queue: str) -> int:
    """How many messages are ready in a queue."""
    async with bare() as channel:
        found = await channel.declare_queue(queue, passive=True)
        return found.declaration_result.message_count or 0


async def receive(consumer: Consumer, number: int, seconds: float = 10.0) -> list[Received]:
    """Returns so many messages, which are not acknowledged."""
    received: list[Received] = []
    async with asyncio.timeout(seconds):
        while len(received) < number:
            received += await consumer.receive(number - len(received), seconds)
    return received


async def drain(consumer: Consumer, number: int, seconds: float = 30.0) -> list[Received]:
    """Returns at least so many messages, which are acknowledged, and whatever else is there."""
    received: list[Received] = []
    async with asyncio.timeout(seconds):
        while len(received) < number:
            with suppress(OSError):
                batch = await consumer.receive(100, 0.5)
                await consumer.ack(batch)
                received += batch
        while batch := await consumer.receive(100, 0.2):
            await consumer.ack(batch)
            received += batch
    return received


def numbers(received: Sequence[Received]) -> list[int]:
    return [json.loads(each.message.body)["number"] for each in received]


class Proxy:
    """A way to RabbitMQ that can be cut, stopped and frozen, and puts one text for another of the same length."""

    def __init__(self, tls: ssl.SSLContext | None = None, replaced: tuple[bytes, bytes] = (b"\0", b"\0")) -> None:
        self.port = 0
        self._replaced = replaced
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", 5672)
        for source, target in ((reader, back), (there, writer)):
            self._writers.add(target)
            task = asyncio.create_task(self._copy(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                await self._flows.wait()
                target.write(data.replace(*self._replaced))
                await target.drain()
        target.close()

    def freeze(self) -> None:
        """Keep connections open, and pass nothing on."""
        self._flows.clear()

    def thaw(self) -> None:
        self._flows.set()

    async def cut(self) -> None:
        """Reset all connections."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        await asyncio.sleep(0)

    async def stop(self) -> None:
        """Refuse connections too, until the next `start`."""
        assert self._server is not None
        self._server.close()
        await self.cut()

    async def close(self) -> None:
        await self.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def proxied(query: str = "", tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Proxy, RabbitChannel]]:
    proxy = Proxy(tls)
    await proxy.start()
    try:
        async with opened(proxy.url + query) as channel:
            yield proxy, channel
    finally:
        await proxy.close()
