"""The entry point "rest"."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from architect_core import contract
from architect_core.contract import hookimpl
from architect_core.exceptions import PluginError
from architect_rest.settings import RestOptions

if TYPE_CHECKING:
    from architect_core.contract import ClientFactory, DoubleFactory, EventPublisher, ReadinessProbe, Target
    from architect_rest.aio.client import AioRestClient
    from architect_rest.sync.client import RestClient

ARCHITECT_CONTRACT = 1


class RestClientFactory(contract.ClientFactory):
    """Makes `RestClient`s."""

    Options = RestOptions
    fork_safe: ClassVar[bool] = True

    def client(self, target: Target) -> RestClient:
        """A `requests.Session` with the base URL and the options of the service's entry."""
        from architect_rest.sync.factory import make

        return make(target)

    def aio_client(self, target: Target) -> AioRestClient:
        """An `httpx2.AsyncClient` with the base URL and the options of the service's entry.

        Raises:
            PluginError: httpx2 is not installed.
        """
        try:
            import httpx2  # noqa: F401 - what the extra installs
        except ModuleNotFoundError:
            needs = "its client for asyncio needs httpx2: pip install 'architect-rest[aio]'"
            raise PluginError(f"service {target.name!r}: {needs}") from None
        from architect_rest.aio.factory import make

        return make(target)

    def aio_is_closed(self, client: AioRestClient) -> bool:
        """Whether `async with` or `aclose()` has closed the client."""
        return client.is_closed


@hookimpl
def architect_client_factory() -> ClientFactory:
    """Makes the clients."""
    return RestClientFactory()


@hookimpl
def architect_event_publisher() -> EventPublisher:
    """Posts events."""
    from architect_rest.sync.publisher import RestPublisher

    return RestPublisher()


@hookimpl
def architect_readiness_probe() -> ReadinessProbe:
    """Checks whether a service is ready."""
    from architect_rest.readiness import RestReadinessProbe

    return RestReadinessProbe()


@hookimpl
def architect_double_factory() -> DoubleFactory:
    """Makes the doubles of services."""
    from architect_rest.doubles import RestDoubleFactory

    return RestDoubleFactory()
