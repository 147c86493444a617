"""What exists in RabbitMQ: its names, its arguments, and how it is declared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aio_pika.exceptions import ChannelPreconditionFailed

from architect_rabbitmq.link import RabbitError

if TYPE_CHECKING:
    from aiormq import Channel

    from architect_core.contract import Topic
    from architect_rabbitmq.link import Link

_LONGEST = 127  # characters of an exchange's name in AMQP 0-9-1
_DELIVERIES = 100  # of one message that nobody has answered, after which RabbitMQ itself makes it a dead letter
_NO_LIMIT = 1_000_000_000  # RabbitMQ 4 drops what was delivered 20 times if no limit is given
_DAY = 24 * 3600
_UNUSED = 7 * _DAY  # seconds after which an unused queue for retries is deleted


def exchange_of(source: str, event: str) -> str:
    """Returns the name of the exchange of an event.

    >>> exchange_of("acme/orders", "order_placed")
    'architect:acme/orders:order_placed'
    """
    return _name(f"architect:{source}:{event}")


def queue_of(subscriber: str) -> str:
    """Returns the name of the queue of a subscriber."""
    return _name(f"architect:{subscriber}")


def dead_queue_of(subscriber: str) -> str:
    """Returns the name of the queue of a subscriber's dead letters."""
    return _name(f"architect:{subscriber}", ":dead")


def retry_queue_of(subscriber: str, delay: float) -> str:
    """Returns the name of the queue in which the subscriber's messages wait for `delay` seconds.

    A queue delivers in order, so a message may wait for an earlier one with a longer delay. One queue for each power of
    two bounds that: nothing waits twice as long as it should.

    >>> retry_queue_of("acme/mailer", 300)
    'architect:acme/mailer:retry:512s'
    """
    return _name(f"architect:{subscriber}", f":retry:{_level(delay)}s")


async def declare(link: Link, topics: Iterable[Topic], subscribers: Iterable[str] = ()) -> None:
    """Create the exchanges, queues and bindings of the topics, and the queues of further subscribers.

    Raises RabbitError.
    """
    topics, subscribers = list(topics), list(subscribers)
    try:
        await _declare(link, topics, subscribers)
    except RabbitError as problem:
        if problem.lasting:
            raise
        await _declare(link, topics, subscribers)  # the connection may have been lost long ago


async def _declare(link: Link, topics: Sequence[Topic], subscribers: Sequence[str]) -> None:
    async with link.channel("declaring exchanges and queues") as channel:
        names = dict.fromkeys([*subscribers, *(name for topic in topics for name in topic.subscribers)])
        for name in names:
            await _declare_queue(channel, dead_queue_of(name), {"x-delivery-limit": _NO_LIMIT})
            back = {"x-delivery-limit": _DELIVERIES, **_dead_lettering(dead_queue_of(name))}
            await _declare_queue(channel, queue_of(name), back)
        for topic in topics:
            exchange = exchange_of(topic.source, topic.event)
            with _conflict("exchange", exchange):
                await channel.exchange_declare(exchange, exchange_type="fanout", durable=True)
            for name in topic.subscribers:
                await channel.queue_bind(queue_of(name), exchange)


async def declare_retry(link: Link, subscriber: str, delay: float) -> None:
    """Create the queue in which the subscriber's messages wait for `delay` seconds. Raises RabbitError."""
    async with link.channel(f"declaring a queue for retries of {subscriber}") as channel:
        expires = (_level(delay) + _UNUSED) * 1000  # later than the last message in it
        arguments = {"x-expires": expires, "x-delivery-limit": _NO_LIMIT, **_dead_lettering(queue_of(subscriber))}
        await _declare_queue(channel, retry_queue_of(subscriber, delay), arguments)


def _level(delay: float) -> int:
    return 1 << max(0, (int(-(-delay // 1)) - 1).bit_length())


def _dead_lettering(queue: str) -> dict[str, Any]:
    """Arguments that have a queue's dead letters moved to another one, with nothing lost if the broker is killed."""
    return {
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": queue,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",  # which that strategy requires
    }


async def _declare_queue(channel: Channel, queue: str, arguments: dict[str, Any]) -> None:
    with _conflict("queue", queue):
        await channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum", **arguments})


class _conflict:  # noqa: N801 - a context manager that reads as a function
    """Explains that what is declared exists with other properties."""

    def __init__(self, kind: str, name: str) -> None:
        self._what = f"the {kind} {name!r}"

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, problem: BaseException | None, _traceback: object) -> None:
        if isinstance(problem, ChannelPreconditionFailed):
            remedy = "Delete it once it is empty, or use another virtual host"
            reason = f"{self._what} exists with other properties ({problem}). {remedy}"
            raise RabbitError(reason, lasting=True) from problem


@lru_cache(maxsize=1024)
def _name(text: str, suffix: str = "") -> str:
    """A name of at most 127 characters that AMQP allows: others are encoded, a longer one ends with its hash."""
    name = quote(text, safe=":/ ,@", errors="backslashreplace").replace("%", "+").replace("~", "+7E")
    if len(name) + len(suffix) > _LONGEST:
        name = f"{name[: _LONGEST - 33 - len(suffix)]}#{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    return name + suffix
