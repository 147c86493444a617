"""Connections whose answers are read until a time-out has passed as a whole, and not anew with every byte."""

from __future__ import annotations

import http.client
import io
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

import urllib3
import urllib3.connection

from architect_rest.origin import is_address

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer

_LONGEST_USE = 30.0  # seconds
_MOST_AT_ONCE = 16_384  # bytes or characters


class Attempt(threading.local):
    """What the attempt that a thread makes may take, for the connection that it is made on.

    Attributes:
        is_limited: whether an attempt is made, and the following holds.
        seconds: to send the request, and to answer it; None for any.
        ends: when all has to be over, as `time.monotonic()` tells it; None for never.
        header: a header, name and value, that tells the server; None for none.
    """

    is_limited = False
    seconds: float | None = None
    ends: float | None = None
    header: tuple[str, str] | None = None


attempt = Attempt()


class _Reader(io.RawIOBase):
    """Reads from a socket until its timeout has passed as a whole, however often another byte comes."""

    def __init__(self, sock: socket.socket, buffered: io.BufferedReader) -> None:
        self._sock = sock
        self._buffered = buffered
        self._raw: Any = buffered.raw
        seconds = sock.gettimeout()
        self._ends = None if seconds is None else monotonic() + seconds
        self._part_seconds = seconds
        if attempt.is_limited:
            self._part_seconds = attempt.seconds
            self._ends = min((end for end in (self._ends, attempt.ends) if end is not None), default=None)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        if self._ends is not None:
            left = self._ends - monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(left)
        count: int | None = self._raw.readinto(buffer)
        return count

    def relax(self) -> None:
        """Wait for each part as long as for all until now."""
        self._ends = None
        self._sock.settimeout(self._part_seconds)

    def close(self) -> None:
        self._buffered.close()
        super().close()


class TimedConnection(urllib3.connection.HTTPConnection):
    """A connection whose answer is read until the time-out and no longer.

    One to a host name is not used for longer than half a minute, so that a name that leads elsewhere is followed.
    """

    _reader: _Reader | None = None
    _held: list[bytes] | None = None
    _used_until: float | None = None

    def connect(self) -> None:
        """Called by urllib3 for a new connection."""
        super().connect()
        self._used_until = None if is_address(self.host) else monotonic() + _LONGEST_USE

    def request(self, method: str, url: str, body: Any = None, *args: Any, **kwargs: Any) -> None:
        """Called by urllib3 to send a request: a small one goes out as one packet, and not as a head and a body."""
        if not isinstance(body, str | bytes) or len(body) > _MOST_AT_ONCE:
            super().request(method, url, body, *args, **kwargs)
            return
        held: list[bytes] = []
        self._held = held
        try:
            super().request(method, url, body, *args, **kwargs)
        finally:
            self._held = None
        self.send(b"".join(held))

    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        """Called by urllib3 when a request has its headers."""
        if attempt.header is not None:
            self.putheader(*attempt.header)
        super().endheaders(*args, **kwargs)

    def send(self, data: Any) -> None:
        """Called by http.client for each part of a request."""
        if self._held is not None:
            self._held.append(data)
            return
        if self.sock is None and self.auto_open:
            self.connect()
        if attempt.is_limited:  # urllib3 leaves the time-out for connecting
            left = None if attempt.ends is None else attempt.ends - monotonic()
            if left is not None and left <= 0:
                raise TimeoutError("timed out")
            self.sock.settimeout(min((each for each in (attempt.seconds, left) if each is not None), default=None))
        super().send(data)

    @property
    def is_connected(self) -> bool:
        """Asked by urllib3 before a connection is used again."""
        return (self._used_until is None or monotonic() < self._used_until) and super().is_connected

    def response_class(self, sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:  # type: ignore[override]
        """Called by http.client to read an answer."""
        response = http.client.HTTPResponse(sock, *args, **kwargs)
        self._reader = _Reader(sock, response.fp)
        response.fp = io.BufferedReader(self._reader)
        return response

    def relax(self) -> None:
        """Let whoever reads the rest of the answer, part by part, have the whole time-out for each of them."""
        if self._reader is not None:
            self._reader.relax()


class TimedTLSConnection(TimedConnection, urllib3.connection.HTTPSConnection):
    """The same with TLS."""


class HTTPConnectionPool(urllib3.HTTPConnectionPool):
    """Urllib3's, whose name its errors show, with answers that are read until the timeout and no longer."""

    ConnectionCls = TimedConnection


class HTTPSConnectionPool(urllib3.HTTPSConnectionPool):
    """The same for TLS."""

    ConnectionCls = TimedTLSConnection
