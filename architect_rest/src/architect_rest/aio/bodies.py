"""The bodies of requests and of responses."""

from __future__ import annotations

from contextlib import aclosing
from math import inf
from typing import TYPE_CHECKING, Any

import httpx2

from architect_rest.aio.errors import AnswerTooLargeError
from architect_rest.policy.limits import too_large

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


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
    parts = []
    left = inf if max_answer_bytes is None else max_answer_bytes
    try:
        async with aclosing(response.aiter_bytes()) as content:
            async for part in content:
                left -= len(part)
                if left < 0:
                    break
                parts.append(part)
    except BaseException:
        await response.aclose()
        raise
    if max_answer_bytes is not None and left < 0:
        await response.aclose()
        raise AnswerTooLargeError(too_large(max_answer_bytes, "client.stream()"))
    response._content = b"".join(parts)  # noqa: SLF001 - where `content` keeps the body
