"""What `architect.service(name)` gives: a dependency's configuration and, on first use, its client."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from architect_core.exceptions import ArchitectError, ConfigError, PluginError
from architect_core.lazy import once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from architect_core.config import ServiceConfig
    from architect_core.contract import ClientFactory, Target
    from architect_core.plugins import Plugins


class Service:
    """A service that can be talked to.

    Attributes:
        name: its name.
        config: its entry in the configuration, readable as attributes and as a mapping.
        client: what people of its protocol use: a `requests.Session` for "rest", a stub for "grpc".
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

    @once
    def client(self) -> Any:
        """The client, made on first use and the same ever after.

        Raises:
            NoPluginError: no installed plugin serves the protocol; the message says what to install.
            ConfigError: the entry's host, port or options are wrong.
            StubError: generated stubs are missing; the message says what to run.
        """
        factory, target = self._factory, self._target
        with self._noted():
            return factory.client(target)

    @once
    def defs(self) -> Any:
        """The messages, enums and nested types of the service's definitions; None for REST. Raises as `client` does."""
        factory, target = self._factory, self._target
        with self._noted():
            return factory.definitions(target)

    def close(self) -> None:
        """Release the client's sockets; the next use of `client` makes a new one."""
        with self._lock:
            client = self.__dict__.pop("client", None)
            if client is not None:
                self._factory.close(client)

    def is_at(self, config: ServiceConfig) -> bool:
        """Whether the client of an entry is the same as this one's; what it tells subscribers is no part of that."""
        own = {"subscriptions", "datastores"}
        return self.config.model_dump(exclude=own) == config.model_dump(exclude=own)

    def settle(self, config: ServiceConfig, where: str) -> None:
        """Take an entry that says the same of the client."""
        with self._lock:
            self.config, self._where = config, where

    def move(self, found: tuple[ServiceConfig, str] | None) -> tuple[ClientFactory, object] | None:
        """Take another entry, which the next client is made of, or none; gives the former client and its factory."""
        with self._lock:
            former = self.__dict__.pop("client", None)
            factory = self.__dict__.pop("_factory", None)
            for name in ("defs", "Servicer", "_target"):
                self.__dict__.pop(name, None)
            if found is not None:
                self.config, self._where = found
        return None if former is None else (factory, former)

    @once
    def _factory(self) -> ClientFactory:
        from architect_core.contract import ClientFactory

        if self.config.api is None:
            raise ConfigError(self._where, [(f"{self.name}.api", "is null: this service serves nothing to connect to")])
        return self._plugins.get(ClientFactory, self.config.api, f"service {self.name!r}")

    @once
    def _target(self) -> Target:
        from architect_core.contract import Target
        from architect_core.validation import validate

        options = validate(self._factory.Options, self.config.options, self._where, f"{self.name}.options")
        return Target(self.name, self.config, options, self._where, self._find_root)

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
