"""What `architect.service(name).aio` gives: clients for asyncio, one for each event loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from architect_core.exceptions import NoEventLoopError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from threading import RLock

    from architect_core.contract import ClientFactory

    Loop = asyncio.AbstractEventLoop
    Clients = dict[Loop, tuple[Any, AsyncGenerator[Any]]]


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
        """The client of the running loop: made on first use, and the same until that loop ends.

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
        return self._begin(loop) if known is None else known[0]

    async def close(self) -> None:
        """Release the sockets of the running loop's client; the next use of `client` makes a new one."""
        known = self._clients.pop(asyncio.get_running_loop(), None)
        if known is not None:
            await known[1].aclose()

    def _begin(self, loop: Loop) -> Any:
        with self._lock:
            for ended in [each for each in self._clients if each.is_closed()]:
                del self._clients[ended]
            factory, client = self._make()
            holder = _hold(factory, client, self._clients, loop)
            with suppress(StopIteration):  # its first step has no await, and so ends in what it yields
                holder.__anext__().send(None)
            self._clients[loop] = client, holder
            return client

    def take(self) -> list[Callable[[], None]]:
        """Forget the clients of all loops; gives what closes each, in its own loop and when that comes to it."""
        with self._lock:
            taken = list(self._clients.items())
            self._clients.clear()
        return [partial(_close_in, loop, client, holder) for loop, (client, holder) in taken]

    def leave_to_parent(self) -> None:
        """In a forked child: forget the clients without closing them, because they are the parent's."""
        _of_parents.append(self._clients)
        self._clients = {}


_of_parents: list[Clients] = []
_closing: dict[int, AsyncGenerator[Any]] = {}  # so that a loop that ends before it comes to them still finds them


async def _hold(factory: ClientFactory, client: Any, clients: Clients, loop: Loop) -> AsyncGenerator[Any]:
    """Keep a client until it is closed: by `aclose()`, or by asyncio, which ends a loop's generators with the loop."""
    try:
        yield client
    finally:
        if loop in clients and clients[loop][0] is client:
            del clients[loop]
        _closing.pop(id(client), None)
        await factory.aio_close(client)


async def _end(holder: AsyncGenerator[Any]) -> None:
    await holder.aclose()


def _close_in(loop: Loop, client: Any, holder: AsyncGenerator[Any]) -> None:
    _closing[id(client)] = holder
    try:
        loop.call_soon_threadsafe(lambda: loop.create_task(_end(holder)))
    except RuntimeError:  # the loop has ended, and the client with it
        del _closing[id(client)]
