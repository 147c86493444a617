"""How the REST client for asyncio says who it is."""

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
        request.headers.setdefault("Authorization", f"Bearer {self._token}")
        yield request

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"
