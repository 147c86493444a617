"""The connections of one client, and the bodies that are sent and read on them."""

from __future__ import annotations

import ssl
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import httpx2

from architect_core.clock import monotonic
from architect_rest.aio.errors import AnswerTooLargeError
from architect_rest.policy.limits import too_large

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from architect_core.contract import Tls

_MAX_AGE = 30.0  # seconds
# the transport limits how many requests are sent at a time, and with it how many connections are open
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=256, keepalive_expiry=5.0)


class Connections:
    """Connections to one endpoint, or to any host.

    Those to a host name are not used for longer than 30 seconds, so that a change in DNS takes effect.
    """

    def __init__(self, proxy: str | None, verify: ssl.SSLContext | bool, *, lasting: bool) -> None:
        """Open no connection yet; `lasting` are those to an IP address, which no change in DNS affects."""
        self._proxy = proxy
        self._verify = verify
        self._lasting = lasting
        self._pool = self._new()
        self._former: set[_Pool] = set()

    def _new(self) -> _Pool:
        return _Pool(httpx2.AsyncHTTPTransport(verify=self._verify, limits=_LIMITS, proxy=self._proxy))

    async def send(self, request: httpx2.Request) -> httpx2.Response:
        """The response to a request, of which only the head was read."""
        pool = self._pool
        if not self._lasting and monotonic() - pool.began > _MAX_AGE:
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
        assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - the transport is asynchronous
        response.stream = _Stream(response.stream, pool)
        return response

    async def _close_former(self) -> None:
        for pool in [each for each in self._former if not each.active]:
            self._former.discard(pool)
            await pool.transport.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in (self._pool, *self._former):
            await pool.transport.aclose()
        self._former.clear()


class _Pool:
    def __init__(self, transport: httpx2.AsyncHTTPTransport) -> None:
        self.transport = transport
        self.began = monotonic()
        self.active = 0


class _Stream(httpx2.AsyncByteStream):
    """A response's body, which counts as active in its pool until it is closed."""

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


class OnceBody(httpx2.AsyncByteStream):
    """A request's body that is produced while it is sent, so that it can be sent once.

    Attributes:
        is_begun: whether a part of it was read.
    """

    def __init__(self, body: Any) -> None:
        self._body = body
        self.is_begun = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.is_begun = True
        async for part in self._body:
            yield part


async def read(response: httpx2.Response, max_answer_bytes: int | None) -> None:
    """Read a response's body, which `response.content` then returns; the response is closed if that fails.

    Raises:
        AnswerTooLargeError: the body is longer than `max_answer_bytes`, once decoded.
    """
    parts, size = [], 0
    try:
        async with aclosing(response.aiter_bytes()) as content:
            async for part in content:
                size += len(part)
                if max_answer_bytes is not None and size > max_answer_bytes:
                    raise AnswerTooLargeError(too_large(max_answer_bytes, "client.stream()"))  # noqa: TRY301 - closed below
                parts.append(part)
    except BaseException:
        await response.aclose()
        raise
    response._content = b"".join(parts)  # noqa: SLF001 - where `content` keeps the body


def ssl_context(tls: Tls) -> ssl.SSLContext | bool:
    """`options.tls` of a service, as httpx2 takes it for `verify`; True if it is empty.

    Raises:
        OSError: a certificate cannot be read.
    """
    if tls.ca is None and tls.certificate is None:
        return True
    context = httpx2.create_ssl_context() if tls.ca is None else ssl.create_default_context(cafile=tls.ca)
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key)
    return context
