"""Reads an answer as a whole, unless it is larger than anybody wants it in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from architect_core.exceptions import ArchitectError

if TYPE_CHECKING:
    from requests import Response

MAX_ANSWER_BYTES = 268_435_456
_PART = 65_536  # bytes


class AnswerTooLargeError(ArchitectError, requests.exceptions.ContentDecodingError):
    """An answer is larger than `max_answer_bytes`. Also a `requests.exceptions.ContentDecodingError`."""


def read(response: Response, most: int | None) -> None:
    """Read what `response.content` then gives.

    Args:
        response: an answer of which nothing was read.
        most: bytes, once decoded: a small answer may stand for a very large one.

    Raises:
        AnswerTooLargeError: it is larger; its connection is closed.
    """
    if most is None:
        _ = response.content
        return
    parts, size = [], 0
    for part in response.iter_content(_PART):
        size += len(part)
        if size > most:
            response.close()
            raise AnswerTooLargeError(
                f"the answer is larger than {most} bytes. Read it in parts, with stream=True, or raise the option "
                "max_answer_bytes of the service"
            )
        parts.append(part)
    response._content = b"".join(parts)  # noqa: SLF001 - what `content` keeps of it
