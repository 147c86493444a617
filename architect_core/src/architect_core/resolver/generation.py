"""A service as it is at one time: its entry, and the clients that are made of it."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from architect_core._base.signatures import files_in, signatures
from architect_core._runtime import ForkSafeLock, once
from architect_core.contract.client import ClientFactory, Target
from architect_core.exceptions import ArchitectError, ConfigError, PluginError
from architect_core.schema.validation import validate

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from architect_core.contract.double import Double
    from architect_core.plugins.registry import Plugins
    from architect_core.resolver.aio import AioClient
    from architect_core.schema.config import ServiceConfig


@dataclass(eq=False)
class Clients:
    """The clients of one entry, each made on first use; in a test, by the double that replaces the service."""

    name: str
    config: ServiceConfig
    where: str
    plugins: Plugins
    find_root: Callable[[], Path]
    double: Double | None

    def __post_init__(self) -> None:
        self.files = signatures(files_in(self.config.options))  # such as certificates
        self._lock = ForkSafeLock()
        self._made: list[Any] = []  # what the factory made, which is not always what a double returns
        self._aio: dict[AbstractEventLoop, AioClient] = {}

    def fit(self, config: ServiceConfig, double: Double | None) -> bool:
        """Whether those of another entry would be the same; subscriptions and datastores make no difference."""
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
            raise ConfigError(self.where, [(path, "is null: this service serves nothing to connect to")])
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
        known = self._aio.get(loop)
        if known is None or known.is_closed():
            from architect_core.resolver.aio import AioClient  # which imports asyncio, and takes time

            with self._lock:  # no other thread runs this loop, but one may close all clients
                made: list[Any] = []
                make = partial(self._make, self.factory.aio_client, made)
                client = make() if self.double is None else self.double.aio_client(make)
                known = AioClient(self.factory, client, made, loop, self._aio)
        return known.client

    async def aio_close(self, loop: AbstractEventLoop) -> None:
        """Release what the client of `loop`, which runs, holds."""
        known = self._aio.get(loop)
        if known is not None:
            await known.close()

    @once
    def definitions(self) -> Any:
        """See `Service.defs`."""
        with self._noted():
            return self.factory.definitions(self.target)

    @once
    def servicer(self) -> Any:
        """See `CurrentService.Servicer`."""
        with self._noted():
            servicer = self.factory.servicer(self.target)
        if servicer is None:
            raise PluginError(f"service {self.name!r} serves {self.config.api!r}, which has no Servicer")
        return servicer

    def make_as(self, former: Clients) -> None:
        """Make what `former` had made, so that an entry that makes none is refused before it is used."""
        if "client" in vars(former):
            _ = self.client
        elif former._aio:
            # a client for asyncio needs the loop that asks for it; a plain one takes the same entry
            with suppress(PluginError):  # the plugin has clients for asyncio alone
                self.factory.close(self.factory.client(self.target))
        elif "target" in vars(former):
            _ = self.target

    def closers(self) -> list[Callable[[], None]]:
        """Forget all clients; returns what closes each, those for asyncio in their own loops."""
        with self._lock:
            vars(self).pop("client", None)
            made, self._made = self._made, []
            aio, self._aio = list(self._aio.values()), {}
        return [*(partial(self.factory.close, each) for each in made), *(each.close_soon for each in aio)]

    def in_forked_child(self) -> Clients:
        """What a forked child goes on with: these, or new ones if they do not survive; the parent closes its own."""
        self._aio = {}
        survives = "client" not in vars(self) or self.factory.fork_safe
        return self if survives else replace(self)

    def _make(self, make: Callable[[Target], Any], made: list[Any]) -> Any:
        from architect_core.resolver.observing import client_observer

        observer = client_observer(self.name, str(self.config.api))
        target = self.target if observer is None else replace(self.target, observer=observer)
        with self._noted():
            client = make(target)
        made.append(client)
        if observer is not None:
            observer.made(client)
        return client

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Leave an error of the client's library as it is, with a note that names the plugin."""
        try:
            yield
        except ArchitectError:
            raise
        except Exception as problem:
            problem.add_note(f"service {self.name!r}: raised in {self.plugins.owner(str(self.config.api))}")
            raise


@dataclass(frozen=True)
class Generation:
    """A service as it is at one time. A reload, a fork or a double replaces it by the next one.

    Attributes:
        config: its entry; None if it never had one.
        clients: what is made of the entry; None if the service does not exist.
        unknown: returns the error that every use raises; None if the service exists.
    """

    config: ServiceConfig | None
    clients: Clients | None = None
    unknown: Callable[[], ArchitectError] | None = None

    def use(self) -> Clients:
        """The clients; raises the error if the service does not exist."""
        if self.unknown is not None:
            raise self.unknown()
        assert self.clients is not None  # noqa: S101 - one of the two is there
        return self.clients
