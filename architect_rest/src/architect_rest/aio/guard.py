"""What every request of a client passes, whichever transport sends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2

from architect_rest.aio.errors import ForeignOriginError
from architect_rest.policy.origin import DEFAULT_PORTS, Origin

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

    from architect_rest.policy.scope import Chain, Scope

CHAIN = "architect_rest.chain"
"""The extension with a request's `Chain`. httpx2 hands it on to redirects; what a login flow asks itself has none."""

_SCHEMES = {"ws": "http", "wss": "https"}  # a web socket begins as a request


class Guard(httpx2.AsyncBaseTransport):
    """A transport above another one: it removes from redirects what must not leave the service.

    Attributes:
        transport: the one that sends.
    """

    def __init__(self, scope: Scope, transport: httpx2.AsyncBaseTransport) -> None:
        self.transport = transport
        self._scope = scope

    def handle_async_request(self, request: httpx2.Request) -> Coroutine[Any, Any, httpx2.Response]:
        """Called by httpx2 to send `request`, also for redirects.

        Raises:
            ForeignOriginError: a redirect would take the request's body to another origin.
        """
        chain: Chain | None = request.extensions.get(CHAIN)
        if chain is not None and chain.first() is not request:
            found = origin_of(request.url)
            reason = self._scope.reason_to_refuse(found, "", chain, has_body=_has_body(request))
            if reason is not None:
                raise ForeignOriginError(reason)
            for name in self._scope.private_headers(request.headers, found, chain, but="host"):
                del request.headers[name]
        return self.transport.handle_async_request(request)

    async def __aenter__(self) -> Guard:
        await self.transport.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.transport.__aexit__(exc_type, exc_value, traceback)

    async def aclose(self) -> None:
        """Close the transport that sends."""
        await self.transport.aclose()


def _has_body(request: httpx2.Request) -> bool:
    return "Transfer-Encoding" in request.headers or request.headers.get("Content-Length", "0") != "0"


def origin_of(url: httpx2.URL | str) -> Origin | None:
    """The origin of a URL; None if it has none.

    >>> str(origin_of("wss://user@Billing/v1"))
    'https://billing:443'
    """
    if isinstance(url, str):
        try:
            url = httpx2.URL(url)
        except httpx2.InvalidURL:
            return None
    scheme, host = url.scheme, url.host  # once: each time they are parsed anew
    scheme = _SCHEMES.get(scheme, scheme)
    if not scheme or not host:
        return None
    host = f"[{host}]" if ":" in host else host
    return Origin(scheme, host, url.port or DEFAULT_PORTS.get(scheme))
