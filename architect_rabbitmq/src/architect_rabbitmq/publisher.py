"""Publishing with confirms, within a time limit, over a connection that may be lost meanwhile."""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed, DeliveryError, PublishError

from architect_rabbitmq.link import Lasting, Link, OpenChannel, RabbitError, translated

if TYPE_CHECKING:
    from pamqp.commands import Basic

_UNDRAINED = 64 * 1024  # bytes that are written before one waits for the socket to take them
_DECLARED = 3600.0  # seconds after which what is published to is declared again, because unused queues may expire
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds before trying again
_TOO_LARGE = re.compile(r"message size (\d+)")


class RefusedError(RabbitError):
    """RabbitMQ does not take the message."""


class UnroutableError(RabbitError):
    """No queue took the message."""


@dataclass(frozen=True)
class Outgoing:
    """What is published.

    Attributes:
        exchange: where, with the `routing_key`.
        properties: with a `message_id`.
        declare: creates what it is published to.
        optional: whether it may be that no queue takes it.
    """

    exchange: str
    routing_key: str
    properties: Basic.Properties
    body: bytes
    declare: Callable[[], Awaitable[None]]
    optional: bool = False

    @property
    def place(self) -> tuple[str, str]:
        """Where it is published."""
        return self.exchange, self.routing_key


class Session:
    """An open channel of RabbitMQ, with confirms. Whoever publishes does it within the life of `channel`."""

    def __init__(self, channel: OpenChannel) -> None:
        self.channel = channel
        self._undrained = 0
        self._ids: set[str] = set()
        self._declared: dict[tuple[str, str], float] = {}
        self._declaring = asyncio.Lock()

    async def publish(self, outgoing: Outgoing) -> None:
        """Returns once RabbitMQ keeps the message; raises RefusedError, UnroutableError or another RabbitError."""
        if not self._is_declared(outgoing):
            async with self._declaring:
                if not self._is_declared(outgoing):
                    await outgoing.declare()
                    self._declared[outgoing.place] = asyncio.get_running_loop().time()
        id_ = outgoing.properties.message_id or ""
        if id_ in self._ids:  # aiormq tells returned messages apart by it, and makes one up if there is none
            outgoing.properties.message_id = None
        self._ids.add(id_)
        try:
            await self._confirmed(outgoing)
        except UnroutableError:
            self._declared.pop(outgoing.place, None)
            raise
        finally:
            self._ids.discard(id_)

    def _is_declared(self, outgoing: Outgoing) -> bool:
        since = self._declared.get(outgoing.place)
        return since is not None and asyncio.get_running_loop().time() - since < _DECLARED

    async def _confirmed(self, outgoing: Outgoing) -> None:
        self._undrained += len(outgoing.body) + 1024
        wait = self._undrained > _UNDRAINED  # for each message, that would take longer than its confirmation
        if wait:
            self._undrained = 0
        with translated("publishing"):
            try:
                await self.channel.raw.basic_publish(
                    outgoing.body,
                    exchange=outgoing.exchange,
                    routing_key=outgoing.routing_key,
                    properties=outgoing.properties,
                    mandatory=True,
                    wait=wait,
                )
            except PublishError:
                if not outgoing.optional:
                    where = outgoing.exchange or outgoing.routing_key
                    raise UnroutableError(f"no queue took what was published to {where!r}") from None
            except DeliveryError:
                raise RefusedError("RabbitMQ refused it; the queue may have reached a limit of its policy") from None
            except ChannelNotFoundEntity as problem:
                if f"'{outgoing.exchange}'" not in str(problem):
                    raise  # another message has closed the channel
                raise UnroutableError(f"the exchange {outgoing.exchange!r} does not exist") from None
            except ChannelPreconditionFailed as problem:
                size = _TOO_LARGE.search(str(problem))
                if size is None or int(size[1]) != len(outgoing.body):
                    raise RabbitError(str(problem)) from None  # likewise
                raise RefusedError(f"it is too large for this RabbitMQ: {problem}", lasting=True) from None
            except (ValueError, TypeError, struct.error) as problem:
                raise RefusedError(f"its headers cannot be sent by AMQP: {problem}", lasting=True) from None


class Publisher:
    """Publishes over one connection."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._session: Lasting[Session] = Lasting(self._open, lambda session: session.channel.ended is None)

    async def _open(self) -> Session:
        return Session(await self._link.open_channel("publishing", confirms=True))

    async def publish(self, outgoing: Sequence[Outgoing], timeout: float) -> list[OSError | None]:
        """Returns once RabbitMQ keeps all messages, or `timeout` seconds have passed: for each None, or why not.

        What was not confirmed when the connection was lost is published again, in order, so that it may be there twice.
        """
        items = [_Item(each) for each in outgoing]
        pending, pause = items, _FIRST_PAUSE
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while True:
                    await self._publish(pending)
                    pending = [item for item in pending if item.again]
                    if not pending:
                        break
                    if not all(isinstance(item.problem, UnroutableError) for item in pending):
                        await asyncio.sleep(pause)
                        pause = min(2 * pause, _LONGEST_PAUSE)
        return [item.problem for item in items]

    async def _publish(self, items: Sequence[_Item]) -> None:
        for item in items:
            item.problem = _unconfirmed()
        try:
            session = await self._session.get()
            async with session.channel.within():
                if len(items) == 1:
                    await items[0].publish(session)
                else:
                    await asyncio.gather(*(item.publish(session) for item in items))
        except RabbitError as problem:
            for item in items:
                item.problem = problem if isinstance(item.problem, TimeoutError) else item.problem

    async def close(self) -> None:
        """End."""
        await self._session.stop()


def _unconfirmed() -> TimeoutError:
    # a new one each time: one that is raised again and again keeps all the frames that it has passed
    return TimeoutError("RabbitMQ did not confirm it in time")


class _Item:
    """A message with the problem that it has, or None once it is kept."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing
        self._returned = 0
        self.problem: OSError | None = _unconfirmed()

    @property
    def again(self) -> bool:
        """Whether it should be published again, at once if no queue took it, because they are declared then."""
        if isinstance(self.problem, UnroutableError):
            return self._returned == 1
        return isinstance(self.problem, RabbitError) and not (
            self.problem.lasting or isinstance(self.problem, RefusedError)
        )

    async def publish(self, session: Session) -> None:
        """Publish it."""
        try:
            await session.publish(self._outgoing)
            self.problem = None
        except RabbitError as problem:
            self.problem = problem
            self._returned += isinstance(problem, UnroutableError)
