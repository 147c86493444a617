"""Publishing with confirms, within a time limit, over a connection that may be lost meanwhile."""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import uuid4

from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed, DeliveryError, PublishError
from aiormq.channel import Returning
from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from architect_rabbitmq.link import Lasting, Link, OpenChannel, RabbitError, translated, translation

_Confirmation = asyncio.Future[Any]

_DECLARED = 3600.0  # seconds after which what is published to is declared again, because unused queues may expire
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds before trying again
_TOO_LARGE = re.compile(r"message size (\d+)")


class RefusedError(RabbitError):
    """RabbitMQ does not take the message."""


class UnroutableError(RabbitError):
    """No queue took the message."""


class Outgoing(NamedTuple):
    """What is published.

    Attributes:
        exchange: where, with the `routing_key`.
        properties: with a `message_id`.
        declare: creates what it is published to.
        optional: whether it may be that no queue takes it.
    """

    exchange: str
    routing_key: str
    properties: commands.Basic.Properties
    body: bytes
    declare: Callable[[], Awaitable[None]]
    optional: bool = False

    @property
    def place(self) -> tuple[str, str]:
        """Where it is published."""
        return self.exchange, self.routing_key


class Session:
    """An open channel of RabbitMQ, with confirms.

    Messages are written to the socket at once, and aiormq only hears of their confirmations. Its own way, with a lock,
    a queue, another task and several futures for each message, takes longer than everything else that is done for it.
    """

    def __init__(self, channel: OpenChannel) -> None:
        self.channel = channel
        self._raw = channel.raw
        self._methods: dict[tuple[str, str], bytes] = {}
        self._declared: dict[tuple[str, str], float] = {}
        self._declaring = asyncio.Lock()
        channel.on_end(self._end)

    async def declare(self, outgoing: Outgoing) -> None:
        """Returns once what `outgoing` is published to exists."""
        if not self._is_declared(outgoing):
            async with self._declaring:
                if not self._is_declared(outgoing):
                    await outgoing.declare()
                    self._declared[outgoing.place] = asyncio.get_running_loop().time()

    def _is_declared(self, outgoing: Outgoing) -> bool:
        since = self._declared.get(outgoing.place)
        return since is not None and asyncio.get_running_loop().time() - since < _DECLARED

    async def write(self, outgoing: Outgoing) -> _Confirmation:
        """Returns what is done once RabbitMQ keeps the message, with an error unless it does; see `problem_of`.

        Raises RabbitError if the channel was closed.
        """
        raw, properties = self._raw, outgoing.properties
        with translated("publishing"):
            await self.channel.writer.drained()
        self.channel.require_open()
        confirmation: _Confirmation = asyncio.get_running_loop().create_future()
        id_ = properties.message_id
        if not id_ or id_ in raw.message_id_delivery_tag:
            properties.message_id = id_ = uuid4().hex  # which tells returned messages apart
        try:
            data = self._encoded(outgoing)
        except (ValueError, TypeError, struct.error) as problem:
            reason = f"its headers cannot be sent by AMQP: {problem}"
            confirmation.set_exception(RefusedError(reason, lasting=True))
            return confirmation
        raw.delivery_tag += 1
        raw.confirmations[raw.delivery_tag] = confirmation
        raw.message_id_delivery_tag[id_] = raw.delivery_tag
        self.channel.writer.write(data)
        return confirmation

    def _encoded(self, outgoing: Outgoing) -> bytes:
        number, body, most = self._raw.number, outgoing.body, self._raw.max_content_size
        if most <= 0:  # a frame may have any size
            most = len(body) or 1
        method = self._methods.get(outgoing.place)
        if method is None:
            exchange, routing_key = outgoing.place
            publish = commands.Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=True)
            method = self._methods[outgoing.place] = frame.marshal(publish, number)
        header = frame.marshal(ContentHeader(properties=outgoing.properties, body_size=len(body)), number)
        parts = (ContentBody(body[start : start + most]) for start in range(0, len(body), most))
        return b"".join((method, header, *(frame.marshal(part, number) for part in parts)))

    def problem_of(self, outgoing: Outgoing, confirmation: _Confirmation) -> OSError | None:
        """Returns None for a message that RabbitMQ keeps, or why it is not certain that it does."""
        self._raw.message_id_delivery_tag.pop(outgoing.properties.message_id or "", None)
        if confirmation.cancel() or confirmation.cancelled():  # nobody waits for it any more
            return _unconfirmed()
        problem = confirmation.exception()
        if problem is None or (outgoing.optional and isinstance(problem, PublishError)):
            return None
        error = _error(outgoing, problem)
        if isinstance(error, UnroutableError):
            self._declared.pop(outgoing.place, None)
        return error

    def _end(self) -> None:
        """The channel was closed: what is not confirmed will not be."""
        for confirmation in list(self._raw.confirmations.values()):
            is_awaited = not (isinstance(confirmation, Returning) or confirmation.done())
            if is_awaited and self.channel.problem is not None:
                confirmation.set_exception(self.channel.problem)


def _error(outgoing: Outgoing, problem: BaseException) -> RabbitError:
    """Returns what an error of aio-pika means for a message; another one may have caused the channel to be closed."""
    if isinstance(problem, PublishError):
        return UnroutableError(f"no queue took what was published to {outgoing.exchange or outgoing.routing_key!r}")
    if isinstance(problem, ChannelNotFoundEntity) and f"'{outgoing.exchange}'" in str(problem):
        return UnroutableError(f"the exchange {outgoing.exchange!r} does not exist")
    if isinstance(problem, DeliveryError):
        return RefusedError("RabbitMQ refused it; the queue may have reached a limit of its policy")
    if isinstance(problem, ChannelPreconditionFailed):
        size = _TOO_LARGE.search(str(problem))
        if size is None or int(size[1]) != len(outgoing.body):
            return RabbitError(str(problem))
        return RefusedError(f"it is too large for this RabbitMQ: {problem}", lasting=True)
    return translation("publishing", problem)


class Publisher:
    """Publishes over one connection."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._session: Lasting[Session] = Lasting(self._open, lambda session: session.channel.problem is None)

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
        except RabbitError as problem:
            for item in items:
                item.problem = problem
            return
        written: list[tuple[_Item, _Confirmation]] = []
        try:
            for item in items:
                try:
                    await session.declare(item.outgoing)
                    written.append((item, await session.write(item.outgoing)))
                except RabbitError as problem:
                    item.problem = problem
            for _, confirmation in written:
                with suppress(Exception):
                    await confirmation
        finally:
            for item, confirmation in written:
                item.end(session.problem_of(item.outgoing, confirmation))

    async def close(self) -> None:
        """End."""
        await self._session.stop()


def _unconfirmed() -> TimeoutError:
    # a new one each time: one that is raised again and again keeps all the frames that it has passed
    return TimeoutError("RabbitMQ did not confirm it in time")


class _Item:
    """A message with the problem that it has, or None once it is kept."""

    def __init__(self, outgoing: Outgoing) -> None:
        self.outgoing = outgoing
        self.problem: OSError | None = None
        self._returned = 0

    @property
    def again(self) -> bool:
        """Whether it should be published again, at once if no queue took it, because they are declared then."""
        if isinstance(self.problem, UnroutableError):
            return self._returned == 1
        return isinstance(self.problem, RabbitError) and not (
            self.problem.lasting or isinstance(self.problem, RefusedError)
        )

    def end(self, problem: OSError | None) -> None:
        """Say how it went."""
        self.problem = problem
        self._returned += isinstance(problem, UnroutableError)
