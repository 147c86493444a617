"""A request's body that is made while it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class OnceBody(httpx2.AsyncByteStream):
    """A body that can be sent once.

    Attributes:
        is_begun: whether any of it was asked for.
    """

    def __init__(self, body: Any) -> None:
        self._body = body
        self.is_begun = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.is_begun = True
        async for part in self._body:
            yield part
