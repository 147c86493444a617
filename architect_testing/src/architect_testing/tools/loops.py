"""Checks that are coroutines, and a TCP proxy whose connections can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import wraps
from typing import Any

CHECK_SECONDS = 120.0
_CHUNK_BYTES = 65_536


def in_event_loop(check: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Makes a check that is a coroutine function one that is not, and that fails after two minutes."""

    @wraps(check)
    def run(*arguments: Any, **fixtures: Any) -> None:
        async def limited() -> None:
            limit = asyncio.timeout(CHECK_SECONDS)
            try:
                async with limit:
                    await check(*arguments, **fixtures)
            except TimeoutError as problem:
                if limit.expired():
                    raise AssertionError(f"the check still runs after {CHECK_SECONDS:g} seconds") from problem
                raise

        asyncio.run(limited())

    return run


class Proxy:
    """Forwards connections to a server.

    Attributes:
        port: where it listens, at 127.0.0.1.
    """

    port: int

    def __init__(self, host: str, port: int) -> None:
        self._server = host, port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None] | None] = set()

    def cut(self) -> None:
        """Reset all connections; new ones are forwarded."""
        for writer in self._writers:
            writer.transport.abort()

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until either end closes it."""
        self._tasks.add(asyncio.current_task())
        there = await asyncio.open_connection(*self._server)
        ends = {writer, there[1]}
        self._writers |= ends
        await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))
        self._writers -= ends

    async def ended(self) -> None:
        """Returns once no connection is left."""
        await asyncio.gather(*(each for each in self._tasks if each))


@asynccontextmanager
async def proxy(host: str, port: int) -> AsyncIterator[Proxy]:
    """A running proxy to the server at `host` and `port`."""
    forwarding = Proxy(host, port)
    server = await asyncio.start_server(forwarding.forward, "127.0.0.1", 0)
    forwarding.port = server.sockets[0].getsockname()[1]
    try:
        yield forwarding
    finally:
        server.close()
        forwarding.cut()
        await forwarding.ended()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()
