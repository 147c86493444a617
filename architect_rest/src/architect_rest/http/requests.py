"""Requests in HTTP/1.1, as they are sent."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterable, Sequence

from architect_rest.http.errors import RequestError

# what RFC 9110 allows; a field's value has no white space at its ends
_HEAD = re.compile(
    rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\xff]+ HTTP/1\.1\r\n"
    rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: (?:[^\x00\s](?:[^\x00\r\n\f\v]*[^\x00\s])?)?\r\n)+"
)

_LENGTH = re.compile(rb"[0-9]{1,20}")


def head_of(method: bytes, target: bytes, fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Returns the head of a request.

    Raises:
        RequestError: a part of it is malformed.
    """
    lines = [b"%b %b HTTP/1.1\r\n" % (method, target)]
    lines += [b"%b: %b\r\n" % field for field in fields]
    head = b"".join(lines)
    if head.count(b"\n") != len(lines) or not _HEAD.fullmatch(head):
        raise RequestError("the method, the URL, or a header's name or value has a character that none can have")
    return head + b"\r\n"


def framing(fields: Sequence[tuple[bytes, bytes]]) -> int | None:
    """Returns the length of the body that the header fields state; None if it is chunked.

    Raises:
        RequestError: they are malformed, or contradict each other.
    """
    length, is_chunked = None, False
    for name, value in fields:
        if len(name) == 14 and name.lower() == b"content-length":
            if not _LENGTH.fullmatch(value) or length not in {None, int(value)}:
                raise RequestError("the header Content-Length is malformed")
            length = int(value)
        elif len(name) == 17 and name.lower() == b"transfer-encoding":
            if is_chunked or value.lower() != b"chunked":
                raise RequestError("the only transfer coding of a request is chunked")
            is_chunked = True
    return None if is_chunked else length or 0


async def framed(body: AsyncIterable[bytes], length: int | None) -> AsyncGenerator[bytes, None]:
    """The parts of a body as they are sent: in chunks, or checked against the length that was stated.

    Raises:
        RequestError: the body has another length.
    """
    left = length
    iterator = body.__aiter__()
    try:
        async for part in iterator:
            if left is not None:
                left -= len(part)
                if left < 0:
                    raise RequestError(f"the body is longer than its Content-Length, which is {length}")
                yield part
            elif part:
                yield b"%x\r\n%b\r\n" % (len(part), part)
        if left:
            raise RequestError(f"the body ends {left} bytes before its Content-Length, which is {length}")
        if left is None:
            yield b"0\r\n\r\n"
    finally:
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()
