"""The bodies of requests and of responses."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import httpx2

from architect_rest.aio.errors import AnswerTooLargeError
from architect_rest.policy.limits import too_large

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator


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


class LimitedResponse(httpx2.Response):
    """A response whose decoded content is at most `max_answer_bytes` long."""

    max_answer_bytes: int

    @classmethod
    def of(cls, response: httpx2.Response, max_answer_bytes: int) -> LimitedResponse:
        """The same response, of which nothing was read."""
        limited = cls(
            response.status_code, headers=response.headers, stream=response.stream, extensions=response.extensions
        )
        limited.max_answer_bytes = max_answer_bytes
        return limited

    async def aiter_bytes(self, chunk_size: int | None = None) -> AsyncGenerator[bytes, None]:
        """The content, part by part.

        Raises:
            AnswerTooLargeError: it is longer.
        """
        size = 0
        async with aclosing(super().aiter_bytes(chunk_size)) as parts:
            async for part in parts:
                size += len(part)
                if size > self.max_answer_bytes:
                    raise AnswerTooLargeError(too_large(self.max_answer_bytes, "client.stream()"))
                yield part


async def read(response: httpx2.Response, max_answer_bytes: int | None) -> httpx2.Response:
    """The response with its body read, which is closed if that fails.

    Raises:
        AnswerTooLargeError: the body is longer than `max_answer_bytes`, once decoded.
    """
    if max_answer_bytes is not None:
        response = LimitedResponse.of(response, max_answer_bytes)
    try:
        await response.aread()
    except BaseException:
        await response.aclose()
        raise
    return response
