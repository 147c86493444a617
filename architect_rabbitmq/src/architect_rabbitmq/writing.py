"""Writing several messages to the socket at once.

aiormq writes each by itself, in a turn of the event loop of its own. That is a system call for each and, while other
threads run, a wait for the interpreter's lock for each.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import aio_pika
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory

if TYPE_CHECKING:
    from yarl import URL


_ROOM = 64 * 1024  # bytes that wait for the socket to take them
_MOST = 16 * 1024  # bytes that are kept; some ten messages


class BufferedWriter:
    """A `StreamWriter` that writes at once, and keeps what follows until nothing is added in a turn of the loop."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []
        self._size = 0
        self._is_keeping = False
        self._is_closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def write(self, data: bytes) -> None:
        """Write `data` now or soon."""
        if self._is_keeping:
            self._parts.append(data)
            self._size += len(data)
            return
        self._is_keeping = True
        self._loop.call_soon(self._check, 0)
        self._writer.write(data)

    def _check(self, size: int) -> None:
        """Go on keeping if there is more than `size`, that of the last turn."""
        if self._size >= _MOST:
            self._flush()
        elif self._size == size:
            self._flush()
            self._is_keeping = False
            return
        self._loop.call_soon(self._check, self._size)

    def _flush(self) -> None:
        if self._parts:
            data = b"".join(self._parts)
            self._parts.clear()
            self._size = 0
            self._writer.write(data)

    async def drained(self) -> None:
        """Returns once there is room for another message; raises OSError if the connection is being closed."""
        if self._size + self._writer.transport.get_write_buffer_size() > _ROOM:
            await self.drain()
        if self._is_closed or self._writer.is_closing():
            raise ConnectionResetError("the connection to RabbitMQ is being closed")

    async def drain(self) -> None:
        """Write now, and wait until the socket has room."""
        self._flush()
        await self._writer.drain()

    def write_eof(self) -> None:
        """Write now; nothing follows."""
        self._flush()
        self._is_closed = True
        self._writer.write_eof()

    def close(self) -> None:
        """Write now, then close the socket."""
        self._flush()
        self._is_closed = True
        self._writer.close()


class _Transport(TransportFactory):
    writer: BufferedWriter

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        factory = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        reader, writer = await factory.create(url, **kwargs)
        self.writer = BufferedWriter(writer)
        return reader, cast("asyncio.StreamWriter", self.writer)


class Connection(aio_pika.Connection):
    """A connection of aio-pika that writes this way."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._factory = _Transport()
        self.kwargs = {**self.kwargs, "transport_factory": self._factory}

    @property
    def writer(self) -> BufferedWriter:
        """What writes to the socket, once it is connected."""
        return self._factory.writer
