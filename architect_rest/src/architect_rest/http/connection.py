"""One HTTP/1.1 connection, as a protocol of asyncio.

A time-out cancels nothing, and needs a timer no more than once in its time: what `asyncio.timeout` costs for each
request is more than what parsing its answer does.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from architect_rest.http.answers import Head, read_answer
from architect_rest.http.errors import AnswerTimeoutError, ClosedError, MalformedError, SendTimeoutError, StaleError
from architect_rest.http.exchange import Answer, Timeouts

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

_MAX_WRITTEN = 262_144  # bytes at a time
_TICK = 0.001  # seconds that a timer may be early
_UNANSWERED = "the peer closed the connection without an answer"


class Connection(asyncio.Protocol):
    """Carries one request at a time."""

    transport: asyncio.Transport

    def __init__(self, idle: Callable[[Connection], None], lost: Callable[[Connection], None]) -> None:
        """`idle` is called each time that it can carry the next request, and `lost` once it has ended."""
        self._loop = asyncio.get_running_loop()
        self._idle = idle
        self._lost = lost
        self._answer: Answer | None = None  # until it is complete
        self._reading: Iterator[Head | bytes | None] = iter(())
        self._buffer = bytearray()
        self._has_received = False  # anything of the answer
        self._is_sent = True  # all of the request
        self._is_tunnel = False
        self._is_stalled = False  # the peer has to take something before more is written
        self._stalled: asyncio.Future[None] | None = None
        self._touched = 0.0  # when something has come, or was waited for
        self._timer: asyncio.TimerHandle | None = None
        self._reason: Exception | None = None  # why the connection has ended

    async def request(
        self,
        data: bytes,
        timeouts: Timeouts,
        body: AsyncGenerator[bytes, None] | None = None,
        *,
        is_bodiless: bool = False,
        tunnel: bool = False,
    ) -> Answer:
        """Send a request; returns the answer once its head has come.

        Args:
            data: the head of the request, with the body unless that is made while it is sent.
            timeouts: of the exchange.
            body: the rest, in its framing.
            is_bodiless: whether the answer has no body, as that to HEAD.
            tunnel: whether the connection belongs to the caller after an answer that accepts the request.

        Raises:
            StaleError: the connection has ended, and nothing of the answer had come.
            ClosedError: it has ended within the head.
            MalformedError: what came is not HTTP/1.1.
            AnswerTimeoutError: no head came in time.
            SendTimeoutError: the peer takes no more of the request.
            Exception: what `body` raises; the connection is closed then.
        """
        if self.transport.is_closing():
            raise StaleError(_UNANSWERED) from self._reason
        answer = self._answer = Answer(self, timeouts)
        self._reading = read_answer(self._buffer, is_bodiless=is_bodiless or tunnel)
        self._has_received, self._is_tunnel = False, tunnel
        if body is None and len(data) <= _MAX_WRITTEN:
            self.transport.write(data)
        else:
            await self._send(data, body, answer, timeouts)
        while not answer.has_head:
            await answer.wait()
        return answer

    async def _send(
        self, data: bytes, body: AsyncGenerator[bytes, None] | None, answer: Answer, timeouts: Timeouts
    ) -> None:
        """Send what is long, or made while it is sent, as quickly as the peer takes it."""
        self._is_sent = False
        try:
            async with asyncio.timeout_at(timeouts.end) as limit:
                await self._write(data, answer, timeouts)
                if body is not None:
                    async for part in body:
                        await self._write(part, answer, timeouts)
                        if self._is_futile(answer):
                            break
        except BaseException as problem:
            self.abort()
            if isinstance(problem, TimeoutError) and limit.expired():
                raise AnswerTimeoutError("the request was not sent in time") from None
            raise
        finally:
            if body is not None:
                await body.aclose()
        self._is_sent = not self._is_futile(answer)
        if answer.is_complete:
            self._release(answer)

    def _is_futile(self, answer: Answer) -> bool:
        """Whether sending more changes nothing; there may be an answer all the same."""
        return answer.is_refusal or self.transport.is_closing()

    async def _write(self, data: bytes, answer: Answer, timeouts: Timeouts) -> None:
        for start in range(0, len(data), _MAX_WRITTEN):
            if self._is_futile(answer):
                return
            self.transport.write(data[start : start + _MAX_WRITTEN])
            if not self._is_stalled:
                continue
            self._stalled = self._loop.create_future()
            try:
                async with asyncio.timeout(timeouts.write):
                    await self._stalled
            except TimeoutError:
                raise SendTimeoutError("the peer takes no more of the request") from None
            finally:
                self._stalled = None

    # for the answer

    def watch(self) -> None:
        """Something is waited for from now on: the answer fails once its limit is reached."""
        self._touched = self._loop.time()
        self._set_timer()

    def resume(self) -> None:
        """The reader of the answer has room again."""
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def abort(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    # called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection begins, or begins anew over TLS."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for mypy
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Some bytes have come."""
        answer = self._answer
        if answer is None or answer.error is not None:
            self.abort()  # nobody has asked for anything
            return
        self._touched = self._loop.time()
        self._has_received = True
        self._buffer += data
        try:
            for part in self._reading:
                if part is None:
                    break
                answer.take(part)
            else:
                self._complete(answer)
                return
        except MalformedError as error:
            self._fail(error)
            return
        answer.wake()
        if answer.is_full:
            self.transport.pause_reading()
        if answer.is_refusal:
            self._go_on()

    def eof_received(self) -> None:
        """The peer sends no more."""
        self.abort()

    def connection_lost(self, reason: Exception | None) -> None:
        """The connection has ended."""
        self._reason = reason
        if reason is not None and self._answer is not None:
            self._read_rest()
        answer = self._answer
        if answer is not None and answer.error is None and not answer.is_complete:
            if answer.has_head and answer.head.ends_with_connection and reason is None:
                self._complete(answer)
            elif self._has_received:
                within = "the body" if answer.has_head else "the head"
                self._fail(ClosedError(f"the peer closed the connection within {within} of its answer"), reason)
            else:
                self._fail(StaleError(_UNANSWERED), reason)
        self._go_on()
        if self._timer is not None:
            self._timer.cancel()
        self._lost(self)

    def pause_writing(self) -> None:
        """The peer does not keep up."""
        self._is_stalled = True

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._is_stalled = False
        self._go_on()

    # what follows

    def _go_on(self) -> None:
        if self._stalled is not None and not self._stalled.done():
            self._stalled.set_result(None)

    def _complete(self, answer: Answer) -> None:
        answer.is_complete = True
        answer.wake()
        if self._is_sent:
            self._release(answer)
        elif answer.is_refusal:
            self._go_on()

    def _release(self, answer: Answer) -> None:
        """The exchange is over: the connection serves again, if it can."""
        self._answer = None
        head = answer.head
        if self._is_tunnel and 200 <= head.status < 300 and not self._buffer:
            return
        if head.is_last or self._buffer or self._is_tunnel or not self._is_sent:
            self.abort()
        elif self.transport.get_write_buffer_size():
            self.transport.close()  # which sends the rest
        else:
            self._idle(self)

    def _fail(self, error: Exception, cause: Exception | None = None) -> None:
        if self._answer is not None:
            error.__cause__ = cause
            self._answer.fail(error)
        self._go_on()
        self.abort()

    def _read_rest(self) -> None:
        """Read what came before the peer broke the connection, such as the reason why it takes no more."""
        sock: socket.socket | None = self.transport.get_extra_info("socket")
        if sock is None or self.transport.get_extra_info("ssl_object") is not None:
            return
        with suppress(OSError), socket.socket(fileno=socket.dup(sock.fileno())) as copy:
            while data := copy.recv(_MAX_WRITTEN):
                self.data_received(data)

    def _set_timer(self) -> None:
        limit = None if self._answer is None else self._answer.limit(self._touched)
        if limit is not None and (self._timer is None or self._timer.when() > limit):
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(limit, self._look)

    def _look(self) -> None:
        self._timer = None
        limit = None if self._answer is None else self._answer.limit(self._touched)
        if limit is not None and self._loop.time() >= limit - _TICK:
            self._fail(AnswerTimeoutError("no answer came in time"))
        else:
            self._set_timer()
