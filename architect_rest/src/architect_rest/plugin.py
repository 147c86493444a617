"""The entry point "rest"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, PositiveFloat, PositiveInt

from architect_core import contract
from architect_core.contract import Auth, Tls, hookimpl
from architect_core.exceptions import PluginError

if TYPE_CHECKING:
    from architect_core.contract import ClientFactory, DoubleFactory, EventPublisher, ReadinessProbe, Target
    from architect_rest.aio.client import AioRestClient
    from architect_rest.client import RestClient

ARCHITECT_CONTRACT = 1


class RestOptions(contract.Options):
    """The `options` of a REST service.

    Attributes:
        connect_timeout: seconds to connect; None waits for ever.
        read_timeout: seconds that one attempt may take once it is connected; None waits for ever.
        total_timeout: seconds that a call may take with all of its attempts; None for no end.
        retries: how many attempts may follow the first one, where a call may be repeated.
        circuit_breaker: whether nothing is sent for a moment to a service that gave no answer five times in a row.
        max_answer_bytes: how large an answer may be that is not streamed, once decoded; None for no limit.
        tls: the service's authorities, and the client's certificate.
        auth: what is sent with every call.
    """

    connect_timeout: PositiveFloat | None = 3.0
    read_timeout: PositiveFloat | None = 10.0
    total_timeout: PositiveFloat | None = 30.0
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    circuit_breaker: bool = True
    max_answer_bytes: PositiveInt | None = 268_435_456
    tls: Tls | None = None
    auth: Auth | None = None


class RestClientFactory(contract.ClientFactory):
    """Makes `RestClient`s."""

    Options = RestOptions
    fork_safe: ClassVar[bool] = True

    def client(self, target: Target) -> RestClient:
        """A session whose base URL is the target's host, port and base path; "http" unless the host says "https"."""
        from architect_rest.auth import BearerAuth
        from architect_rest.client import RestClient
        from architect_rest.settings import settings

        stated, options = settings(target), target.options
        tls = stated.tls
        client = RestClient(
            stated.base_url,
            timeout=(options.connect_timeout, options.read_timeout),
            total_timeout=options.total_timeout,
            retries=options.retries,
            circuit_breaker=options.circuit_breaker,
            max_answer_bytes=options.max_answer_bytes,
            instances=stated.instances,
            weights=stated.weights,
            ca=None if tls.ca is None else str(tls.ca),
            server_name=tls.server_name,
            observer=target.observer,
        )
        if tls.certificate is not None:
            client.cert = str(tls.certificate) if tls.key is None else (str(tls.certificate), str(tls.key))
        client.headers.update(stated.headers)
        # requests fails on a text that Latin-1 has not, and takes bytes, which its annotation does not say
        client.auth = stated.login if stated.bearer is None else BearerAuth(stated.bearer)  # type: ignore[assignment]
        return client

    def aio_client(self, target: Target) -> AioRestClient:
        """An `httpx2.AsyncClient` with the same base URL and options.

        Raises:
            PluginError: httpx2 is not installed.
        """
        try:
            import httpx2  # noqa: F401 - what the extra brings
        except ModuleNotFoundError:
            needs = "its client for asyncio needs httpx2: pip install 'architect-rest[aio]'"
            raise PluginError(f"service {target.name!r}: {needs}") from None
        from architect_rest.aio.factory import make

        return make(target)

    def aio_is_closed(self, client: AioRestClient) -> bool:
        """Whether `async with` or `aclose()` has closed it."""
        return client.is_closed


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
