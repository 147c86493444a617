"""The suite of plugins that make clients for asyncio."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from typing import Any

import pytest

from architect_core.resolver.service import Service
from architect_testing.conformance.client import CLOSING_SECONDS, ClientSuite, Entry, Resolve
from architect_testing.conformance.suite import error_of, needs
from architect_testing.tools.canary import SECRET, assert_hidden
from architect_testing.tools.sockets import can_see_sockets, left_open, open_sockets, refusing
from architect_testing.tools.threads import THREADS, together


class AioClientSuite(ClientSuite, abstract=True):
    """Checks the clients for asyncio of a protocol, `service(name).aio.client`.

    A subclass defines the same as one of `ClientFactorySuite`, except that `call` is a coroutine function:

        async def call(self, client):
            await client.noop()
    """

    @abstractmethod
    async def call(self, client: Any) -> object:
        """Call the service and check its answer. Let the exceptions of the client pass."""

    def _call(self, service: Service, times: int = 1) -> None:
        async def call() -> None:
            await asyncio.gather(*(self.call(service.aio.client) for _ in range(times)))

        asyncio.run(call())

    def test_fifty_tasks_share_a_client(self, entry: Entry, resolve: Resolve) -> None:
        """Fifty calls at once with one client succeed."""
        self._assert_works(f"beside {THREADS - 1} others with one client", self._call, resolve(entry), THREADS)

    def test_fifty_loops_each_have_a_client(self, entry: Entry, resolve: Resolve) -> None:
        """Fifty threads, each with an event loop, get fifty clients that work."""
        service = resolve(entry)
        clients: list[Any] = []

        async def call() -> None:
            clients.append(service.aio.client)
            await self.call(clients[-1])

        together(lambda _: asyncio.run(call()))
        assert len({id(each) for each in clients}) == THREADS, (
            "event loops share a client; aio_client() must make new ones"
        )

    @needs(lambda _: can_see_sockets())
    def test_no_socket_is_left_when_a_loop_has_ended(self, entry: Entry, resolve: Resolve) -> None:
        """When `asyncio.run` has returned, no socket is open that was not open before."""
        self._call(resolve(entry))  # opens what the library opens only once
        service = resolve(entry)
        before = open_sockets()
        clients: list[Any] = []  # referenced, so that only closing them can close their sockets

        async def call() -> None:
            clients.append(service.aio.client)
            await self.call(clients[0])

        asyncio.run(call())
        left = left_open(before, CLOSING_SECONDS)
        kind = type(clients[0]).__name__
        assert not left, f"{left} sockets of a {kind} stay open; ClientFactory.aio_close() must close them"

    def test_a_service_can_be_used_again_after_close(self, entry: Entry, resolve: Resolve) -> None:
        """After `aio.close()`, the next `aio.client` is one that works."""
        service = resolve(entry)

        async def call_again() -> None:
            await self.call(service.aio.client)
            await service.aio.close()
            await self.call(service.aio.client)

        self._assert_works("after close()", asyncio.run, call_again())

    @needs(lambda suite: suite.errors is not None)
    def test_secrets_show_in_no_repr_no_log_and_no_error(
        self, entry: Entry, resolve: Resolve, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Configured secrets show nowhere when a client is made and its connection is refused."""

        async def call(service: Service, shown: list[object]) -> None:
            shown.append(service.aio.client)
            await self.call(shown[0])

        with refusing() as port:
            for holding in self._with_secrets(self.at(entry, port)):
                shown: list[object] = []
                service = resolve(holding)
                with caplog.at_level(logging.DEBUG):
                    error = error_of(lambda: asyncio.run(call(service, shown)))  # noqa: B023 - called at once
                assert_hidden(SECRET, error=error, logs=caplog.records, aio=service.aio, clients=shown)
