"""The heads of usual requests and responses, each handled as a whole; unusual ones are left to `http.client`.

It checks and encodes the headers of a request one by one, and parses those of a response as the headers of an e-mail.
"""

from __future__ import annotations

import http.client
import io
import re
from types import FunctionType
from typing import TYPE_CHECKING, Any

from urllib3.util import SKIP_HEADER

if TYPE_CHECKING:
    from collections.abc import Collection

# https://www.rfc-editor.org/rfc/rfc9112#section-5; possessive, so that a malformed head takes no longer
_NAME = "[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_VALUE = r"(?:[!-~\x80-\xff][\t -~\x80-\xff]*+)?"
_SENT = re.compile(rf"(?:{_NAME}: {_VALUE}\r\n)++")
_HEAD = re.compile(
    rf"HTTP/1\.1 ([2-5][0-9][0-9])(?: ([ -~]*+))?\r\n((?:{_NAME}:[\t ]*+{_VALUE}\r\n)*+)\r\n".encode("latin-1")
)
_FIELD = re.compile(rf"({_NAME}):[\t ]*+({_VALUE})\r\n")
_MOST_FIELDS = 100  # http.client raises an error for more
_LONGEST = 65_536  # bytes; and for a line that is longer
_LENGTH = re.compile("[0-9]{1,18}")
_ORIGINAL = ("http.client", "urllib3.connection", "urllib3.util.connection")
_BODILESS = (http.client.NO_CONTENT, http.client.NOT_MODIFIED)


def is_original(function: object) -> bool:
    """Whether `function` is one of `http.client` or urllib3, and not what a tool that traces calls has put there."""
    return isinstance(function, FunctionType) and function.__globals__["__name__"] in _ORIGINAL


def joined(headers: Collection[tuple[Any, Any]]) -> bytes | None:
    r"""The lines of a request's headers; None if one of them is unusual.

    >>> joined([("Host", "billing"), ("Accept", "*/*")])
    b'Host: billing\r\nAccept: */*\r\n'
    >>> joined([("Host", "billing\r\nX-Evil: 1")]) is None
    True
    """
    try:
        lines = "".join([name + ": " + value + "\r\n" for name, value in headers])
    except TypeError:  # bytes, or a number
        return None
    # without counting, a line break in a value could add a header
    is_usual = _SENT.fullmatch(lines) and lines.count("\n") == len(headers) and SKIP_HEADER not in lines
    return lines.encode("latin-1") if is_usual else None


class Response(http.client.HTTPResponse):
    """Reads a response as `http.client` does."""

    headers: Any  # None until the head has been read
    _method: str | None

    def begin(self, *args: Any, **kwargs: Any) -> None:
        """Called by `http.client` to read the head."""
        is_new = self.headers is None and not self.debuglevel
        can_peek = isinstance(self.fp, io.BufferedReader) and is_original(http.client.HTTPResponse.begin)
        if not (is_new and can_peek and self._begin_usual()):
            super().begin(*args, **kwargs)

    def _begin_usual(self) -> bool:
        """Read the head if it is usual, and all of it has arrived; returns False if nothing was read."""
        head = _HEAD.match(self.fp.peek(), 0, _LONGEST)  # the buffer may be larger
        if head is None:
            return False
        fields = _FIELD.findall(head[3].decode("latin-1"))
        first = {name.lower(): value for name, value in reversed(fields)}
        length = first.get("content-length")
        has_parts = first.get("content-type", "").lower().startswith(("multipart/", "message/"))
        if has_parts or len(fields) > _MOST_FIELDS or not (length is None or _LENGTH.fullmatch(length)):
            return False
        self.fp.read(head.end())
        self.code = self.status = int(head[1])
        self.reason = (head[2] or b"").decode("ascii").strip()
        self.version = 11
        self.headers = self.msg = http.client.HTTPMessage()
        for field in fields:
            self.msg.set_raw(*field)
        self.msg.set_payload("")
        self.chunked = first.get("transfer-encoding", "").lower() == "chunked"
        self.length = None if length is None or self.chunked else int(length)
        if self.chunked:
            self.chunk_left = None
        if self.status in _BODILESS or self._method == "HEAD":
            self.length = 0
        self.will_close = "close" in first.get("connection", "").lower() or (self.length is None and not self.chunked)
        return True
