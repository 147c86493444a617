"""What `architect.service(name).aio` gives: clients for asyncio, one for each event loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from architect_core.exceptions import NoEventLoopError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from threading import RLock

    from architect_core.contract.client import ClientFactory

    Loop = asyncio.AbstractEventLoop
    Clients = dict[Loop, "_Held"]


class AioService:
    """A service that can be talked to from coroutines.

        async def total() -> int:
            response = await architect.service("acme/billing").aio.client.get("/invoices")
            return len(response.json())

    Each event loop has a client of its own, because connections belong to a loop. It is closed when its loop ends, as
    `asyncio.run` ends it, when the service is closed, or by `close()`.
    """

    def __init__(self, name: str, make: Callable[[], tuple[ClientFactory, Any]], lock: RLock) -> None:
        """Make one.

        Args:
            name: the service's.
            make: makes a client in the running loop, and gives its factory too.
            lock: the service's own, under which clients are made.
        """
        self._name = name
        self._make = make
        self._lock = lock
        self._clients: Clients = {}

    @property
    def client(self) -> Any:
        """The client of the running loop: made on first use, and the same until it is closed or that loop ends.

        Raises:
            NoEventLoopError: no event loop runs in this thread.
            NoPluginError, ConfigError, StubError: as those of `Service.client`.
            PluginError: the protocol's plugin has no clients for asyncio.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is None:
            raise NoEventLoopError(
                f"service({self._name!r}).aio.client is for coroutines, and no asyncio event loop runs in this thread; "
                "ask for it inside of an `async def`, or take `.client`"
            )
        known = self._clients.get(loop)
        return self._begin(loop) if known is None or known.is_of_no_use() else known.client

    async def close(self) -> None:
        """Release the sockets of the running loop's client; the next use of `client` makes a new one."""
        known = self._clients.get(asyncio.get_running_loop())
        if known is not None:
            await known.close()

    def _begin(self, loop: Loop) -> Any:
        with self._lock:
            for ended in [each for each in list(_open) if each.loop.is_closed()]:  # without ending its generators
                ended.forget()
            held = _Held(*self._make(), self._clients, loop)
            self._clients[loop] = held
            _open.add(held)
            return held.client

    @property
    def is_used(self) -> bool:
        """Whether a loop has a client."""
        return bool(self._clients)

    def take(self) -> list[Callable[[], None]]:
        """Forget the clients of all loops; gives what closes each, in its own loop and when that comes to it."""
        with self._lock:
            taken = list(self._clients.values())
            self._clients.clear()
        return [each.close_soon for each in taken]

    def leave_to_parent(self) -> None:
        """In a forked child: forget the clients without closing them, because they are the parent's."""
        self._clients = {}


# what is not closed yet: so that it is kept for those who use a client and not its service, for a loop that ends before
# it comes to close it, and, in a forked child, from being closed at all
_open: set[_Held] = set()


class _Held:
    """A client, which is closed once: when that is asked for, else when its loop ends.

    Before asyncio ends a loop it ends the asynchronous generators that were begun in it; one of them is this client's.
    """

    def __init__(self, factory: ClientFactory, client: Any, clients: Clients, loop: Loop) -> None:
        self.client = client
        self._factory = factory
        self._clients = clients
        self.loop = loop
        self._lock = asyncio.Lock()
        self._is_closed = False
        self._until_the_end = self._wait()
        with suppress(StopIteration):  # its first step has no await, and so ends in what it yields
            self._until_the_end.__anext__().send(None)

    def is_of_no_use(self) -> bool:
        """Whether somebody else has closed it."""
        return self._factory.aio_is_closed(self.client)

    async def _wait(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await self.close()

    async def close(self) -> None:
        """Close it, in its loop; returns when it is closed, whoever does that."""
        if self._clients.get(self.loop) is self:
            self._clients.pop(self.loop, None)  # which another thread may have done
        async with self._lock:
            if not self._is_closed:
                await self._factory.aio_close(self.client)
                self._is_closed = True
        _open.discard(self)

    def forget(self) -> None:
        """Give it up without closing it, because its loop has ended."""
        if self._clients.get(self.loop) is self:
            self._clients.pop(self.loop, None)
        _open.discard(self)

    def close_soon(self) -> None:
        """Have the loop close it when it comes to that."""
        try:
            self.loop.call_soon_threadsafe(lambda: self.loop.create_task(self.close()))
        except RuntimeError:
            self.forget()
