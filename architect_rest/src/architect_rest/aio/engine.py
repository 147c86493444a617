"""A transport of httpx2 over architect's own HTTP/1.1 (`architect_rest.http`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import httpx2

from architect_rest.http.errors import (
    AnswerTimeoutError,
    ClosedError,
    MalformedError,
    ProxyError,
    RequestError,
    SendTimeoutError,
)
from architect_rest.http.exchange import Timeouts
from architect_rest.http.opening import Route
from architect_rest.http.pool import Pool, Pools
from architect_rest.http.requests import framed, framing, head_of
from architect_rest.policy.limits import shortest
from architect_rest.policy.origin import DEFAULT_PORTS, is_address

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from architect_rest.http.connection import Connection
    from architect_rest.http.exchange import Answer
    from architect_rest.http.opening import Context
    from architect_rest.http.proxies import Proxy

END = "architect_rest.end"
"""The extension of a request that says when its response must have been read, as a time of the event loop."""

_MAX_JOINED_BODY = 65_536  # bytes that are sent with the head
_MAX_AGE = 30.0  # seconds for which a connection to a name is used, so that a change in DNS takes effect
_IDLE_SECONDS = 5.0
_MAX_IDLE = 256  # connections
_SCHEMES = {"ws": "http", "wss": "https"}


class EngineTransport(httpx2.AsyncBaseTransport):
    """Sends requests in HTTP/1.1, directly or through a proxy.

    It does what `httpx2.AsyncHTTPTransport` does, with the same errors; but for HTTP/2, SOCKS, web sockets and the
    extension "trace", see `is_for`.
    """

    def __init__(self, context: Context, proxy: Proxy | None = None) -> None:
        """Open no connection yet; `context` is called for a connection over TLS."""
        self._context = context
        self._proxy = proxy
        self._pools = Pools(context, httpx2.create_ssl_context, idle_seconds=_IDLE_SECONDS, max_idle=_MAX_IDLE)

    @staticmethod
    def is_for(request: httpx2.Request) -> bool:
        """Whether the transport can send a request."""
        return "Upgrade" not in request.headers and "trace" not in request.extensions and request.method != "CONNECT"

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Called by httpx2."""
        extensions = request.extensions
        timeout, end = extensions.get("timeout", {}), extensions.get(END)
        url = request.url
        route = _route(url.scheme, url.raw_host, url.port, extensions.get("sni_hostname"), self._proxy)
        timeouts = Timeouts(end, timeout.get("read"), timeout.get("write"))
        try:
            data, body = self._request(request, route)
            pool = self._pools.current()
            connection = pool.take(route)
            if connection is None:
                connection = await self._connect(pool, route, timeout.get("connect"), end)
            answer = await connection.request(data, timeouts, body, is_bodiless=request.method == "HEAD")
        except _ERRORS as problem:
            raise _mapped(problem) from problem
        head = answer.head
        about = {"http_version": head.version, "reason_phrase": head.reason, "network_stream": _Network(connection)}
        return httpx2.Response(head.status, headers=head.fields, stream=EngineStream(answer), extensions=about)

    def _request(self, request: httpx2.Request, route: Route) -> tuple[bytes, Any]:
        """Returns the head of a request, with its body if that is there, and the body if it is not."""
        fields = request.headers.raw
        target = request.extensions.get("target") or request.url.raw_path
        proxy = route.proxy
        if proxy is not None and route.server_name is None:
            target = b"http://%b%b" % (request.url.netloc, target)
            if proxy.login:
                fields = [*fields, (b"Proxy-Authorization", proxy.login.encode())]
        length = framing(fields)
        if length is None:  # with a length as well, two servers could see different ends (RFC 9112, 6.2)
            fields = [each for each in fields if each[0].lower() != b"content-length"]
        head = head_of(request.method.encode(), target, fields)
        if isinstance(request.stream, httpx2.ByteStream):
            content = b"".join(request.stream)
            if len(content) == length and len(content) <= _MAX_JOINED_BODY:
                return head + content, None
        assert isinstance(request.stream, AsyncIterable)  # noqa: S101 - httpx2 has checked it
        return head, framed(request.stream, length)

    async def _connect(self, pool: Pool, route: Route, seconds: float | None, end: float | None) -> Connection:
        """Returns a new connection, in `seconds` for all addresses of the host together."""
        if route.server_name is not None:
            self._context()  # the first time it takes long, which is no fault of the host's
        try:
            async with asyncio.timeout_at(shortest([None if seconds is None else pool.loop.time() + seconds, end])):
                return await pool.connect(route)
        except TimeoutError as problem:
            raise httpx2.ConnectTimeout("no connection could be made in time") from problem
        except ProxyError as problem:
            raise httpx2.ProxyError(str(problem)) from problem
        except OSError as problem:
            # asyncio's has no message where the peer leaves during the handshake
            raise httpx2.ConnectError(str(problem) or "the connection ended before TLS began") from problem

    async def aclose(self) -> None:
        """Close all connections."""
        self._pools.close()
        await asyncio.sleep(0)  # asyncio closes them in the next round of the loop


@lru_cache(1024)
def _route(scheme: str, host: bytes, port: int | None, name: str | None, proxy: Proxy | None) -> Route:
    scheme = _SCHEMES.get(scheme, scheme)
    if scheme not in DEFAULT_PORTS:
        raise httpx2.UnsupportedProtocol("a URL must begin with http:// or https://")
    text = host.decode("ascii")
    name = None if scheme == "http" else name or text
    return Route(text, port or DEFAULT_PORTS[scheme], name, proxy, None if is_address(text) else _MAX_AGE)


class EngineStream(httpx2.AsyncByteStream):
    """The body of a response."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.parts()

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes."""
        try:
            while part := await self._answer.read():
                yield part
        except _ERRORS as problem:
            raise _mapped(problem) from problem
        finally:
            self._answer.close()

    def relax(self) -> None:
        """Let the rest take as long as it keeps coming."""
        self._answer.relax()

    async def aclose(self) -> None:
        """Called by httpx2."""
        self._answer.close()


class _Network:
    """What httpx2 documents of the extension "network_stream" for connections that carry HTTP/1.1."""

    def __init__(self, connection: Connection) -> None:
        self._transport = connection.transport

    def get_extra_info(self, info: str) -> Any:
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return self._transport.get_extra_info(names.get(info, info))


_ERRORS = (AnswerTimeoutError, SendTimeoutError, RequestError, MalformedError, ClosedError)


def _mapped(problem: Exception) -> httpx2.TransportError:
    """Returns the error of httpx2 for one of `_ERRORS`."""
    if isinstance(problem, ClosedError):
        kind = httpx2.RemoteProtocolError if problem.__cause__ is None else httpx2.ReadError
        return kind(str(problem))
    kinds = {
        AnswerTimeoutError: httpx2.ReadTimeout,
        SendTimeoutError: httpx2.WriteTimeout,
        RequestError: httpx2.LocalProtocolError,
        MalformedError: httpx2.RemoteProtocolError,
    }
    return kinds[type(problem)](str(problem))
