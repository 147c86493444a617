"""What `architect.service(name)` returns: a dependency's configuration and, on first use, its client."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from architect_core._runtime import ForkSafeLock, call_after_fork, once
from architect_core.exceptions import NoEventLoopError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from architect_core.resolver.generation import Clients, Generation
    from architect_core.schema.config import ServiceConfig

default_lock = ForkSafeLock()
"""Held while `architect.sdk` replaces its resolver, or `handed_out` is added to or iterated over."""

handed_out: WeakSet[Service] = WeakSet()
"""Every service that application code got from a resolver of `architect.sdk` and still holds."""


class Service:
    """A service that can be talked to.

    It stays valid when the configuration is read again, and in tests that make doubles: what it is at present is its
    generation, which is replaced as a whole.

    Attributes:
        name: its name.
    """

    def __init__(self, name: str, generation: Generation) -> None:
        self.name = name
        self.generation = generation
        self._lock = ForkSafeLock()
        call_after_fork(self)

    @property
    def config(self) -> ServiceConfig:
        """Its entry in the configuration, readable as attributes and as a mapping.

        It is that of the last configuration that had one; UnknownServiceError if none ever had.
        """
        config = self.generation.config
        return self.generation.use().config if config is None else config

    @once
    def client(self) -> Any:
        """What people of its protocol use: a `requests.Session` for "rest", a stub for "grpc".

        It is made on first use, and the same until the service's entry changes.

        Raises:
            NoPluginError: no installed plugin serves the protocol, or is the observer that `ARCHITECT_OBSERVER` names;
                the message says what to install.
            ConfigError: the entry's host, port or options are wrong.
            StubError: generated stubs are missing; the message says what to run.
            UnknownServiceError: the configuration no longer has such a service.
        """
        return self.generation.use().client

    @once
    def aio(self) -> AioService:
        """The same for coroutines: `aio.client` is an `httpx2.AsyncClient` for "rest", `grpc.aio`'s rpcs for "grpc"."""
        return AioService(self.name, lambda: self.generation.use())  # noqa: PLW0108 - the generation of that time

    @once
    def defs(self) -> Any:
        """The messages, enums and nested types of the service's definitions; None for REST. Raises as `client` does."""
        return self.generation.use().definitions

    def close(self) -> None:
        """Release the sockets of all clients; the next use of one makes a new one.

        Those for asyncio are closed by their event loops, when those run next.
        """
        clients = self.generation.clients
        if clients is not None:
            closers = clients.closers()
            with self._lock:
                vars(self).pop("client", None)
            for close in closers:
                close()

    def become(self, generation: Generation) -> None:
        """Replace the present generation, whose clients stay open."""
        with self._lock:
            self.generation = generation
            for name in ("client", "defs", "Servicer"):
                vars(self).pop(name, None)

    def after_fork_in_child(self) -> None:
        """Drop the clients that do not survive a fork."""
        clients = self.generation.clients
        if clients is not None:
            self.become(replace(self.generation, clients=clients.in_forked_child()))

    def __repr__(self) -> str:
        config = self.generation.config
        return f"{type(self).__name__}({self.name!r}, {'unknown' if config is None else f'api={config.api!r}'})"


class CurrentService(Service):
    """The running service itself."""

    @once
    def Servicer(self) -> Any:  # noqa: N802 - the name that gRPC users know
        """The base class of its implementation, for a protocol that has one, such as gRPC.

        Raises:
            PluginError: its protocol has none.
        """
        return self.generation.use().servicer

    def add_servicer(self, servicer: Any, server: Any) -> None:
        """Register `servicer`, an instance of a subclass of `Servicer`, with `server`."""
        clients = self.generation.use()
        _ = clients.servicer  # raises for a protocol that has none
        clients.factory.add_servicer(clients.target, servicer, server)


class AioService:
    """A service that can be talked to from coroutines.

        async def total() -> int:
            response = await architect.service("acme/billing").aio.client.get("/invoices")
            return len(response.json())

    Each event loop has a client of its own, because connections belong to a loop. It is closed when its loop ends, as
    `asyncio.run` ends it, when the service is closed, or by `close()`.
    """

    def __init__(self, name: str, clients: Callable[[], Clients]) -> None:
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

    def _running_loop(self) -> AbstractEventLoop:
        from asyncio import get_running_loop

        with suppress(RuntimeError):
            return get_running_loop()
        raise NoEventLoopError(
            f"service({self._name!r}).aio.client is for coroutines, and no asyncio event loop runs in this thread; "
            "use it inside of an `async def`, or use `.client`"
        )
