"""Consuming one queue, over a connection that may be lost meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from architect_core.contract import Consumer, Received, Topic
from architect_rabbitmq import topology
from architect_rabbitmq.link import Lasting, Link, OpenChannel, RabbitError, translated
from architect_rabbitmq.messages import attempt_of, dead_letter_of, message_of, properties_of, without_reason
from architect_rabbitmq.publisher import Outgoing, Publisher

if TYPE_CHECKING:
    from aiormq.abc import DeliveredMessage

    from architect_core.contract import Message

_TIMEOUT = 8.0  # seconds for RabbitMQ to take an answer
_CHECK = 30.0  # seconds between looking whether RabbitMQ still knows the consumer

_logger = logging.getLogger("architect.events")


class Session:
    """One channel on which RabbitMQ delivers; what it has delivered is void when it ends."""

    def __init__(self, channel: OpenChannel) -> None:
        self.channel = channel
        self.arrived: deque[DeliveredMessage] = deque()
        self.arrivals = 0
        self.changed = asyncio.Event()
        self.over = asyncio.Event()
        self.ended: str | None = None
        self._unanswered: dict[int, None] = {}  # the tags of what was delivered, in order
        self._answers = asyncio.Lock()
        channel.on_end(lambda: self.end(channel.ended or ""))
        channel.raw.on_consumer_cancel_callbacks.add(lambda _: self.end("RabbitMQ has deleted the queue"))

    async def arrive(self, delivered: DeliveredMessage) -> None:
        """RabbitMQ has delivered a message; it delivers no more than the prefetch count."""
        self._unanswered[delivered.delivery_tag or 0] = None
        self.arrived.append(delivered)
        self.arrivals += 1
        self.changed.set()

    def end(self, reason: str) -> None:
        """Nothing more will arrive."""
        self.ended = self.ended or reason
        self.arrived.clear()
        self.changed.set()
        self.over.set()

    def require_open(self) -> None:
        """Raises RabbitError if it has ended: an answer on another channel would be one to another message."""
        if self.ended is not None:
            raise RabbitError(f"the message will be delivered again, because the connection was lost: {self.ended}")

    async def ack(self, tags: Sequence[int]) -> None:
        """Have RabbitMQ forget messages; those that it already has are omitted, because it closes the channel then."""
        async with self._answering():
            acked = {tag for tag in tags if tag in self._unanswered}
            first = list(takewhile(acked.__contains__, self._unanswered))
            single = acked.difference(first)
            for tag in acked:
                del self._unanswered[tag]
            if first:  # RabbitMQ forgets everything up to the last one
                await self.channel.raw.basic_ack(first[-1], multiple=True, wait=not single)
            for number, tag in enumerate(single, 1):
                await self.channel.raw.basic_ack(tag, wait=number == len(single))

    async def give_back(self, tag: int, *, requeue: bool) -> None:
        """Have RabbitMQ deliver a message again, or make it a dead letter."""
        async with self._answering():
            if tag in self._unanswered:
                del self._unanswered[tag]
                await self.channel.raw.basic_nack(tag, requeue=requeue)

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """One answer after another: one to all messages up to a tag must not overtake that to one of them."""
        self.require_open()
        try:
            with translated("answering"):
                async with self.channel.within(_TIMEOUT), self._answers:
                    yield
        except RabbitError as problem:  # nobody knows which answers were sent
            self.end(str(problem))
            raise


@dataclass(frozen=True)
class Token:
    """Where a message was delivered."""

    session: Session
    tag: int


class RabbitConsumer(Consumer):
    """Takes the messages of a subscriber, or its dead letters."""

    def __init__(
        self, link: Link, publisher: Publisher, subscriber: str, topics: Sequence[Topic], limit: int, *, dead: bool
    ) -> None:
        """`link` is the connection to consume, and `publisher` publishes what is to be retried or dead."""
        self._link = link
        self._publisher = publisher
        self._subscriber = subscriber
        self._topics = [Topic(each.event, each.source, (subscriber,)) for each in topics]
        self._limit = limit
        self._dead = dead
        self._queue = topology.dead_queue_of(subscriber) if dead else topology.queue_of(subscriber)
        self._session: Lasting[Session] = Lasting(self._open, lambda session: session.ended is None)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._former: Session | None = None
        self._is_careful = False

    async def _open(self) -> Session:
        if self._is_closed:
            raise RabbitError(f"the consumer of {self._queue!r} is closed", lasting=True)
        await topology.declare(self._link, self._topics, [self._subscriber])
        if self._former is not None:
            self._look_back(self._former)
        session = self._former = Session(await self._link.open_channel("consuming"))
        try:
            await self._consume(session, 1 if self._is_careful else self._limit)
        except BaseException:
            await session.channel.close()
            raise
        self._start(self._watch(session))
        return session

    async def _consume(self, session: Session, prefetch: int) -> None:
        with translated(f"consuming {self._queue!r}"):
            async with session.channel.within(_TIMEOUT):
                await session.channel.raw.basic_qos(prefetch_count=prefetch)
                await session.channel.raw.basic_consume(self._queue, session.arrive)

    def _start(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self, session: Session) -> None:
        """Ends the session if RabbitMQ does not answer on it, or knows of no consumer any more; then, closes it."""
        while session.ended is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CHECK):
                    await session.over.wait()
                    break
            try:
                with translated("checking"):
                    async with session.channel.within(_TIMEOUT):
                        found = await session.channel.raw.queue_declare(self._queue, passive=True)
                if not found.consumer_count:
                    session.end("RabbitMQ had forgotten the consumer")
            except RabbitError as problem:
                session.end(str(problem))
        await session.channel.close()

    def _look_back(self, former: Session) -> None:
        """Says why the former session has ended.

        A message that aio-pika cannot read, such as one with a header whose name is no UTF-8, ends the connection each
        time that it is delivered, until RabbitMQ makes it a dead letter. Then messages are taken one by one, because
        RabbitMQ would count these deliveries for all others that are held, too.
        """
        self._is_careful = former.channel.malformed
        if self._is_careful and self._dead:
            reason = f"{self._queue!r} has a message that cannot be read; remove it with RabbitMQ's own tools"
            raise RabbitError(f"{reason}: {former.ended}", lasting=True)
        _logger.warning("consuming %r again: %s", self._queue, former.ended)

    async def receive(self, limit: int, timeout: float) -> Sequence[Received]:
        """Returns what has arrived; consumes again if the connection was lost. Raises RabbitError."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while True:
                    session = await self._session.get()
                    received = self._take(session, limit)
                    if self._is_careful and session.arrivals > self._limit:  # what was held has been answered
                        self._is_careful = False
                        if self._limit > 1:
                            await self._consume(session, self._limit - 1)  # beside the consumer of one
                    if received:
                        return received
                    session.changed.clear()
                    if session.ended is None:
                        await session.changed.wait()
        return []

    def _take(self, session: Session, limit: int) -> list[Received]:
        received: list[Received] = []
        while session.arrived and len(received) < limit:
            delivered = session.arrived.popleft()
            token = Token(session, delivered.delivery_tag or 0)
            if self._dead:
                message, attempt = dead_letter_of(delivered)
                received.append(Received(message, attempt, token))
                continue
            try:
                received.append(Received(message_of(delivered), attempt_of(delivered), token))
            except ValueError as problem:
                _logger.warning("%r: a message becomes a dead letter, because it is no event: %s", self._queue, problem)
                self._start(self._reject(token))
        return received

    async def _reject(self, token: Token) -> None:
        with suppress(RabbitError):  # an unanswered message is delivered again
            await token.session.give_back(token.tag, requeue=False)

    async def ack(self, received: Sequence[Received]) -> None:
        """Have RabbitMQ forget the messages. Raises RabbitError if some will be delivered again nevertheless."""
        sessions: dict[Session, list[int]] = {}
        for each in received:
            token: Token = each.token
            sessions.setdefault(token.session, []).append(token.tag)
        problems: list[RabbitError] = []
        for session, tags in sessions.items():
            try:
                await session.ack(tags)
            except RabbitError as problem:
                problems.append(problem)
        if problems:
            raise problems[0]

    async def release(self, received: Sequence[Received]) -> None:
        """Have RabbitMQ deliver the messages again at once, before all others; it counts that as an attempt."""
        for each in received:
            token: Token = each.token
            await token.session.give_back(token.tag, requeue=True)

    async def retry(self, received: Received, delay: float) -> None:
        """Publish the message to the queue where it waits, then acknowledge it."""
        received.token.session.require_open()
        message, attempt = received.message, received.attempt + 1
        if self._dead:
            message, attempt = without_reason(message), 1
        properties = properties_of(message, attempt=attempt, delay=delay)
        if delay > 0:
            queue = topology.retry_queue_of(self._subscriber, delay)
            declare = partial(topology.declare_retry, self._link, self._subscriber, delay)
            await self._move(received, Outgoing("", queue, properties, message.body, declare))
        else:
            await self._move(received, self._to(topology.queue_of(self._subscriber), properties, message))

    async def dead(self, received: Received, reason: str) -> None:
        """Publish the message to the queue of dead letters, then acknowledge it."""
        received.token.session.require_open()
        message = without_reason(received.message)
        properties = properties_of(message, attempt=received.attempt, reason=reason)
        await self._move(received, self._to(topology.dead_queue_of(self._subscriber), properties, message))

    def _to(self, queue: str, properties: Any, message: Message) -> Outgoing:
        declare = partial(topology.declare, self._link, (), [self._subscriber])
        return Outgoing("", queue, properties, message.body, declare)

    async def _move(self, received: Received, outgoing: Outgoing) -> None:
        """If this process ends in between, the message is there twice, but never lost."""
        (problem,) = await self._publisher.publish([outgoing], _TIMEOUT)
        if problem is not None:
            raise problem
        await self.ack([received])

    async def close(self) -> None:
        """Have RabbitMQ deliver again what was not answered."""
        self._is_closed = True
        await self._session.stop()
        session = self._session.value
        for task in self._tasks:
            task.cancel()
        if session is not None:
            session.end("the consumer is closed")
            await session.channel.close()
