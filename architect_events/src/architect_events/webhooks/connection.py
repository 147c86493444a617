"""One HTTP/1.1 connection.

No HTTP library posts to a hundred hosts within 1.5 times of what bare sockets take; that is why there is one here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from architect_events.webhooks.answers import MAX_PART, Answer, read_answer


class StaleError(ConnectionError):
    """A connection ended before anything of an answer came."""


class Connection(asyncio.Protocol):
    """Carries one request at a time, and closes itself if it can carry no other one."""

    transport: asyncio.Transport

    def __init__(self, idle: Callable[[Connection], None], lost: Callable[[Connection], None]) -> None:
        """`idle` is called each time that it can carry the next request; `lost`, once it has ended."""
        self._idle = idle
        self._lost = lost
        self._waiting: asyncio.Future[Answer] | None = None  # for the head
        self._reading: Iterator[Answer | None] = iter(())
        self._buffer = bytearray()
        self._received = 0  # bytes of the head, or of the body
        self._deadline = 0.0
        self._tunnel = False
        self._expiry: asyncio.TimerHandle | None = None

    async def request(self, data: bytes, deadline: float, *, tunnel: bool = False) -> Answer:
        """Send `data`, a whole request; returns once the head of the answer has come.

        The answer's body is read in the background, until `deadline`, a time of the event loop, at the latest. After an
        answer that opens a `tunnel`, the connection belongs to the caller.

        Raises:
            StaleError: the connection has ended, and nothing of the answer had come.
            ConnectionError: the connection has ended within the head, or what came is not HTTP/1.1.
        """
        self._reading = read_answer(self._buffer, tunnel=tunnel)
        self._received, self._deadline, self._tunnel = 0, deadline, tunnel
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting = waiting
        self.transport.write(data)
        try:
            return await waiting
        except asyncio.CancelledError:  # also by a time-out
            self.transport.abort()  # what still comes is the answer to no other request
            raise

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for mypy
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._buffer += data
        self._received += len(data)
        try:
            for answer in self._reading:
                if answer is None:
                    break
                self._received = len(self._buffer)
                self._resolve(answer)
            else:
                self._finish()
                return
            if self._received > MAX_PART:
                raise ConnectionError(f"the answer has more than {MAX_PART} bytes")  # noqa: TRY301 - as from the reader
        except ConnectionError as error:
            self._fail(error)
            self.transport.abort()
            return
        if self._waiting is None and self._expiry is None:
            self._expiry = asyncio.get_running_loop().call_at(self._deadline, self.transport.abort)

    def connection_lost(self, _: Exception | None) -> None:
        """Called by asyncio."""
        self._forget_expiry()
        self._lost(self)
        if self._received:
            self._fail(ConnectionError("the subscriber closed the connection within the head of its answer"))
        else:
            self._fail(StaleError("the subscriber closed the connection without an answer"))

    def _finish(self) -> None:
        self._forget_expiry()
        if self._buffer:  # more than the answer: its next one would be taken for that of another request
            self.transport.abort()
        elif not self._tunnel:
            self._idle(self)

    def _forget_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _resolve(self, answer: Answer) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _fail(self, error: ConnectionError) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)
