"""The authentication of the client for asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    from collections.abc import Generator


class BearerAuth(httpx2.Auth):
    """Sends a token as `Authorization: Bearer ...`, unless a call has an `Authorization` header of its own."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Called by httpx2 for every request."""
        if "Authorization" not in request.headers:  # as bytes, because httpx2 encodes a text in ASCII
            value = f"Bearer {self._token}".encode("latin-1")
            request.headers = httpx2.Headers([*request.headers.raw, (b"Authorization", value)])
        yield request

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"
