"""Connects `AioRestClient` to a double."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx2
import requests

from architect_rest.doubles.asgi import Asgi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from architect_rest.doubles.asgi import Exchange
    from architect_rest.doubles.stand_in import StandIn


class DoubleTransport(httpx2.AsyncBaseTransport):
    """The transport of a client whose requests a double answers, all but ASGI applications in the loop's own thread."""

    def __init__(self, stand_in: StandIn, base_url: str) -> None:
        self._stand_in = stand_in
        self._base_url = base_url

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The double's answer."""
        asked = requests.PreparedRequest()
        asked.prepare(request.method, str(request.url), dict(request.headers.items()))
        asked.body = await request.aread() or None
        received = self._stand_in.receive(asked, self._base_url)
        behaviour = self._stand_in.behaviour
        body: Any
        if isinstance(behaviour, Asgi):
            exchange = await asyncio.to_thread(behaviour.exchange, received)  # the lifespan may take its time to begin
            status, headers = await asyncio.wrap_future(exchange.take())
            body = _Parts(exchange)
        else:
            reply = behaviour.respond(received)
            status, headers = reply.status, reply.headers
            body = httpx2.ByteStream(b"" if request.method == "HEAD" else b"".join([reply.first, *reply.rest]))
        return httpx2.Response(status, headers=list(headers), stream=body)


class _Parts(httpx2.AsyncByteStream):
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (part := await asyncio.wrap_future(self._exchange.take())) is not None:
            yield part

    async def aclose(self) -> None:
        self._exchange.close()
