"""The clients of one service for asyncio: one for each event loop, closed when its loop ends."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from architect_core.contract.client import ClientFactory

    Loop = asyncio.AbstractEventLoop

# Clients that are not closed yet. They are kept for code that holds a client and not its service, for a loop that ends
# before it closes them, and, in a forked child, from being closed at all.
_open: set[_Held] = set()


class AioClients:
    """The clients of one entry by event loop; false if there are none."""

    def __init__(self) -> None:
        self._held: dict[Loop, _Held] = {}

    def __bool__(self) -> bool:
        return bool(self._held)

    def client(self, loop: Loop) -> Any:
        """The client of `loop`, or None if there is none or it was closed by its user."""
        held = self._held.get(loop)
        return None if held is None or held.is_closed() else held.client

    def add(self, loop: Loop, factory: ClientFactory, client: Any, made: list[Any]) -> None:
        """Keep `client` until its loop ends; `made` is what the factory made for it."""
        for ended in [each for each in list(_open) if each.loop.is_closed()]:  # whose generators were not closed
            ended.forget()
        held = _Held(factory, client, made, self._held, loop)
        self._held[loop] = held
        _open.add(held)

    async def close(self, loop: Loop) -> None:
        """Close the client of `loop`, which runs."""
        held = self._held.get(loop)
        if held is not None:
            await held.close()

    def closers(self) -> list[Callable[[], None]]:
        """Forget all clients; returns what has each closed by its own loop."""
        held, self._held = list(self._held.values()), {}
        return [each.close_soon for each in held]


class _Held:
    """A client that is closed once: on request, or when its loop ends.

    Before asyncio closes a loop it closes the asynchronous generators that began in it; one of them is this client's.
    """

    def __init__(
        self, factory: ClientFactory, client: Any, made: list[Any], held: dict[Loop, _Held], loop: Loop
    ) -> None:
        self.client = client
        self.loop = loop
        self._factory = factory
        self._made = made
        self._held = held
        self._lock = asyncio.Lock()
        self._until_the_end = self._wait()
        with suppress(StopIteration):  # its first step awaits nothing, so it ends in the value that is yielded
            self._until_the_end.__anext__().send(None)

    def is_closed(self) -> bool:
        """Whether its user has closed it."""
        return any(map(self._factory.aio_is_closed, self._made))

    async def _wait(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await self.close()

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

    def _leave(self) -> None:
        if self._held.get(self.loop) is self:
            self._held.pop(self.loop, None)  # which another thread may have done
