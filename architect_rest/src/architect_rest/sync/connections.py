"""Connections whose timeout limits a whole response, where urllib3's starts again with every byte."""

from __future__ import annotations

import http.client
import io
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

import urllib3
import urllib3.connection

from architect_rest.policy.limits import shortest
from architect_rest.policy.origin import is_address

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer

    from architect_rest.policy.endpoints import Endpoint

_LONGEST_USE = 30.0  # seconds
_MOST_AT_ONCE = 16_384  # bytes or characters


class Current(threading.local):
    """The attempt that a thread makes, for the adapter and the connection that it is made on."""

    endpoint: Endpoint | None = None  # where it is made; None for a request to another origin
    is_limited = False  # whether `seconds` and `end` hold
    seconds: float | None = None  # to send the request, and again to receive the response; None for no limit
    end: float | None = None  # when everything has to end, in seconds of `time.monotonic()`; None for never
    header: tuple[str, str] | None = None  # name and value of a header to add


current = Current()


class _Reader(io.RawIOBase):
    """Reads from a socket until its timeout has passed in total."""

    def __init__(self, sock: socket.socket, buffered: io.BufferedReader) -> None:
        self._sock = sock
        self._buffered = buffered
        self._raw: Any = buffered.raw
        seconds = sock.gettimeout()
        self._end = None if seconds is None else monotonic() + seconds
        self._part_seconds = seconds
        if current.is_limited:
            self._part_seconds = current.seconds
            self._end = shortest((self._end, current.end))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        if self._end is not None:
            left = self._end - monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(left)
        count: int | None = self._raw.readinto(buffer)
        return count

    def relax(self) -> None:
        self._end = None
        self._sock.settimeout(self._part_seconds)

    def close(self) -> None:
        self._buffered.close()
        super().close()


class TimedConnection(urllib3.connection.HTTPConnection):
    """A connection whose timeout limits a whole response.

    One to a host name is not reused after 30 seconds, so that a name that leads to another address is followed.
    """

    _reader: _Reader | None = None
    _held: list[bytes] | None = None
    _reusable_until: float | None = None

    def connect(self) -> None:
        """Called by urllib3 for a new connection."""
        super().connect()
        self._reusable_until = None if is_address(self.host) else monotonic() + _LONGEST_USE

    def request(self, method: str, url: str, body: Any = None, *args: Any, **kwargs: Any) -> None:
        """Called by urllib3 to send a request: a small one is sent as one packet, instead of a head and a body."""
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
        """Called by urllib3 after the last header of a request."""
        if current.header is not None:
            self.putheader(*current.header)
        super().endheaders(*args, **kwargs)

    def send(self, data: Any) -> None:
        """Called by http.client for each part of a request."""
        if self._held is not None:
            self._held.append(data)
            return
        if self.sock is None and self.auto_open:
            self.connect()
        if current.is_limited:  # urllib3 still has the timeout for connecting set
            left = None if current.end is None else current.end - monotonic()
            if left is not None and left <= 0:
                raise TimeoutError("timed out")
            self.sock.settimeout(shortest((current.seconds, left)))
        super().send(data)

    @property
    def is_connected(self) -> bool:
        """Called by urllib3 before it reuses a connection."""
        return (self._reusable_until is None or monotonic() < self._reusable_until) and super().is_connected

    def response_class(self, sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:  # type: ignore[override]
        """Called by http.client to read a response."""
        response = http.client.HTTPResponse(sock, *args, **kwargs)
        self._reader = _Reader(sock, response.fp)
        response.fp = io.BufferedReader(self._reader)
        return response

    def relax(self) -> None:
        """From now on, the timeout limits each part of the response: it is streamed."""
        if self._reader is not None:
            self._reader.relax()


class TimedTLSConnection(TimedConnection, urllib3.connection.HTTPSConnection):
    """The same with TLS."""


class HTTPConnectionPool(urllib3.HTTPConnectionPool):
    """A pool of `TimedConnection`s; urllib3 shows its name in errors."""

    ConnectionCls = TimedConnection


class HTTPSConnectionPool(urllib3.HTTPSConnectionPool):
    """The same with TLS."""

    ConnectionCls = TimedTLSConnection


POOL_CLASSES = {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}
"""For urllib3's `PoolManager.pool_classes_by_scheme`."""
