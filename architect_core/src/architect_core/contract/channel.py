"""The channel of a plugin, which carries events to their subscribers, and the runtime that publishes through it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from architect_core.contract.credentials import Credentials
from architect_core.contract.events import Delivery, Message, Subscriptions
from architect_core.contract.hooks import Provided

REASON_HEADER = "architect-reason"
"""The header of a dead letter that says why it is one."""


@dataclass(frozen=True)
class Receipt:
    """The result of sending one message.

    Attributes:
        error: why it was not accepted; None if there was an answer.
        status: the HTTP status of the answer; None if there was none, or the protocol has none.
        elapsed: seconds until the answer or the error.
        permanent: whether sending it again is useless, because it is too large or the subscriber is gone.
        retry_after: seconds that the receiver asked to wait for; None if it did not.
    """

    error: Exception | None = None
    status: int | None = None
    elapsed: float = 0.0
    permanent: bool = False
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        """Whether it was accepted: there is no error, and a status is from 200 to 299."""
        return self.error is None and (self.status is None or 200 <= self.status < 300)


@dataclass(frozen=True)
class Capabilities:
    """What a channel can do.

    Attributes:
        keeps: whether it keeps an accepted message until every subscriber has it; if not, it delivers at once, and each
            message has one subscriber.
        orders: whether messages with the same key arrive in order.
        holds_back: whether messages wait for one with the same key that is retried; if not, the consumer has to hold
            that one until its next attempt.
        max_bytes: of a body; None if there is no limit.
        max_delay: seconds that a retry can be delayed by; None if there is no limit.
        lease: seconds after which a received message is delivered again, unless its lease is extended; None if that
            happens only when the connection ends.
        batch: how many messages are best sent at once.
        per_loop: whether a coroutine publishes through a channel in its own event loop, which is quicker, but connects
            once for each loop; if not, through the one that the process has in a thread of its own.
    """

    keeps: bool = True
    orders: bool = False
    holds_back: bool = False
    max_bytes: int | None = None
    max_delay: float | None = None
    lease: float | None = None
    batch: int = 100
    per_loop: bool = False


@dataclass(frozen=True)
class Topic:
    """An event of a service, with the names of its subscribers, each of which gets every message."""

    event: str
    source: str
    subscribers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Received:
    """A message that a consumer holds, until it is acknowledged, retried or dead. `token` is the channel's own."""

    message: Message
    attempt: int
    token: Any = field(repr=False)


class Consumer(ABC):
    """Takes the messages of one subscriber. Its coroutines raise OSError if the broker cannot be reached."""

    @abstractmethod
    async def receive(self, limit: int, timeout: float) -> Sequence[Received]:
        """Returns at most `limit` messages as soon as there is one; none if that takes `timeout` seconds."""

    @abstractmethod
    async def ack(self, received: Sequence[Received]) -> None:
        """Their handlers have succeeded: never deliver them again."""

    @abstractmethod
    async def retry(self, received: Received, delay: float) -> None:
        """Deliver it again after `delay` seconds, with an `attempt` that is greater by one."""

    @abstractmethod
    async def dead(self, received: Received, reason: str) -> None:
        """Deliver it no more, and keep it as a dead letter of the subscriber, with the header `REASON_HEADER`."""

    async def release(self, received: Sequence[Received]) -> None:
        """Deliver these again, in their order: they were not attempted, which `attempt` shows if the channel can."""
        for each in received:
            await self.retry(each, 0.0)

    async def extend(self, received: Sequence[Received]) -> None:  # noqa: B027 - for subclasses
        """Begin the lease of these anew; called before it ends."""

    async def close(self) -> None:  # noqa: B027 - likewise
        """End. What is still held is delivered again, at once if the channel can."""


class Channel(ABC):
    """A connection to whatever carries events. All its coroutines run in one event loop, many at once.

    They connect when they are first called, and again after the connection was lost.
    """

    @abstractmethod
    async def send(self, messages: Sequence[Message], timeout: float) -> Sequence[Receipt]:
        """Send `messages`; returns a receipt for each, in order, within `timeout` seconds. Raises nothing.

        A receipt is ok only once the message is kept, or its subscriber has answered.
        """

    async def declare(self, topics: Sequence[Topic]) -> None:  # noqa: B027 - for subclasses
        """Create what the topics need, such as a queue and its dead-letter queue for each subscriber.

        Whatever exists is left as it is. Raises OSError if the broker cannot be reached.
        """

    def consumer(self, subscriber: str, topics: Sequence[Topic], limit: int, *, dead: bool = False) -> Consumer:
        """Returns a consumer of the subscriber's messages, or of its dead letters, that holds at most `limit` of them.

        A dead letter that is acknowledged is gone; one that is retried is delivered to the subscriber again, without
        the reason.
        """
        raise NotImplementedError

    async def close(self) -> None:  # noqa: B027 - for subclasses
        """Disconnect."""


@dataclass(frozen=True)
class Broker:
    """Where events go: the scheme of `ARCHITECT_EVENTS`, the credentials in it, and `where` it was read from."""

    scheme: str
    credentials: Credentials
    where: str


class EventChannel(Provided):
    """Carries events. The entry point is "events." and a scheme of `ARCHITECT_EVENTS`: "events.amqp"."""

    hook: ClassVar[str] = "architect_event_channel"
    capabilities: ClassVar[Capabilities]

    @abstractmethod
    def open(self, broker: Broker | None) -> Channel:
        """Returns a channel, which is not connected yet; called once for an event loop.

        `broker` is None for a channel that delivers to subscribers itself. Raises ConfigError for wrong options.
        """


@dataclass(frozen=True)
class EventTarget:
    """An event of the running service that can be published.

    Attributes:
        source: the running service.
        channel: returns the channel of a name, such as "events.amqp"; raises NoPluginError.
        broker: returns where events go, or None if subscribers are asked at once; raises ConfigError.
    """

    event: str
    source: str
    subscriptions: Subscriptions
    channel: Callable[[str], EventChannel] = field(repr=False, compare=False)
    broker: Callable[[], Broker | None] = field(repr=False, compare=False)


class Sender(Protocol):
    """Publishes one event. Both methods raise PublishError if the event is not kept, and return the deliveries."""

    def publish(self, body: bytes, key: str | None, outbox: Any, timeout: float) -> list[Delivery]:
        """Publish, and block for `timeout` seconds at most."""

    def aio_publish(self, body: bytes, key: str | None, outbox: Any, timeout: float) -> Awaitable[list[Delivery]]:
        """The same for asyncio."""


class Once(AbstractContextManager[bool], AbstractAsyncContextManager[bool], ABC):
    """The context of a handler's effects, whose value is whether the event is new; for `with` and `async with`."""


class EventRuntime(Provided):
    """Publishes events. Its entry point is "events", of architect-events."""

    hook: ClassVar[str] = "architect_event_runtime"

    @abstractmethod
    def sender(self, target: EventTarget) -> Sender:
        """Returns what publishes the event; nothing is connected yet."""

    @abstractmethod
    def inbox(self, connection: Any, event: Message | str, consumer: str) -> Once:
        """See `architect.inbox`."""

    @abstractmethod
    def consume(self, resolver: Any, concurrency: int) -> None:
        """See `architect.consume`."""
