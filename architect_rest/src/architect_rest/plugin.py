"""The entry point "rest"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import PositiveFloat

from architect_core import contract
from architect_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from architect_core.contract import ClientFactory, DoubleFactory, EventPublisher, ReadinessProbe, Target
    from architect_rest.client import RestClient

ARCHITECT_CONTRACT = 1

_DEFAULT_PORTS = {"http": 80, "https": 443}


class RestOptions(contract.Options):
    """The `options` of a REST service.

    Attributes:
        connect_timeout: seconds to connect; None waits for ever.
        read_timeout: seconds to wait for each part of the answer; None waits for ever.
    """

    connect_timeout: PositiveFloat | None = 3.0
    read_timeout: PositiveFloat | None = 10.0


class RestClientFactory(contract.ClientFactory):
    """Makes `RestClient`s."""

    Options = RestOptions
    fork_safe: ClassVar[bool] = True

    def client(self, target: Target) -> RestClient:
        """A session whose base URL is the target's host, port and base path; "http" unless the host says "https"."""
        from architect_rest.client import RestClient

        address = target.address()
        scheme = address.scheme or "http"
        if scheme not in _DEFAULT_PORTS:
            raise target.error("host", "a REST service's host starts with http://, https:// or no scheme")
        if address.port is None and not address.scheme:
            raise target.error("port", "is missing")
        # written even where it is the scheme's own: a Host header then says what was configured
        base_url = f"{scheme}://{address.netloc}{address.path}"
        options: Any = target.options
        client = RestClient(base_url, timeout=(options.connect_timeout, options.read_timeout))
        if address.username is not None:
            client.auth = (address.username, address.password or "")
        return client


@hookimpl
def architect_client_factory() -> ClientFactory:
    """Makes the clients."""
    return RestClientFactory()


@hookimpl
def architect_event_publisher() -> EventPublisher:
    """Posts events."""
    from architect_rest.publisher import RestPublisher

    return RestPublisher()


@hookimpl
def architect_readiness_probe() -> ReadinessProbe:
    """Tells whether a service takes calls."""
    from architect_rest.readiness import RestReadinessProbe

    return RestReadinessProbe()


@hookimpl
def architect_double_factory() -> DoubleFactory:
    """Stands in for services in tests."""
    from architect_rest.double import RestDoubleFactory

    return RestDoubleFactory()
