"""An answer that is not read into memory when it is larger than anybody wants it there."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import httpx2

from architect_rest.aio.errors import AnswerTooLargeError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class LimitedResponse(httpx2.Response):
    """A response whose content is at most `max_answer_bytes` long, once decoded.

    A small answer may stand for a very large one.
    """

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
            AnswerTooLargeError: it is larger.
        """
        size = 0
        async with aclosing(super().aiter_bytes(chunk_size)) as parts:
            async for part in parts:
                size += len(part)
                if size > self.max_answer_bytes:
                    raise AnswerTooLargeError(
                        f"the answer is larger than {self.max_answer_bytes} bytes. Read it in parts, with "
                        "client.stream(), or raise the option max_answer_bytes of the service"
                    )
                yield part
