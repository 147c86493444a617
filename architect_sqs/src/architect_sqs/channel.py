"""Sends events to SNS, which has each subscriber's queue get them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any
from weakref import WeakSet

from architect_core.clock import monotonic
from architect_core.contract import Channel, Consumer, Message, Receipt, Topic
from architect_sqs.aws import Aws, AwsError, refusal
from architect_sqs.batching import Batcher
from architect_sqs.consumer import SqsConsumer
from architect_sqs.names import fifo_id
from architect_sqs.queue import Queue
from architect_sqs.topology import Topology
from architect_sqs.wire import Wire, encode

_Entry = dict[str, Any]
_Result = AwsError | None


class SqsChannel(Channel):
    """The topics and queues of one account and region whose names start with a prefix."""

    def __init__(self, arguments: dict[str, Any], prefix: str) -> None:
        """`arguments` are those of `boto3.client`."""
        self._aws = Aws(arguments)
        self._topology = Topology(self._aws, prefix)
        self._publishers: dict[str, Batcher[_Entry, _Result]] = {}
        self._consumers: WeakSet[SqsConsumer] = WeakSet()

    async def send(self, messages: Sequence[Message], timeout: float) -> Sequence[Receipt]:
        """Publish one message at once, and several, or what is published while calls are under way, in batches of ten.

        A message with a key is published once the one before it with the same key is; if that is not accepted, neither
        is this one.
        """
        if len(messages) == 1:  # without a task of its own
            return [await self._send(messages[0], timeout, alone=True)]
        return await asyncio.gather(*(self._send(message, timeout) for message in messages))

    async def _send(self, message: Message, timeout: float, *, alone: bool = False) -> Receipt:
        started = monotonic()
        try:
            wire = encode(message)
        except ValueError as problem:
            return Receipt(problem, permanent=True)
        error: OSError | None
        try:
            async with asyncio.timeout(timeout):
                fifo = message.key is not None
                topic = await self._topology.topic(message.source, message.event, fifo=fifo)
                error = await self._publisher(topic).put(_entry(message, wire), wire.size, message.key, alone=alone)
        except TimeoutError:
            error = TimeoutError(f"SNS did not confirm within {timeout:g} seconds")
        except OSError as problem:
            error = problem
        permanent = isinstance(error, AwsError) and error.malformed
        return Receipt(error, elapsed=monotonic() - started, permanent=permanent)

    def _publisher(self, topic: str) -> Batcher[_Entry, _Result]:
        found = self._publishers.get(topic)
        if found is None:
            found = self._publishers[topic] = Batcher(partial(self._publish, topic), _is_retried)
        return found

    async def _publish(self, topic: str, entries: Sequence[_Entry]) -> list[_Result]:
        numbered = [{"Id": str(number), **each} for number, each in enumerate(entries)]
        try:
            answer = await self._aws.call("sns", "publish_batch", TopicArn=topic, PublishBatchRequestEntries=numbered)
        except AwsError as problem:
            if problem.missing:
                self._topology.forget()
            return [problem] * len(entries)
        failed = {each["Id"]: refusal("sns", "Publish", each["Code"]) for each in answer.get("Failed", [])}
        accepted = {each["Id"] for each in answer.get("Successful", [])}
        unknown = AwsError("unknown", "SNS did not say whether it accepted the event")
        return [None if each["Id"] in accepted else failed.get(each["Id"], unknown) for each in numbered]

    async def declare(self, topics: Sequence[Topic]) -> None:
        """Create the topics, the queues and their dead-letter queues, and subscribe these; raises AwsError."""
        await self._topology.declare(topics)

    def consumer(self, subscriber: str, topics: Sequence[Topic], limit: int, *, dead: bool = False) -> Consumer:
        """Returns a consumer of the subscriber's queues, which are created if they do not exist."""

        async def connect() -> list[Queue]:
            places = await self._topology.places(subscriber, topics)
            pairs = [(each.dead, each.url) if dead else (each.url, each.dead) for each in places]
            return [Queue(self._aws, *pair, fifo=each.fifo) for pair, each in zip(pairs, places, strict=True)]

        consumer = SqsConsumer(connect, self._topology.forget, limit, dead=dead)
        self._consumers.add(consumer)
        return consumer

    async def close(self) -> None:
        """Close the consumers, and let go of the connections."""
        await asyncio.gather(*(each.close() for each in list(self._consumers)))
        await self._aws.close()


def _entry(message: Message, wire: Wire) -> _Entry:
    entry: _Entry = {"Message": wire.body, "MessageAttributes": wire.attributes}
    if message.key is not None:
        entry |= {"MessageGroupId": fifo_id(message.key), "MessageDeduplicationId": fifo_id(message.id)}
    return entry


def _is_retried(result: _Result) -> bool:
    return result is not None and not result.malformed
