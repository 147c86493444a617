"""What `architect.service(name)` returns: a handle on a dependency's entry and clients, which a reload may replace."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from architect_core._base.files import Signatures, files_in, signatures
from architect_core._runtime import ForkSafeLock, call_after_fork, forget, is_computed, once
from architect_core.contract import ClientFactory, ClientObserver, Double, Target
from architect_core.exceptions import ArchitectError, ConfigError, NoEventLoopError, PluginError
from architect_core.plugins import Plugins
from architect_core.resolver.reload import close_all
from architect_core.schema import ServiceConfig, validate

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from architect_core.resolver.aio import AioClient

default_lock = ForkSafeLock()
"""Held while `architect.sdk` replaces its resolver, or `handed_out` is added to or iterated over."""

handed_out: WeakSet[Service] = WeakSet()
"""Every service that application code got from a resolver of `architect.sdk` and still holds."""


class Service:
    """A handle on one service.

    It stays valid across reloads and test doubles, which replace its generation as a whole: its entry and clients.
    """

    def __init__(self, name: str, generation: Generation) -> None:
        self.name = name
        self.generation = generation
        self._lock = ForkSafeLock()
        call_after_fork(self)

    @property
    def config(self) -> ServiceConfig:
        """Its entry in the configuration, readable as attributes and as a mapping.

        The entry in the last configuration that had one; raises UnknownServiceError if none did.
        """
        config = self.generation.config
        return self.generation.use().config if config is None else config

    @once
    def client(self) -> Any:
        """The client that users of the protocol know: a `requests.Session` for "rest", a stub for "grpc".

        It is made on first use and kept until the service's entry or its files change, or it is closed.

        Raises:
            NoPluginError: no plugin is installed for the protocol, or for the observer that `ARCHITECT_OBSERVER` names;
                the message says what to install.
            ConfigError: the entry's host, port or options are wrong.
            StubError: generated stubs are missing; the message says what to run.
            UnknownServiceError: the configuration no longer has such a service.
        """
        return self.generation.use().client

    @once
    def aio(self) -> AioService:
        """The same for coroutines: `aio.client` is an `httpx2.AsyncClient` for "rest", `grpc.aio`'s rpcs for "grpc"."""
        return AioService(self.name, lambda: self.generation)

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
                forget(self, "client")
            if problems := close_all(closers):
                raise problems[0]

    def become(self, generation: Generation) -> None:
        """Replace the present generation, whose clients stay open."""
        with self._lock:
            self.generation = generation
            forget(self, "client", "defs", "Servicer")

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
        """The base class of its implementation, such as gRPC's; PluginError if its protocol has none."""
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

    Each event loop has a client of its own, because connections belong to a loop. It is closed by `close()`,
    with the service, or when its loop ends, as at the end of `asyncio.run`.
    """

    def __init__(self, name: str, generation: Callable[[], Generation]) -> None:
        self._name = name
        self._generation = generation

    @property
    def client(self) -> Any:
        """The running loop's client: made on first use, kept until the entry changes, it is closed or the loop ends.

        Raises:
            NoEventLoopError: no event loop runs in this thread.
            NoPluginError, ConfigError, StubError, UnknownServiceError: as for `Service.client`.
            PluginError: the protocol's plugin has no clients for asyncio.
        """
        return self._generation().use().aio_client(self._running_loop())

    async def close(self) -> None:
        """Release the sockets of the running loop's client; the next use of `client` makes a new one."""
        loop, clients = self._running_loop(), self._generation().clients
        if clients is not None and loop in clients.aio:
            await clients.aio[loop].close()

    def _running_loop(self) -> AbstractEventLoop:
        from asyncio import get_running_loop

        try:  # `suppress` would take a quarter of the look-up
            return get_running_loop()
        except RuntimeError:
            raise NoEventLoopError(
                f"service({self._name!r}).aio.client is for coroutines, and no asyncio event loop runs in this thread; "
                "use it inside an `async def`, or use `.client`"
            ) from None


@dataclass(frozen=True)
class Generation:
    """A service at one point in time. A reload, a fork or a double replaces it with the next one.

    If the service is not configured, `config` is its last entry, if any, and `unknown` makes the error of every use.
    """

    config: ServiceConfig | None
    clients: Clients | None = None
    unknown: Callable[[], ArchitectError] | None = None

    def use(self) -> Clients:
        """The clients; raises the error if the service does not exist."""
        if self.unknown is not None:
            raise self.unknown()
        assert self.clients is not None  # noqa: S101 - `clients` or `unknown` is set
        return self.clients


