"""What `architect.service(name).aio` is: the service's client for the event loop that runs."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from architect_core.exceptions import NoEventLoopError

if TYPE_CHECKING:
    from collections.abc import Callable

    from architect_core.resolver.clients import Clients


class AioService:
    """A service that can be talked to from coroutines.

        async def total() -> int:
            response = await architect.service("acme/billing").aio.client.get("/invoices")
            return len(response.json())

    Each event loop has a client of its own, because connections belong to a loop. It is closed when its loop ends, as
    `asyncio.run` ends it, when the service is closed, or by `close()`.
    """

    def __init__(self, name: str, clients: Callable[[], Clients]) -> None:
        """Make one.

        Args:
            name: the service's name.
            clients: returns the service's present clients.
        """
        self._name = name
        self._clients = clients

    @property
    def client(self) -> Any:
        """The client of the running loop: made on first use, and the same until it is closed or that loop ends.

        Raises:
            NoEventLoopError: no event loop runs in this thread.
            NoPluginError, ConfigError, StubError: as those of `Service.client`.
            PluginError: the protocol's plugin has no clients for asyncio.
        """
        return self._clients().aio_client(self._running_loop())

    async def close(self) -> None:
        """Release the sockets of the running loop's client; the next use of `client` makes a new one."""
        await self._clients().aio_close(self._running_loop())

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with suppress(RuntimeError):
            return asyncio.get_running_loop()
        raise NoEventLoopError(
            f"service({self._name!r}).aio.client is for coroutines, and no asyncio event loop runs in this thread; "
            "use it inside of an `async def`, or use `.client`"
        )
