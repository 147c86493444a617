"""The topics, queues and subscriptions, each created once.

An event has two topics, and a subscriber two queues: for events without a key, and with one (FIFO). Both always exist,
so that the first event with a key finds its way to every subscriber, whether or not that runs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from architect_core.contract import Topic
from architect_sqs.aws import Aws, AwsError
from architect_sqs.names import queue_name, topic_name

Value = TypeVar("Value")

LEASE = 30
"""Seconds for which a received message is not delivered again."""

_RETENTION = 14 * 24 * 3600  # the longest; SQS' default is 4 days
_MAX_RECEIVES = 100  # a safety net; the worker gives up long before
_KINDS = (False, True)  # FIFO or not


@dataclass(frozen=True)
class Place:
    """A queue and its dead-letter queue, by their URLs."""

    url: str
    dead: str
    fifo: bool


class Topology:
    """Finds and creates what events pass through."""

    def __init__(self, aws: Aws, prefix: str) -> None:
        self._aws = aws
        self._prefix = prefix
        self._subscribers: dict[tuple[str, str], set[str]] = {}
        self._tasks: dict[tuple[str, ...], asyncio.Task[Any]] = {}

    async def declare(self, topics: Sequence[Topic]) -> None:
        """Create what `topics` need; raises AwsError."""
        for each in topics:
            self._subscribers.setdefault((each.source, each.event), set()).update(each.subscribers)
        await asyncio.gather(*(self._declared(each.source, each.event) for each in topics))

    async def topic(self, source: str, event: str, *, fifo: bool) -> str:
        """Returns the ARN of the topic, once all of its known subscribers get its messages; raises AwsError."""
        return (await self._declared(source, event))[fifo]

    async def places(self, subscriber: str, topics: Sequence[Topic]) -> list[Place]:
        """Returns the queues of a subscriber, which get the messages of `topics`; raises AwsError."""
        await self.declare([Topic(each.event, each.source, (subscriber,)) for each in topics])
        names = [queue_name(self._prefix, subscriber, fifo=fifo, dead=dead) for fifo in _KINDS for dead in _KINDS]
        urls = await asyncio.gather(*(self._once(("url", name), partial(self._url, name)) for name in names))
        return [Place(urls[0], urls[1], fifo=False), Place(urls[2], urls[3], fifo=True)]

    def forget(self) -> None:
        """Have everything created again that is used again, because something of it was deleted."""
        self._tasks.clear()

    async def _once(self, key: tuple[str, ...], make: Callable[[], Awaitable[Value]]) -> Value:
        """Returns what `make` returns, which is called again only if it has failed."""

        async def run() -> Value:
            return await make()

        task = self._tasks.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._tasks[key] = asyncio.create_task(run())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # somebody may have given up
        value: Value = await asyncio.shield(task)
        return value

    async def _declared(self, source: str, event: str) -> list[str]:
        subscribers = tuple(sorted(self._subscribers.setdefault((source, event), set())))
        key = ("event", source, event, *subscribers)
        return await self._once(key, partial(self._declare, source, event, subscribers))

    async def _declare(self, source: str, event: str, subscribers: Sequence[str]) -> list[str]:
        arns = await self._once(("topics", source, event), partial(self._create_topics, source, event))
        await asyncio.gather(*(self._subscribe(arns, each) for each in subscribers))
        return arns

    async def _create_topics(self, source: str, event: str) -> list[str]:
        async def create(*, fifo: bool) -> str:
            attributes = {"FifoTopic": "true"} if fifo else {}
            name = topic_name(self._prefix, source, event, fifo=fifo)
            answer = await self._aws.call("sns", "create_topic", Name=name, Attributes=attributes)
            return str(answer["TopicArn"])

        return await asyncio.gather(*(create(fifo=fifo) for fifo in _KINDS))

    async def _subscribe(self, topics: Sequence[str], subscriber: str) -> None:
        region = topics[0].rpartition(":")[0]  # with the partition and the account
        make = partial(self._create_queues, subscriber, region)
        queues = await self._once(("queues", subscriber), make)
        await asyncio.gather(*map(self._connect, topics, queues))

    async def _connect(self, topic: str, queue: str) -> None:
        raw = {"RawMessageDelivery": "true"}
        await self._aws.call("sns", "subscribe", TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes=raw)

    async def _create_queues(self, subscriber: str, region: str) -> list[str]:
        """Returns the ARNs of the subscriber's two queues."""
        queues = region.replace(":sns:", ":sqs:", 1)

        async def create(*, fifo: bool) -> str:
            name, dead = (queue_name(self._prefix, subscriber, fifo=fifo, dead=dead) for dead in _KINDS)
            common = {"MessageRetentionPeriod": str(_RETENTION)}
            if fifo:
                throughput = {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
                common |= {"FifoQueue": "true", **throughput}
            await self._create_queue(dead, common)
            redrive = {"deadLetterTargetArn": f"{queues}:{dead}", "maxReceiveCount": _MAX_RECEIVES}
            policy = _policy(f"{queues}:{name}", f"{region}:{self._prefix}-*")
            own = {"VisibilityTimeout": str(LEASE), "RedrivePolicy": json.dumps(redrive), "Policy": policy}
            await self._create_queue(name, {**common, **own})
            return f"{queues}:{name}"

        return await asyncio.gather(*(create(fifo=fifo) for fifo in _KINDS))

    async def _create_queue(self, name: str, attributes: dict[str, str]) -> None:
        """Create the queue, unless it exists; it may have been created with other attributes."""
        try:
            await self._url(name)
        except AwsError as problem:
            if not problem.missing:
                raise
        else:
            return
        try:
            await self._aws.call("sqs", "create_queue", QueueName=name, Attributes=attributes)
        except AwsError as problem:  # another process was faster, with other attributes
            if problem.code not in {"QueueNameExists", "QueueAlreadyExists"}:
                raise

    async def _url(self, name: str) -> str:
        answer = await self._aws.call("sqs", "get_queue_url", QueueName=name)
        return str(answer["QueueUrl"])


def _policy(queue: str, topics: str) -> str:
    statement = {
        "Sid": "architect",
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnLike": {"aws:SourceArn": topics}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