@dataclass(eq=False)
class Clients:
    """The clients of one entry, each made on first use; in a test, by the double that replaces the service."""

    name: str
    config: ServiceConfig
    where: str
    plugins: Plugins
    find_root: Callable[[], Path]
    double: Double | None
    files: Signatures = field(default_factory=dict)  # such as certificates, when the entry was read

    def __post_init__(self) -> None:
        self.files = self.files or signatures(files_in(self.config.options))
        self._lock = ForkSafeLock()
        self._made: list[Any] = []  # what the factory made, which is not always what a double returns
        self.aio: dict[AbstractEventLoop, AioClient] = {}

    def fit(self, config: ServiceConfig, double: Double | None) -> bool:
        """Whether these clients can serve another entry too; its subscriptions and datastores do not matter."""
        own = {"subscriptions", "datastores"}
        return (
            self.double is double
            and self.files == signatures(files_in(config.options))
            and self.config.model_dump(exclude=own) == config.model_dump(exclude=own)
        )

    @once
    def factory(self) -> ClientFactory:
        """The plugin's factory; raises as `Service.client` does."""
        if self.config.api is None:
            path = f"{self.name}.api"
            raise ConfigError(self.where, [(path, "is not set: there is nothing to connect to")])
        return self.plugins.get(ClientFactory, self.config.api, f"service {self.name!r}")

    @once
    def target(self) -> Target:
        """What the factory makes a client for."""
        options = validate(self.factory.Options, self.config.options, self.where, f"{self.name}.options")
        return Target(self.name, self.config, options, self.where, self.find_root)

    @once
    def client(self) -> Any:
        """See `Service.client`."""
        make = partial(self._make, self.factory.client, self._made)
        return make() if self.double is None else self.double.client(make)

    def aio_client(self, loop: AbstractEventLoop) -> Any:
        """See `AioService.client`."""
        known = self.aio.get(loop)
        if known is None or known.is_closed():
            from architect_core.resolver.aio import AioClient  # which imports asyncio, and takes time

            with self._lock:  # no other thread runs this loop, but one may close all clients
                made: list[Any] = []
                make = partial(self._make, self.factory.aio_client, made)
                client = make() if self.double is None else self.double.aio_client(make)
                known = AioClient(self.factory, client, made, loop, self.aio)
        return known.client

    @once
    def definitions(self) -> Any:
        """See `Service.defs`."""
        return self._call(self.factory.definitions)

    @once
    def servicer(self) -> Any:
        """See `CurrentService.Servicer`."""
        servicer = self._call(self.factory.servicer)
        if servicer is None:
            raise PluginError(f"service {self.name!r} serves {self.config.api!r}, which has no Servicer")
        return servicer

    def make_as(self, former: Clients) -> None:
        """Make what `former` had made, so that a reload rejects an entry for which no client can be made."""
        if is_computed(former, "client"):
            _ = self.client
        elif former.aio:
            target = self.target  # not in the `with`, because a missing plugin is a PluginError too
            with suppress(PluginError):  # the plugin has clients for asyncio alone; a plain one takes the same entry
                self.factory.close(self.factory.client(target))
        elif is_computed(former, "target"):
            _ = self.target

    def closers(self) -> list[Callable[[], None]]:
        """Forget all clients; returns functions that close them, those for asyncio in their own loops."""
        with self._lock:
            forget(self, "client")
            made, self._made = self._made, []
            aio, self.aio = list(self.aio.values()), {}
        return [*(partial(self.factory.close, each) for each in made), *(each.close_soon for each in aio)]

    def in_forked_child(self) -> Clients:
        """Returns a forked child's clients: these, or new ones if they do not survive; the parent closes its own."""
        self.aio = {}
        survives = not is_computed(self, "client") or self.factory.fork_safe
        return self if survives else replace(self)

    def _make(self, make: Callable[[Target], Any], made: list[Any]) -> Any:
        from architect_core.resolver.observing import client_observer

        observer = client_observer(self.name, str(self.config.api))
        client = self._call(make, observer)
        made.append(client)
        if observer is not None:
            observer.made(client)
        return client

    def _call(self, method: Callable[[Target], Any], observer: ClientObserver | None = None) -> Any:
        """Call the plugin; an error of its library stays as it is, with a note that names the plugin."""
        try:
            return method(self.target if observer is None else replace(self.target, observer=observer))
        except ArchitectError:
            raise
        except Exception as problem:
            problem.add_note(f"service {self.name!r}: raised in {self.plugins.owner(str(self.config.api))}")
            raise
