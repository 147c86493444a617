"""A client for asyncio, which is closed when its event loop ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from architect_core.contract import ClientFactory

Loop = asyncio.AbstractEventLoop

# Clients that are not closed yet. They are kept for code that holds a client and not its service, for a loop that ends
# before it closes them, and, in a forked child, from being closed at all.
_open: set[AioClient] = set()


class AioClient:
    """A client that is closed once: on request, or when its loop ends.

    Before asyncio closes a loop it closes the asynchronous generators that began in it; one of them is this client's.
    """

    def __init__(
        self, factory: ClientFactory, client: Any, made: list[Any], loop: Loop, by_loop: dict[Loop, AioClient]
    ) -> None:
        """Keep `client`, for which the factory made `made`; it is in `by_loop` until it is closed."""
        self.client = client
        self.loop = loop
        self._factory = factory
        self._made = made
        self._by_loop = by_loop
        self._lock = asyncio.Lock()
        for ended in [each for each in list(_open) if each.loop.is_closed() or each is by_loop.get(loop)]:
            ended.forget()
        self._until_the_end = self._wait()
        with suppress(StopIteration):  # its first step awaits nothing, so it ends in the value that is yielded
            self._until_the_end.__anext__().send(None)
        by_loop[loop] = self
        _open.add(self)

    def is_closed(self) -> bool:
        """Whether its user has closed it."""
        return any(map(self._factory.aio_is_closed, self._made))

    async def close(self) -> None:
        """Close it, in its loop; returns when it is closed, by whichever task."""
        self._leave()
        async with self._lock:
            while self._made:
                await self._factory.aio_close(self._made[-1])
                self._made.pop()
        _open.discard(self)

    def forget(self) -> None:
        """Forget it without closing it, because its loop has ended."""
        self._leave()
        _open.discard(self)

    def close_soon(self) -> None:
        """Have its loop close it."""
        try:
            self.loop.call_soon_threadsafe(lambda: self.loop.create_task(self.close()))
        except RuntimeError:  # the loop has ended
            self.forget()

    async def _wait(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await self.close()

    def _leave(self) -> None:
        if self._by_loop.get(self.loop) is self:
            self._by_loop.pop(self.loop, None)  # which another thread may have done
