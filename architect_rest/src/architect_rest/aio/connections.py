"""The connections of one client."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import httpx2
from requests.utils import get_environ_proxies, select_proxy

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

_LONGEST_USE = 30.0  # seconds
# how many are opened is decided by how many calls are let through
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=256, keepalive_expiry=5.0)


def proxy_to(url: str) -> str | None:
    """The proxy that the environment, as requests reads it, says for a URL."""
    found: str | None = select_proxy(url, get_environ_proxies(url, no_proxy=None))
    return found if found is None or "://" in found else f"http://{found}"


class Connections:
    """Connections to one place, or to any.

    Those to a host name are not used for longer than half a minute, so that a name that leads elsewhere is followed.
    """

    def __init__(self, proxy: str | None, verify: ssl.SSLContext | bool, *, lasting: bool) -> None:
        """Make them; nothing is connected to.

        Args:
            proxy: the URL of a proxy.
            verify: as httpx2 takes it.
            lasting: whether where they lead to cannot change.
        """
        self._proxy = proxy
        self._verify = verify
        self._lasting = lasting
        self._pool = self._new()
        self._former: set[_Pool] = set()

    def _new(self) -> _Pool:
        return _Pool(httpx2.AsyncHTTPTransport(verify=self._verify, limits=_LIMITS, proxy=self._proxy))

    async def send(self, request: httpx2.Request) -> httpx2.Response:
        """The answer to a request, of which nothing was read."""
        pool = self._pool
        if not self._lasting and monotonic() - pool.began > _LONGEST_USE:
            self._former.add(pool)
            self._pool = self._new()
            await self._close_former()
            pool = self._pool
        pool.active += 1
        try:
            response = await pool.transport.handle_async_request(request)
        except BaseException:
            pool.active -= 1
            raise
        assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - what the transport promises
        response.stream = _Stream(response.stream, pool)
        return response

    async def _close_former(self) -> None:
        for pool in [each for each in self._former if not each.active]:
            self._former.discard(pool)
            await pool.transport.aclose()

    async def aclose(self) -> None:
        """Close all."""
        for pool in (self._pool, *self._former):
            await pool.transport.aclose()
        self._former.clear()


class _Pool:
    def __init__(self, transport: httpx2.AsyncHTTPTransport) -> None:
        self.transport = transport
        self.began = monotonic()
        self.active = 0


class _Stream(httpx2.AsyncByteStream):
    """An answer's body, which tells its pool when it is done with."""

    def __init__(self, stream: httpx2.AsyncByteStream, pool: _Pool) -> None:
        self._stream = stream
        self._pool: _Pool | None = pool

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()

    async def aclose(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.active -= 1
        await self._stream.aclose()
