"""Connections whose answers are read until a time-out has passed as a whole, and not anew with every byte."""

from __future__ import annotations

import http.client
import io
from time import monotonic
from typing import TYPE_CHECKING, Any

import urllib3
import urllib3.connection

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer


class _Reader(io.RawIOBase):
    """Reads from a socket until its timeout has passed as a whole, however often another byte comes."""

    def __init__(self, sock: socket.socket, buffered: io.BufferedReader) -> None:
        self._sock = sock
        self._buffered = buffered
        self._raw: Any = buffered.raw
        self._deadline = monotonic() + (sock.gettimeout() or 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._buffered.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(sock, self.fp))


class _HTTPConnection(urllib3.connection.HTTPConnection):
    response_class = _Response


class _HTTPSConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response


class HTTPConnectionPool(urllib3.HTTPConnectionPool):
    """Urllib3's, whose name its errors show, with answers that are read until the timeout and no longer."""

    ConnectionCls = _HTTPConnection


class HTTPSConnectionPool(urllib3.HTTPSConnectionPool):
    """The same for TLS."""

    ConnectionCls = _HTTPSConnection
