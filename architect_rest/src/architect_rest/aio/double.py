"""What the client for asyncio sends through where a double stands in for its service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
import requests

if TYPE_CHECKING:
    from architect_rest.double import RestDouble


class DoubleTransport(httpx2.AsyncBaseTransport):
    """Has a double answer, in the thread of the event loop."""

    def __init__(self, double: RestDouble, base_url: str) -> None:
        self._double = double
        self._base_url = base_url

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The double's answer."""
        asked = requests.PreparedRequest()
        asked.prepare(request.method, str(request.url), dict(request.headers.items()))
        asked.body = await request.aread() or None
        found = self._double.answer(asked, self._base_url)
        stream = httpx2.ByteStream(found.read(decode_content=False))
        return httpx2.Response(found.status, headers=list(found.headers.items()), stream=stream)
