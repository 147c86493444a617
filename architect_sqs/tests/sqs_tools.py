"""What the tests of architect-sqs share."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import uuid4

import boto3

from architect_core.contract import Broker, Channel, Consumer, Message, Received, Topic
from architect_core.resolver import Resolver
from architect_sqs.names import queue_name, topic_name
from architect_sqs.plugin import SqsEventChannel

SOURCE, EVENT, SUBSCRIBER = "acme/orders", "order_placed", "acme/mailer"
TOPIC = Topic(EVENT, SOURCE, (SUBSCRIBER,))
SOON = 5.0
"""Seconds within which what has been sent arrives."""


@dataclass(frozen=True)
class Cloud:
    """A server of SNS and SQS, and the prefix of names."""

    endpoint: str
    prefix: str

    @property
    def url(self) -> str:
        return f"sqs://key:s3cret@eu-central-1/{self.prefix}?endpoint={self.endpoint}"

    def broker(self, url: str | None = None) -> Broker:
        config = {"acme/orders": {"datastores": {"events": {"url": url or self.url}}}}
        credentials = Resolver(config, current_service="acme/orders", root="/nowhere").datastore("events")
        return Broker("sqs", credentials, "a test")

    def channel(self, url: str | None = None) -> Channel:
        return SqsEventChannel().open(self.broker(url))

    @asynccontextmanager
    async def opened(self, url: str | None = None) -> AsyncIterator[Channel]:
        channel = self.channel(url)
        try:
            yield channel
        finally:
            await channel.close()

    @cached_property
    def arguments(self) -> dict[str, Any]:
        login = {"aws_access_key_id": "key", "aws_secret_access_key": "s3cret"}
        return {"region_name": "eu-central-1", "endpoint_url": self.endpoint, **login}

    @cached_property
    def sqs(self) -> Any:
        return boto3.client("sqs", **self.arguments)

    @cached_property
    def sns(self) -> Any:
        return boto3.client("sns", **self.arguments)

    def queue(self, subscriber: str = SUBSCRIBER, *, fifo: bool = False, dead: bool = False) -> str:
        """Returns a queue's URL."""
        name = queue_name(self.prefix, subscriber, fifo=fifo, dead=dead)
        return str(self.sqs.get_queue_url(QueueName=name)["QueueUrl"])

    def attributes(self, url: str) -> dict[str, str]:
        return dict(self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"])

    def topic(self, *, fifo: bool = False) -> str:
        name = topic_name(self.prefix, SOURCE, EVENT, fifo=fifo)
        return f"arn:aws:sns:eu-central-1:000000000000:{name}"


def message(body: bytes = b"{}", **more: Any) -> Message:
    given = {"id": str(uuid4()), "event": EVENT, "source": SOURCE, "time": datetime.now(UTC), **more}
    return Message(body=body, **given)


async def sent(channel: Channel, *messages: Message) -> None:
    receipts = await channel.send(messages, SOON)
    assert [each.error for each in receipts] == [None] * len(messages)


async def received(consumer: Consumer, count: int, limit: int = 10) -> list[Received]:
    """Returns `count` messages, however many calls that takes."""
    found: list[Received] = []
    while len(found) < count:
        some: Sequence[Received] = await consumer.receive(min(limit, count - len(found)), SOON)
        assert some, f"only {len(found)} of {count} messages have arrived"
        found += some
    return found


async def until_it_fails(consumer: Consumer) -> None:
    while True:
        await consumer.receive(1, 1.0)


class Line:
    """Forwards connections to a server, until it is cut; connected again, it has the same port."""

    def __init__(self, endpoint: str) -> None:
        host, port = endpoint.removeprefix("http://").split(":")
        self._there = (host, int(port))
        self._port = 0
        self._listener: socket.socket | None = None
        self._sockets: list[socket.socket] = []

    def connect(self) -> str:
        """Returns the URL of this end."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return f"http://127.0.0.1:{self._port}"

    def cut(self) -> None:
        listener, self._listener = self._listener, None
        assert listener is not None
        for each in (listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._sockets.clear()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                here, _ = listener.accept()
                there = socket.create_connection(self._there)
                self._sockets += [here, there]
                if self._listener is not listener:
                    here.close()
                    there.close()
                    return
                for pair in ((here, there), (there, here)):
                    threading.Thread(target=self._copy, args=pair, daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


def run(coroutine: Awaitable[None]) -> None:
    asyncio.run(coroutine)  # type: ignore[arg-type] # a coroutine
