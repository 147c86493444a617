"""A connection to RabbitMQ that is made when it is needed, and made again after it was lost."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import aio_pika
from aio_pika.exceptions import (
    AuthenticationError,
    ChannelPreconditionFailed,
    InvalidFrameError,
    ProbableAuthenticationError,
)
from yarl import URL

from architect_rabbitmq.logs import filter_logs
from architect_rabbitmq.writing import BufferedWriter, Connection

if TYPE_CHECKING:
    from aiormq import Channel
    from aiormq.base import Base
    from pamqp.common import FieldTable

Value = TypeVar("Value")

_CONNECT = 10.0  # seconds that connecting may take, unless the credentials say otherwise
_CLOSE = 5.0  # seconds that closing may take
_CLOSED = "the connection to RabbitMQ was closed"
_HEARTBEAT = 20  # seconds, likewise; RabbitMQ gives a connection up after twice as long, aio-pika after thrice
_PORTS = {"amqp": 5672, "amqps": 5671}
_LASTING = (403, 530)  # codes: access refused, no such virtual host


class RabbitError(OSError):
    """RabbitMQ cannot be reached, or has refused something.

    Attributes:
        lasting: whether trying again is useless until somebody has changed something.
    """

    def __init__(self, reason: str, *, lasting: bool = False) -> None:
        super().__init__(reason)
        self.lasting = lasting


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise the errors of aio-pika as a RabbitError that says `what` failed."""
    try:
        yield
    except asyncio.CancelledError as problem:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # aiormq cancels what waits for a channel that is closed
        raise RabbitError(f"{what}: {_CLOSED}") from problem
    except RabbitError:
        raise
    except Exception as problem:  # aiormq raises Exception itself too, where a connection was lost
        raise translation(what, problem) from problem


def translation(what: str, problem: BaseException) -> RabbitError:
    """Returns an error of aio-pika as a RabbitError that says `what` failed."""
    if isinstance(problem, RabbitError):
        return problem
    return RabbitError(f"{what}: {reason_of(problem)}", lasting=_is_lasting(problem))


def reason_of(problem: BaseException) -> str:
    """Returns what RabbitMQ, aio-pika or the operating system said."""
    if isinstance(problem, TimeoutError):
        return "RabbitMQ did not answer in time"
    text = ", ".join(str(each) for each in problem.args if each is not None and not isinstance(each, int))
    return text or _CLOSED


def _is_lasting(problem: BaseException) -> bool:
    if isinstance(problem, AuthenticationError | ProbableAuthenticationError | ChannelPreconditionFailed):
        return True
    return bool(problem.args) and (problem.args[0] in _LASTING or str(problem.args[0]).startswith("ACCESS_REFUSED"))


class Lasting(Generic[Value]):
    """A value that is made again once it is of no use: by one task, whoever waits for it and for how long."""

    def __init__(self, make: Callable[[], Awaitable[Value]], is_open: Callable[[Value], bool]) -> None:
        self._make = make
        self._is_open = is_open
        self._making: asyncio.Task[Value] | None = None

    @property
    def value(self) -> Value | None:
        """The value, or None if there is none that can be used."""
        task = self._making
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return None
        value = task.result()
        return value if self._is_open(value) else None

    async def get(self) -> Value:
        """Returns the value, or raises what making it raised."""
        value = self.value
        if value is not None:
            return value
        task = self._making
        if task is None or task.done():
            task = self._making = asyncio.ensure_future(self._run())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # somebody may have given up
        return await asyncio.shield(task)

    async def _run(self) -> Value:
        return await self._make()

    async def stop(self) -> None:
        """Returns once nothing is being made any more."""
        task = self._making
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])


class Lifetime:
    """Ends whatever waits for a connection or a channel once that is closed; aiormq lets some of it wait for ever.

    Attributes:
        problem: why it was closed; None while it is open.
        malformed: whether that was because aio-pika cannot read what RabbitMQ has sent.
    """

    def __init__(self, resource: Base) -> None:
        self.problem: Exception | None = None
        self.malformed = False
        self._limits: set[asyncio.Timeout] = set()
        self._closing = resource.closing
        self._closing.add_done_callback(self._end)

    def _end(self, closing: asyncio.Future[Any]) -> None:
        problem = None if closing.cancelled() else closing.exception()
        self.problem = problem if isinstance(problem, Exception) else RabbitError(_CLOSED)
        self.malformed = isinstance(problem, InvalidFrameError)
        now = asyncio.get_running_loop().time()
        for limit in self._limits:
            limit.reschedule(now)

    @property
    def ended(self) -> str | None:
        """Why it was closed, in words; None while it is open."""
        return None if self.problem is None else reason_of(self.problem)

    def on_end(self, function: Callable[[], object]) -> None:
        """Have a function called once it is closed."""
        self._closing.add_done_callback(lambda _: function())

    @asynccontextmanager
    async def within(self, seconds: float | None = None) -> AsyncIterator[None]:
        """Raises RabbitError once it is closed, and TimeoutError after so many seconds."""
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                self.require_open()
                self._limits.add(limit)
                try:
                    yield
                finally:
                    self._limits.discard(limit)
        except TimeoutError:
            self.require_open()
            raise

    def require_open(self) -> None:
        """Raises RabbitError once it is closed."""
        if self.ended is not None:
            raise RabbitError(self.ended)


