"""The connections of one client, and the bodies that are sent and read on them."""

from __future__ import annotations

import os
import ssl
import sys
from contextlib import aclosing
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

import httpx2

from architect_rest.aio.engine import EngineStream, EngineTransport
from architect_rest.aio.errors import AnswerTooLargeError
from architect_rest.http.proxies import Proxy
from architect_rest.policy.limits import too_large

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from architect_core.contract import Tls

# the transport limits how many requests are sent at a time, and with it how many connections are open
_PACKAGES = tuple(f"{Path(httpx2.__file__).parents[1] / name}{os.sep}" for name in ("httpx2", "httpcore2"))
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=256, keepalive_expiry=5.0)


class Connections:
    """Connections to any host, directly or through a proxy."""

    def __init__(self, proxy: str | None, context: Callable[[], ssl.SSLContext]) -> None:
        """Open no connection yet; `context` is called for one over TLS."""
        self._proxy = proxy
        self._context = context
        self._engine: EngineTransport | None = None
        if proxy is None or proxy.startswith(("http:", "https:")):
            self._engine = EngineTransport(context, None if proxy is None else Proxy.of(proxy))
        self._other: httpx2.AsyncHTTPTransport | None = None

    def transport_for(self, request: httpx2.Request) -> EngineTransport | httpx2.AsyncHTTPTransport:
        """Returns what sends `request`: httpx2's own transport where the engine cannot, or where tools replace it."""
        if self._engine is not None and EngineTransport.is_for(request) and not is_replaced():
            return self._engine
        if self._other is None:
            self._other = httpx2.AsyncHTTPTransport(verify=self._context(), limits=_LIMITS, proxy=self._proxy)
        return self._other

    async def aclose(self) -> None:
        """Close all connections."""
        for each in (self._engine, self._other):
            if each is not None:
                await each.aclose()


def is_replaced() -> bool:
    """Whether a tool has put something in place of httpx2's way to the network, as vcrpy and OpenTelemetry do."""
    core = sys.modules.get("httpcore2")
    pools = () if core is None else (core.AsyncConnectionPool,)
    return any(_is_foreign(vars(each)["handle_async_request"]) for each in (httpx2.AsyncHTTPTransport, *pools))


def _is_foreign(function: object) -> bool:
    # a wrapper's attributes may be those of what it wraps
    return type(function) is not FunctionType or not function.__code__.co_filename.startswith(_PACKAGES)


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
    stream = response.stream
    # httpx2's own way to read is for what has to be decoded
    plain = stream if isinstance(stream, EngineStream) and "content-encoding" not in response.headers else None
    try:
        async with aclosing(response.aiter_bytes() if plain is None else plain.parts()) as content:
            async for part in content:
                size += len(part)
                if max_answer_bytes is not None and size > max_answer_bytes:
                    raise AnswerTooLargeError(too_large(max_answer_bytes, "client.stream()"))  # noqa: TRY301 - closed below
                parts.append(part)
    except BaseException:
        await response.aclose()
        raise
    response._content = b"".join(parts)  # noqa: SLF001 - where `content` keeps the body
    if plain is not None:
        response.is_stream_consumed = response.is_closed = True
        response._num_bytes_downloaded = size  # noqa: SLF001 - as httpx2 counts them


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
