"""Clients: what a plugin makes for `service(name).client` and `aio.client`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from architect_core._base.address import Address, parse_address
from architect_core.contract.provided import Options, Provided
from architect_core.exceptions import ConfigError, PluginError
from architect_core.schema.config import ServiceConfig

if TYPE_CHECKING:
    from architect_core.contract.observer import ClientObserver


@dataclass(frozen=True)
class Target:
    """A service that a client is wanted for.

    Attributes:
        name: the service's name.
        config: its entry in the configuration.
        options: its `options`, as an instance of the factory's `Options`.
        where: what the configuration was read from, for error messages.
        find_root: gives the running service's own folder, where generated stubs lie; a call, because looking for it
            costs time that only some protocols need. Raises ArchitectError where there is none.
        observer: who is told of the client's calls; None for nobody. Nothing that it does fails a call.
    """

    name: str
    config: ServiceConfig
    options: Any = field(repr=False)
    where: str
    find_root: Callable[[], Path] = field(repr=False)
    observer: ClientObserver | None = field(default=None, repr=False)

    def address(self) -> Address:
        """The configured host and port, split; a ConfigError where they are no address."""
        try:
            return parse_address(self.config.host or "", self.config.port)
        except ValueError as problem:
            reason = str(problem)
        raise self.error("host", reason)

    def error(self, path: str, reason: str) -> ConfigError:
        """A ConfigError about the field at `path` of this service's entry."""
        return ConfigError(self.where, [(f"{self.name}.{path}", reason)])


class ClientFactory(Provided):
    """Makes the clients of one protocol. One instance serves all services, in any thread.

    Attributes:
        Options: the schema of a service's `options`.
        fork_safe: whether a client made before `os.fork` works in the child. Where not, the child makes a new one.
    """

    hook: ClassVar[str] = "architect_client_factory"
    Options: ClassVar[type[BaseModel]] = Options
    fork_safe: ClassVar[bool] = False

    @abstractmethod
    def client(self, target: Target) -> Any:
        """A new client for `target`. Called once for each service, in the thread that asks first.

        An error of the client's own library is raised on as it is; what is wrong with the configuration is a
        `target.error(path, reason)`.
        """

    def aio_client(self, target: Target) -> Any:
        """A new client for coroutines. Called once for each service and event loop, while that loop runs.

        Raises as `client` does. A plugin that does not override it has no clients for asyncio.
        """
        raise PluginError(f"service {target.name!r}: the plugin of {target.config.api!r} has no clients for asyncio")

    async def aio_close(self, client: Any) -> None:
        """Release what `client`, one of `aio_client`'s, holds. Called in the loop that it was made in."""
        await client.aclose()

    def aio_is_closed(self, client: Any) -> bool:  # noqa: ARG002 - likewise
        """Whether whoever uses `client`, one of `aio_client`'s, has closed it: then the next use makes a new one."""
        return False

    def definitions(self, target: Target) -> Any:  # noqa: ARG002 - for those who override it
        """What `.defs` gives: the messages of a protocol that has definitions, None for one that has none."""
        return None

    def servicer(self, target: Target) -> Any:  # noqa: ARG002 - likewise
        """What `current_service().Servicer` gives: the base class of an implementation, None where there is none."""
        return None

    def add_servicer(self, target: Target, servicer: Any, server: Any) -> None:
        """Register an implementation with a server, for protocols that have a `servicer`."""
        raise NotImplementedError

    def close(self, client: Any) -> None:
        """Release what `client` holds: its sockets."""
        client.close()