class OpenChannel(Lifetime):
    """A channel of RabbitMQ; `raw` is aiormq's, and `writer` that of the connection."""

    def __init__(self, raw: Channel, writer: BufferedWriter) -> None:
        super().__init__(raw)
        self.raw = raw
        self.writer = writer

    def require_open(self) -> None:
        """Raises RabbitError from the moment on when RabbitMQ has closed it: it takes what follows for a violation."""
        super().require_open()
        if self.raw.connection.channels.get(self.raw.number) is not self.raw:
            raise RabbitError("RabbitMQ has closed the channel")

    async def close(self) -> None:
        """Close it, unless it is closed already."""
        if self.ended is None:
            with suppress(RabbitError), translated("closing"):
                async with asyncio.timeout(_CLOSE):
                    await self.raw.close()


class Link:
    """One connection."""

    def __init__(self, arguments: Mapping[str, Any], purpose: str) -> None:
        """`arguments` are those of `aio_pika.connect`; `purpose` is shown by RabbitMQ's tools."""
        filter_logs()
        url = URL(arguments["url"])
        self._url = url if "heartbeat" in url.query else url.update_query(heartbeat=_HEARTBEAT)
        self._arguments = {name: value for name, value in arguments.items() if name not in {"url", "timeout"}}
        self._timeout = float(arguments.get("timeout") or _CONNECT)
        self._purpose = purpose
        self._server = f"RabbitMQ at {url.host}:{url.port or _PORTS[url.scheme]}"
        self._connection: Lasting[tuple[Connection, Lifetime]] = Lasting(self._connect, _is_open)

    async def _connect(self) -> tuple[Connection, Lifetime]:
        properties: FieldTable = {"connection_name": f"architect {self._purpose}, process {os.getpid()}"}
        with translated(f"cannot connect to {self._server}"):
            try:
                async with asyncio.timeout(self._timeout):
                    connected = cast(
                        "Connection",
                        await aio_pika.connect(
                            self._url, **self._arguments, client_properties=properties, connection_class=Connection
                        ),
                    )
            except InvalidFrameError as problem:  # aiormq says no more if this is refused after the login
                reason = f"the virtual host {self._url.path[1:] or '/'!r} does not exist, or the user may not use it"
                raise RabbitError(f"cannot connect to {self._server}: {reason}", lasting=True) from problem
            if connected.transport is None:
                raise RabbitError(f"cannot connect to {self._server}: the connection was closed at once")
            return connected, Lifetime(cast("Base", connected.transport.connection))

    async def open_channel(self, what: str, *, confirms: bool = False) -> OpenChannel:
        """Returns a new channel, connecting first if need be. Raises RabbitError, which says `what` failed."""
        connection, lifetime = await self._connection.get()
        with translated(f"{what}: {self._server}"):
            async with lifetime.within(self._timeout):
                channel = await connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
                return OpenChannel(cast("Channel", await channel.get_underlay_channel()), connection.writer)

    @asynccontextmanager
    async def channel(self, what: str) -> AsyncIterator[Channel]:
        """A channel for a while; errors are raised as RabbitError, which says `what` failed."""
        channel = await self.open_channel(what)
        try:
            with translated(f"{what}: {self._server}"):
                async with channel.within(self._timeout):
                    yield channel.raw
        finally:
            await channel.close()

    async def close(self) -> None:
        """Disconnect."""
        await self._connection.stop()
        if self._connection.value is not None:
            connection, _ = self._connection.value
            with suppress(RabbitError), translated("disconnecting"):
                async with asyncio.timeout(_CLOSE):
                    await connection.close()


def _is_open(connected: tuple[Connection, Lifetime]) -> bool:
    return connected[1].ended is None
