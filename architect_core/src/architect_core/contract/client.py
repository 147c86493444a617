"""The factory of `service(name).client` and `service(name).aio.client`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from architect_core._base.address import Address, parse_address
from architect_core._base.json_text import raising
from architect_core.contract.provided import Options, Provided
from architect_core.exceptions import ConfigError, PluginError
from architect_core.schema.config import ServiceConfig

if TYPE_CHECKING:
    from architect_core.contract.observer import ClientObserver


@dataclass(frozen=True)
class Target:
    """A service to make a client for.

    Attributes:
        config: its entry in the configuration.
        options: its `options`, as an instance of the factory's `Options`.
        where: where the entry was read from, for error messages.
        find_root: returns the running service's own folder, which holds generated stubs; raises ArchitectError if there
            is none. It is a call because the search takes time, and only some protocols need it.
        observer: observes the client's calls, and never makes one fail; None if observing is off.
    """

    name: str
    config: ServiceConfig
    options: Any = field(repr=False)
    where: str
    find_root: Callable[[], Path] = field(repr=False)
    observer: ClientObserver | None = field(default=None, repr=False)

    def address(self) -> Address:
        """Returns the configured host and port, split; raises ConfigError if they are malformed."""
        return raising(partial(self.error, "host"), parse_address, self.config.host or "", self.config.port)

    def error(self, path: str, reason: str) -> ConfigError:
        """A ConfigError about the field at `path` of this service's entry; `reason` must repeat no value."""
        return ConfigError(self.where, [(f"{self.name}.{path}", reason)])


class ClientFactory(Provided):
    """Makes the clients of one protocol. One instance serves all services, in any thread.

    Attributes:
        Options: the schema of a service's `options`.
        fork_safe: whether a client made before `os.fork` works in the child. If not, the child makes a new one.
    """

    hook: ClassVar[str] = "architect_client_factory"
    Options: ClassVar[type[BaseModel]] = Options
    fork_safe: ClassVar[bool] = False

    @abstractmethod
    def client(self, target: Target) -> Any:
        """Returns a new client; called once for each service, in the thread that first needs it.

        Raises the client library's own errors, and `target.error(path, reason)` for a mistake in the configuration.
        """

    def aio_client(self, target: Target) -> Any:
        """Returns a new client for asyncio; called once for each service and event loop, while that loop runs.

        Raises as `client` does. A plugin that does not override it has no clients for asyncio.
        """
        raise PluginError(f"service {target.name!r}: the plugin of {target.config.api!r} has no clients for asyncio")

    async def aio_close(self, client: Any) -> None:
        """Release the resources of `client`, made by `aio_client`. Called in the loop that it was made in."""
        await client.aclose()

    def aio_is_closed(self, client: Any) -> bool:  # noqa: ARG002 - for subclasses
        """Whether `client`, made by `aio_client`, was closed by its user: the next use then makes a new one."""
        return False

    def definitions(self, target: Target) -> Any:  # noqa: ARG002 - likewise
        """The value of `.defs`: the messages of a protocol that has definitions, else None."""
        return None

    def servicer(self, target: Target) -> Any:  # noqa: ARG002 - likewise
        """The value of `current_service().Servicer`: the base class of an implementation, else None."""
        return None

    def add_servicer(self, target: Target, servicer: Any, server: Any) -> None:
        """Register an implementation with a server, for protocols that have a `servicer`."""
        raise NotImplementedError

    def close(self, client: Any) -> None:
        """Release the resources of `client`, such as sockets."""
        client.close()
