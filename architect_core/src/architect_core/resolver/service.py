"""What `architect.service(name)` gives: a dependency's configuration and, on first use, its client."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from architect_core._runtime.once import once
from architect_core.exceptions import ArchitectError, ConfigError, PluginError, UnknownServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from architect_core.contract.client import ClientFactory, Target
    from architect_core.plugins.registry import Plugins
    from architect_core.resolver.aio import AioService
    from architect_core.schema.config import ServiceConfig


class Service:
    """A service that can be talked to.

    Attributes:
        name: its name.
        config: its entry in the configuration, readable as attributes and as a mapping.
        client: what people of its protocol use: a `requests.Session` for "rest", a stub for "grpc".
        aio: the same for coroutines, as `aio.client`: an `httpx2.AsyncClient` for "rest", `grpc.aio`'s rpcs for "grpc".
        defs: the messages of a protocol that has definitions, None for one that has none.
    """

    def __init__(
        self, name: str, config: ServiceConfig, where: str, plugins: Plugins, find_root: Callable[[], Path]
    ) -> None:
        self.name = name
        self.config = config
        self._where = where
        self._plugins = plugins
        self._find_root = find_root
        self._lock = threading.RLock()
        # gives the services that there are, where this one is gone
        self._others: Callable[[], Collection[str]] | None = None

    @once
    def client(self) -> Any:
        """The client, made on first use and the same ever after.

        Raises:
            NoPluginError: no installed plugin serves the protocol, or is the observer that `ARCHITECT_OBSERVER` names;
                the message says what to install.
            ConfigError: the entry's host, port or options are wrong.
            StubError: generated stubs are missing; the message says what to run.
            UnknownServiceError: a reload found that the configuration has no such service any more.
        """
        factory, target = self._factory, self._observed_target()
        with self._noted():
            client = factory.client(target)
        if target.observer is not None:
            target.observer.made(client)
        return client

    @once
    def aio(self) -> AioService:
        """Clients for asyncio, one for each event loop. Those of them that cannot be had are told by `aio.client`."""
        from architect_core.resolver.aio import AioService

        return AioService(self.name, self._aio_client, self._lock)

    def _aio_client(self) -> tuple[ClientFactory, Any]:
        factory, target = self._factory, self._observed_target()
        with self._noted():
            client = factory.aio_client(target)
        if target.observer is not None:
            target.observer.made(client)
        return factory, client

    @once
    def defs(self) -> Any:
        """The messages, enums and nested types of the service's definitions; None for REST. Raises as `client` does."""
        factory, target = self._factory, self._target
        with self._noted():
            return factory.definitions(target)

    def close(self) -> None:
        """Release the sockets of all clients; the next use of one makes a new one.

        Those for asyncio are closed by their event loops, when those run next.
        """
        with self._lock:
            closers = self._take()
        for close in closers:
            close()

    def is_at(self, config: ServiceConfig) -> bool:
        """Whether the client of an entry is the same as this one's; what it tells subscribers is no part of that."""
        own = {"subscriptions", "datastores"}
        return self.config.model_dump(exclude=own) == config.model_dump(exclude=own)

    def settle(self, config: ServiceConfig, where: str) -> None:
        """Take an entry that says the same of the client."""
        with self._lock:
            self.config, self._where = config, where

    def successor(self, config: ServiceConfig, where: str) -> Service:
        """What it would be with another entry.

        Its client is made if this one's is in use, so that what is wrong with the entry is told before it counts.
        """
        new = type(self)(self.name, config, where, self._plugins, self._find_root)
        if "client" in self.__dict__:
            _ = new.client
        elif "aio" in self.__dict__ and self.aio.is_used:
            # one for asyncio needs the loop that asks for it, and takes the same entry
            factory, target = new._factory, new._target  # noqa: SLF001 - one of its own kind
            with suppress(PluginError):  # there are plugins that have clients for asyncio alone
                factory.close(factory.client(target))
        elif "_target" in self.__dict__:
            _ = new._target  # noqa: SLF001 - one of its own kind
        return new

    def move(self, successor: Service) -> list[Callable[[], None]]:
        """Become what a successor is, with its client; gives what closes the former clients."""
        with self._lock:
            closers = self._forget()
            self.config, self._where, self._others = successor.config, successor._where, None
            for name in ("_factory", "_target", "client"):
                if name in successor.__dict__:
                    self.__dict__[name] = successor.__dict__[name]
        return closers

    def leave(self, others: Callable[[], Collection[str]]) -> list[Callable[[], None]]:
        """Have no client any more, because there are only the `others`; gives what closes the former clients."""
        with self._lock:
            closers = self._forget()
            self._others = others
        return closers

    def _forget(self) -> list[Callable[[], None]]:
        """Forget what was made of the entry; gives what closes each client."""
        closers = self._take()
        for name in ("_factory", "_target", "defs", "Servicer"):
            self.__dict__.pop(name, None)
        return closers

    def _take(self) -> list[Callable[[], None]]:
        """Forget the clients; gives what closes each."""
        closers = self.aio.take() if "aio" in self.__dict__ else []
        client = self.__dict__.pop("client", None)
        return closers if client is None else [partial(self._factory.close, client), *closers]

    @once
    def _factory(self) -> ClientFactory:
        from architect_core.contract.client import ClientFactory

        if self._others is not None:
            raise UnknownServiceError(self.name, self._others())
        if self.config.api is None:
            raise ConfigError(self._where, [(f"{self.name}.api", "is null: this service serves nothing to connect to")])
        return self._plugins.get(ClientFactory, self.config.api, f"service {self.name!r}")

    @once
    def _target(self) -> Target:
        from architect_core.contract.client import Target
        from architect_core.schema.validation import validate

        options = validate(self._factory.Options, self.config.options, self._where, f"{self.name}.options")
        return Target(self.name, self.config, options, self._where, self._find_root)

    def _observed_target(self) -> Target:
        """The target with who is told of the calls of the client that is made for it."""
        from dataclasses import replace

        from architect_core.resolver.observing import client_observer

        observer = client_observer(self.name, str(self.config.api))
        return self._target if observer is None else replace(self._target, observer=observer)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """An error of the client's library stays what it is, and gets a note that says which plugin called it."""
        try:
            yield
        except ArchitectError:
            raise
        except Exception as problem:
            problem.add_note(f"service {self.name!r}: raised in {self._plugins.owner(str(self.config.api))}")
            raise

    def _after_fork_in_child(self) -> None:
        self._lock = threading.RLock()  # another thread of the parent may have held it
        if "client" in self.__dict__ and not self._factory.fork_safe:
            del self.__dict__["client"]
        if "aio" in self.__dict__:
            self.__dict__.pop("aio").leave_to_parent()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, api={self.config.api!r})"


class CurrentService(Service):
    """The running service itself.

    Attributes:
        Servicer: the base class of its implementation, for a protocol that has one, such as gRPC.
    """

    @once
    def Servicer(self) -> Any:  # noqa: N802 - the name that gRPC users know
        """The base class to implement the service with.

        Raises:
            PluginError: its protocol has none.
        """
        factory, target = self._factory, self._target
        with self._noted():
            servicer = factory.servicer(target)
        if servicer is None:
            raise PluginError(f"service {self.name!r} serves {self.config.api!r}, which has no Servicer")
        return servicer

    def add_servicer(self, servicer: Any, server: Any) -> None:
        """Register `servicer`, an instance of a subclass of `Servicer`, with `server`."""
        _ = self.Servicer  # tells of a protocol that has none
        self._factory.add_servicer(self._target, servicer, server)
