"""What is under way on a connection: the answer to one request, as it comes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from architect_rest.http.answers import Head

MAX_DISCARDED = 65_536  # bytes of a body that nobody reads, and that are read so that the connection serves again
_MAX_KEPT = 262_144  # bytes that are kept for the reader of a body, before the peer has to wait


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long an exchange may take.

    Attributes:
        end: of all of it, as a time of the event loop; None for never.
        read: seconds without a byte of the answer; None for no limit.
        write: seconds in which the peer takes nothing of the request; None for no limit.
    """

    end: float | None = None
    read: float | None = None
    write: float | None = None


class _Carrier(Protocol):
    def watch(self) -> None: ...
    def resume(self) -> None: ...
    def abort(self) -> None: ...


class Answer:
    """The answer to one request; its body is read as it comes.

    Attributes:
        head: there once the request has been sent.
        is_complete: whether all of it has come.
        error: why no more of it will come.
    """

    head: Head

    def __init__(self, connection: _Carrier, timeouts: Timeouts) -> None:
        """Made by the connection."""
        self.has_head = self.is_complete = False
        self.error: Exception | None = None
        self._connection = connection
        self._timeouts = timeouts
        self._parts: list[bytes] = []
        self._size = 0  # of the parts
        self._waiting: asyncio.Future[None] | None = None
        self._is_discarded = False

    async def read(self) -> bytes:
        """Returns what has come of the body, once there is something; b"" at its end.

        Raises:
            AnswerTimeoutError: nothing came in time.
            ClosedError: the connection ended before the body did.
            MalformedError: what came is no body.
        """
        while not self._parts and not self.is_complete:
            await self.wait()
        parts, self._parts = self._parts, []
        if self._size > _MAX_KEPT:
            self._connection.resume()
        self._size = 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def relax(self) -> None:
        """Let the body take as long as it keeps coming."""
        self._timeouts = Timeouts(None, self._timeouts.read)

    def discard(self) -> None:
        """Drop the body as it comes, so that the connection serves again, or is closed if that is not worth it."""
        self._is_discarded = True
        if not self.is_complete:
            self._drop()
            self._connection.watch()

    def close(self) -> None:
        """Read no more: the connection is closed unless the answer is complete."""
        if not self.is_complete:
            self._connection.abort()

    # for the connection

    async def wait(self) -> None:
        """Wait until something has come; raises the error if nothing will."""
        if self.error is not None:
            raise self.error
        self._waiting = asyncio.get_running_loop().create_future()
        self._connection.watch()
        try:
            await self._waiting
        except asyncio.CancelledError:
            self.close()  # what still comes is the answer to no other request
            raise
        finally:
            self._waiting = None

    def take(self, part: Head | bytes) -> None:
        """The head, or a part of the body, has come."""
        if isinstance(part, bytes):
            self._parts.append(part)
            self._size += len(part)
            if self._is_discarded:
                self._drop()
        else:
            self.head, self.has_head = part, True

    def _drop(self) -> None:
        self._parts.clear()  # its size counts on
        if self._size > MAX_DISCARDED or (self.head.length or 0) > MAX_DISCARDED or self.head.ends_with_connection:
            self._connection.abort()

    def wake(self) -> None:
        """Something has come, or nothing will."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def fail(self, error: Exception) -> None:
        """Nothing more will come."""
        self.error = error
        self.wake()

    @property
    def is_full(self) -> bool:
        """Whether the peer has to wait for the reader."""
        return self._size > _MAX_KEPT and not self._is_discarded

    @property
    def is_refusal(self) -> bool:
        """Whether nothing more of the request need be sent."""
        return self.error is not None or (self.has_head and self.head.status >= 400)

    def limit(self, since: float) -> float | None:
        """When nothing more is waited for, as a time of the event loop, if nothing has come `since` then."""
        end, read = self._timeouts.end, self._timeouts.read
        if self._waiting is None or read is None:
            return end
        return since + read if end is None else min(end, since + read)
