"""The entry point "rest"."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from architect_core import contract
from architect_core.contract import hookimpl
from architect_core.exceptions import PluginError
from architect_rest.settings import RestOptions, settings

if TYPE_CHECKING:
    from architect_core.contract import ClientFactory, DoubleFactory, ReadinessProbe, Target
    from architect_rest.aio.client import AioRestClient
    from architect_rest.sync.client import RestClient

ARCHITECT_CONTRACT = 2


class RestClientFactory(contract.ClientFactory):
    """Makes `RestClient`s."""

    Options = RestOptions
    fork_safe: ClassVar[bool] = True

    def client(self, target: Target) -> RestClient:
        """A `requests.Session` with the base URL and the options of the service's entry.

        Raises:
            ConfigError: the entry is wrong.
        """
        from architect_rest.sync.client import BearerAuth, RestClient

        stated = settings(target)
        options, tls = stated.options, stated.tls
        client = RestClient(
            stated.base_url,
            timeout=(options.connect_timeout, options.read_timeout),
            ca=None if tls.ca is None else str(tls.ca),
            **stated.common,
        )
        if tls.certificate is not None:
            client.cert = str(tls.certificate) if tls.key is None else (str(tls.certificate), str(tls.key))
        client.headers.update(stated.headers)
        # as bytes, because requests encodes a text in Latin-1; its annotation does not say that it takes them
        client.auth = stated.login if stated.bearer is None else BearerAuth(stated.bearer)  # type: ignore[assignment]
        return client

    def aio_client(self, target: Target) -> AioRestClient:
        """An `httpx2.AsyncClient` with the base URL and the options of the service's entry.

        Raises:
            ConfigError: the entry is wrong, or a certificate cannot be read.
            PluginError: httpx2 is not installed.
        """
        try:
            import httpx2
        except ModuleNotFoundError:
            needs = "its client for asyncio needs httpx2: pip install 'architect-rest[aio]'"
            raise PluginError(f"service {target.name!r}: {needs}") from None
        from architect_rest.aio.client import AioRestClient, BearerAuth
        from architect_rest.aio.connections import ssl_context

        stated = settings(target)
        return AioRestClient(
            stated.base_url,
            timeout=httpx2.Timeout(stated.options.read_timeout, connect=stated.options.connect_timeout),
            verify=ssl_context(stated.tls),
            auth=stated.login if stated.bearer is None else BearerAuth(stated.bearer),
            # as bytes, because httpx2 encodes a text in ASCII
            headers={name.encode(): value.encode("latin-1") for name, value in stated.headers.items()},
            **stated.common,
        )

    def aio_is_closed(self, client: AioRestClient) -> bool:
        """Whether `async with` or `aclose()` has closed the client."""
        return client.is_closed


@hookimpl
def architect_client_factory() -> ClientFactory:
    return RestClientFactory()


@hookimpl
def architect_readiness_probe() -> ReadinessProbe:
    from architect_rest.readiness import RestReadinessProbe

    return RestReadinessProbe()


@hookimpl
def architect_double_factory() -> DoubleFactory:
    from architect_rest.doubles import RestDoubleFactory

    return RestDoubleFactory()
