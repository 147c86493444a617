"""The channel of events to RabbitMQ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from weakref import WeakSet

from architect_core.contract import Channel, Message, Receipt, Topic
from architect_rabbitmq import topology
from architect_rabbitmq.consumer import RabbitConsumer
from architect_rabbitmq.link import Link, RabbitError
from architect_rabbitmq.messages import properties_of
from architect_rabbitmq.publisher import Outgoing, Publisher, RefusedError


class RabbitChannel(Channel):
    """One connection to publish, which RabbitMQ may block when it is short of memory, and another one to consume."""

    def __init__(self, arguments: Mapping[str, Any], max_bytes: int) -> None:
        """`arguments` are those of `aio_pika.connect`; a body has at most `max_bytes`."""
        self._max_bytes = max_bytes
        self._publishing = Link(arguments, "publisher")
        self._consuming = Link(arguments, "consumer")
        self._publisher = Publisher(self._publishing)
        self._topics: dict[tuple[str, str], Topic] = {}
        self._consumers: WeakSet[RabbitConsumer] = WeakSet()

    async def send(self, messages: Sequence[Message], timeout: float) -> Sequence[Receipt]:
        """Publish with confirms."""
        limit = self._max_bytes
        receipts: list[Receipt | None] = [None] * len(messages)
        for number, message in enumerate(messages):
            if len(message.body) > limit:
                reason = f"the body has {len(message.body):,} bytes, and {limit:,} are allowed at most"
                receipts[number] = Receipt(RabbitError(reason, lasting=True), permanent=True)
        numbers = [number for number, receipt in enumerate(receipts) if receipt is None]
        problems = await self._publisher.publish([self._outgoing(messages[number]) for number in numbers], timeout)
        for number, problem in zip(numbers, problems, strict=True):
            receipts[number] = Receipt(problem, permanent=isinstance(problem, RefusedError) and problem.lasting)
        return [receipt for receipt in receipts if receipt is not None]

    def _outgoing(self, message: Message) -> Outgoing:
        properties = properties_of(message)
        topic = self._topics.get((message.source, message.event))
        if topic is None:
            topic = Topic(message.event, message.source)
        exchange = topology.exchange_of(message.source, message.event)
        declare = partial(topology.declare, self._publishing, [topic])
        return Outgoing(exchange, "", properties, message.body, declare, optional=not topic.subscribers)

    async def declare(self, topics: Sequence[Topic]) -> None:
        """Create the exchanges, queues and bindings."""
        await topology.declare(self._publishing, topics)
        self._topics.update({(topic.source, topic.event): topic for topic in topics})

    def consumer(self, subscriber: str, topics: Sequence[Topic], limit: int, *, dead: bool = False) -> RabbitConsumer:
        """Returns a consumer of the subscriber's queue, or of its dead letters."""
        consumer = RabbitConsumer(self._consuming, self._publisher, subscriber, topics, limit, dead=dead)
        self._consumers.add(consumer)
        return consumer

    async def close(self) -> None:
        """Disconnect; what is being received ends."""
        for consumer in list(self._consumers):
            await consumer.close()
        await self._publisher.close()
        await self._consuming.close()
        await self._publishing.close()
