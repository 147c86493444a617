"""The bodies of requests and of responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from requests.exceptions import UnrewindableBodyError
from requests.utils import rewind_body

from architect_rest.policy.limits import too_large
from architect_rest.sync.errors import AnswerTooLargeError

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

_PART = 65_536  # bytes


def accepted(data: Any) -> Any:
    """`data` as requests accepts it. A set is converted: of pairs to a form, of texts or bytes to a body.

    Compatibility with architect.sdk 0.2.1, whose documentation writes `{ data }`, which is a set in Python. requests
    itself would send the number of items as the body's length.

    >>> accepted({("amount", 10)}), accepted({"text"}), accepted({"amount": 10})
    ([('amount', 10)], b'text', {'amount': 10})
    """
    if not isinstance(data, set | frozenset):
        return data
    if all(isinstance(item, tuple) for item in data):
        return list(data)
    return b"".join(item.encode() if isinstance(item, str) else bytes(memoryview(item)) for item in data)


def is_read_once(request: PreparedRequest) -> bool:
    """Whether a request's body is produced while it is sent, so that an error may be the body's own."""
    return hasattr(request.body, "__next__") and not hasattr(request.body, "seek")


def rewind(request: PreparedRequest) -> bool:
    """Prepare a request's body to be sent again; returns False if that is impossible."""
    if request.body is None or isinstance(request.body, str | bytes):
        return True
    try:
        rewind_body(request)
    except UnrewindableBodyError:
        return False
    return True


def read(response: Response, max_answer_bytes: int | None) -> None:
    """Read a response's body, which `response.content` then returns.

    Raises:
        AnswerTooLargeError: it is longer than `max_answer_bytes`, once decoded. Its connection is closed.
    """
    if max_answer_bytes is None:
        _ = response.content
        return
    parts, size = [], 0
    for part in response.iter_content(_PART):
        size += len(part)
        if size > max_answer_bytes:
            response.close()
            raise AnswerTooLargeError(too_large(max_answer_bytes, "stream=True"))
        parts.append(part)
    response._content = b"".join(parts)  # noqa: SLF001 - where `content` keeps the body
