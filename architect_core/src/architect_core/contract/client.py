"""The factory of `service(name).client` and `service(name).aio.client`, and the options that clients share."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, Field, model_validator

from architect_core._base.address import Address, parse_address
from architect_core._base.files import read_file
from architect_core._base.json_text import raising
from architect_core.contract.hooks import Options, Provided
from architect_core.contract.observer import ClientObserver
from architect_core.exceptions import ConfigError, PluginError
from architect_core.schema.base import Strict
from architect_core.schema.config import ServiceConfig
from architect_core.schema.fields import AbsolutePath, HeaderName, HeaderValue


@dataclass(frozen=True)
class Target:
    """A service to make a client for.

    Attributes:
        config: its entry in the configuration.
        options: its `options`, as an instance of the factory's `Options`.
        where: where the entry was read from, for error messages.
        find_root: searches the running service's own folder, which holds generated stubs; raises ArchitectError if
            there is none.
        observer: observes the client's calls, and never makes one fail; None if observing is off.
        shared: what all clients of this entry share, such as a circuit breaker; filled by the factory, in any thread.
    """

    name: str
    config: ServiceConfig
    options: Any = field(repr=False)
    where: str
    find_root: Callable[[], Path] = field(repr=False)
    observer: ClientObserver | None = field(default=None, repr=False)
    shared: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def address(self) -> Address:
        """Returns the configured host and port, split; raises ConfigError if they are malformed."""
        return raising(partial(self.error, "host"), parse_address, self.config.host or "", self.config.port)

    def error(self, path: str, reason: str) -> ConfigError:
        """A ConfigError about the field at `path` of this service's entry; `reason` must repeat no value."""
        return ConfigError(self.where, [(f"{self.name}.{path}", reason)])


class ClientFactory(Provided):
    """Makes the clients of one protocol. One instance serves all services, in any thread.

    `Options` is the schema of a service's `options`. If a client made before `os.fork` does not work in the child, the
    factory is not `fork_safe`, and the child makes a new client.
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


class Tls(Strict):
    """The option `tls`: files, in PEM, are read again when they change (see `architect.watch`).

    Attributes:
        ca: certificates of the trusted authorities; the protocol's defaults if None.
        certificate: the client's certificate; its `key` may be in the same file.
        server_name: the name in the server's certificate, if it is not the host's.
    """

    ca: AbsolutePath | None = None
    certificate: AbsolutePath | None = None
    key: AbsolutePath | None = None
    server_name: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _has_certificate(self) -> Self:
        if self.key is not None and self.certificate is None:
            raise ValueError("has a key and no certificate")
        return self

    def check(self, target: Target) -> None:
        """Read the files of the service `target`, to find a mistake before the first call.

        Raises ConfigError if a file cannot be read or is not the right kind of PEM, or the key is encrypted.
        """
        import ssl

        for name, file in self.model_dump(include={"ca", "certificate", "key"}, exclude_none=True).items():
            # read with each connection, which a pipe does not allow
            is_other = os.path.exists(file) and not os.path.isfile(file)  # noqa: PTH110, PTH113 - these raise nothing
            reason = "is no file" if is_other else read_file(str(file), most=16)[1]
            if reason:
                raise target.error(f"options.tls.{name}", reason)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            wrong = "ca", "has no certificate in PEM"
            if self.ca is not None:
                context.load_verify_locations(self.ca)
            wrong = "certificate", "must be a certificate in PEM, and `key` its key, not encrypted"
            if self.certificate is not None:
                # without a password OpenSSL prompts on the terminal
                context.load_cert_chain(self.certificate, self.key, password="")
        except (ssl.SSLError, ValueError):
            name, reason = wrong
        else:
            return
        raise target.error(f"options.tls.{name}", reason)


class Auth(Strict):
    """The option `auth`: sent with every call, to the service's own origin only.

    `bearer` is a token, sent as `Authorization: Bearer ...`; `username` and `password` are sent as `Authorization:
    Basic ...`; `headers` may have an API key. A value may be a pointer, such as `{"$file": "/run/secrets/token"}`.
    """

    bearer: HeaderValue | None = Field(default=None, repr=False)
    username: str | None = None
    password: str | None = Field(default=None, repr=False)
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict, repr=False)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("has only one of username and password")
        if self.bearer is not None and self.username is not None:
            raise ValueError("has a bearer token and a username; a call has one of them")
        return self
