"""Answers in HTTP/1.1 (RFC 9112): the head is parsed, and the body is taken out of its framing."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass

from architect_rest.http.errors import MalformedError

MAX_HEAD = 102_400  # bytes, interim answers included; as much as h11 reads
_MAX_LINE = 4096  # bytes of a line in a chunked body
_TRAILERS = 16_384  # bytes
_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([^\r\n\x00]*))?\r?\n")
# possessive, and begun once in a run of white space: a server's long run must not take the square of its length
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++):[ \t]*+([^\x00\r\n]*+)\r?\n|([^\n]*\n)")
_FOLD = re.compile(rb"(?<![ \t])[ \t]*+\r?\n[ \t]++")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?")
_LENGTH = re.compile(rb"[0-9]{1,20}")


@dataclass(slots=True)
class Head:
    """The head of an answer.

    Attributes:
        version: such as b"HTTP/1.1".
        fields: names and values as they came, in their order.
        length: of the body; None if its end is found in another way.
        is_chunked: whether the body comes in chunks.
        is_last: whether the connection carries no other request after this answer.
    """

    version: bytes
    status: int
    reason: bytes
    fields: list[tuple[bytes, bytes]]
    length: int | None
    is_chunked: bool
    is_last: bool

    @property
    def ends_with_connection(self) -> bool:
        """Whether the end of the connection is that of the body."""
        return self.length is None and not self.is_chunked

    def field(self, name: bytes) -> bytes | None:
        """Returns the value of the first field with a name, which is in lower case; None if there is none."""
        return next((value for each, value in self.fields if each.lower() == name), None)


def read_answer(buffer: bytearray, *, is_bodiless: bool = False) -> Generator[Head | bytes | None, None, None]:
    """Read one answer from the start of `buffer`, to which its parts are appended as they come.

    Yields None where more is needed, the head, and the parts of the body; ends with the answer. One that
    `is_bodiless`, to HEAD or CONNECT, ends with its head. Raises MalformedError.
    """
    head = yield from _head(buffer)
    if is_bodiless or head.status in {101, 204, 304}:
        head.length, head.is_chunked = 0, False
    elif head.ends_with_connection:
        head.is_last = True
    yield head
    if head.is_chunked:
        yield from _chunks(buffer)
    elif head.length is not None:
        yield from _exactly(buffer, head.length)
    elif head.field(b"transfer-encoding") is not None:
        raise MalformedError("the answer has a transfer coding other than chunked")
    else:
        while True:
            if buffer:
                yield _taken(buffer, len(buffer))
            yield None


def _head(buffer: bytearray) -> Generator[None, None, Head]:
    searched = passed = 0
    while True:
        end = _END.search(buffer, max(0, searched - 3))
        if (end.end() if end else len(buffer)) + passed > MAX_HEAD:
            raise MalformedError(f"the head of the answer has more than {MAX_HEAD} bytes")
        if end is None:
            searched = len(buffer)
            yield
            continue
        raw = _taken(buffer, end.end())
        line = _STATUS.match(raw)
        if line is None:
            raise MalformedError("the answer is not HTTP/1.1")
        status = int(line[2])
        if status >= 200 or status == 101:
            return _parsed(line, status, raw)
        searched, passed = 0, passed + len(raw)  # 100 Continue and the like: the answer follows


def _parsed(line: re.Match[bytes], status: int, raw: bytes) -> Head:
    start, end = line.end(), raw.rindex(b"\n", 0, -1) + 1  # without the empty line
    if b"\n " in raw or b"\n\t" in raw:  # a value that goes on in the next line
        raw, start = _FOLD.sub(b" ", raw[start:end]), 0
        end = len(raw)
    fields: list[tuple[bytes, bytes]] = []
    lengths: set[bytes] = set()
    codings: list[bytes] = []
    is_last = line[1] == b"0" or status == 101
    for name, value, other in _FIELD.findall(raw, start, end):
        if other:
            raise MalformedError("a field of the answer is malformed")
        if value[-1:] in {b" ", b"\t"}:
            value = value.rstrip(b" \t")  # noqa: PLW2901 - few have it
        fields.append((name, value))
        if len(name) in {10, 14, 17}:  # that is quicker than to put all names in lower case
            lower = name.lower()
            if lower == b"content-length":
                lengths.update(each.strip(b" \t") for each in value.split(b","))
            elif lower == b"transfer-encoding":
                codings.append(value.lower())
            elif lower == b"connection" and b"close" in value.lower():
                is_last = True
    head = Head(b"HTTP/1." + line[1], status, line[3] or b"", fields, None, codings == [b"chunked"], is_last)
    if lengths and not codings:
        (length,) = lengths if len(lengths) == 1 else (b"",)
        if not _LENGTH.fullmatch(length):
            raise MalformedError("the answer's Content-Length is malformed")
        head.length = int(length)
    elif lengths:
        head.is_last = True  # what has both may be two answers for another reader
    return head


def _chunks(buffer: bytearray) -> Generator[bytes | None, None, None]:
    while True:
        line = _SIZE.fullmatch((yield from _line(buffer, _MAX_LINE)))
        if line is None:
            raise MalformedError("the body of the answer is malformed")
        size = int(line[1], 16)
        if not size:
            break
        yield from _exactly(buffer, size)
        if (yield from _line(buffer, 1)):
            raise MalformedError("the body of the answer is malformed")
    left = _TRAILERS
    while trailer := (yield from _line(buffer, left)):
        left -= len(trailer)


def _line(buffer: bytearray, longest: int) -> Generator[None, None, bytes]:
    searched = 0
    while (end := buffer.find(b"\n", searched)) < 0:
        searched = len(buffer)
        if searched > longest:
            break
        yield
    if not 0 <= end <= longest:
        raise MalformedError("the body of the answer is malformed")
    return _taken(buffer, end + 1)[:-1].removesuffix(b"\r")


def _exactly(buffer: bytearray, count: int) -> Generator[bytes | None, None, None]:
    while count > len(buffer):
        count -= len(buffer)
        if buffer:
            yield _taken(buffer, len(buffer))
        yield None
    if count:
        yield _taken(buffer, count)


def _taken(buffer: bytearray, count: int) -> bytes:
    if count == len(buffer):
        taken = bytes(buffer)
        buffer.clear()
    else:
        taken = bytes(memoryview(buffer)[:count])
        del buffer[:count]
    return taken
