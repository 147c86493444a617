"""Answers in HTTP/1.1: the head is parsed; of the body, which is dropped, it is found out where it ends."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass

MAX_PART = 65536  # bytes that a head may have, and that of a body are read to reuse the connection
_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: |\r?\n)")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?")


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer; the names of its fields are in lower case. `reusable` is of the connection."""

    status: int
    fields: Mapping[bytes, bytes]
    reusable: bool


def read_answer(buffer: bytearray, *, tunnel: bool = False) -> Generator[Answer | None, None, None]:
    """Read one answer from the start of `buffer`, to which its parts are appended as they come.

    Yields None where more is needed, and the answer once, at the end of its head; ends where the body ends, which one
    that opens a `tunnel` does not have. Raises ConnectionError if the connection carries no other request, or what
    comes is not HTTP/1.1.
    """
    answer = yield from _head(buffer)
    yield answer
    if tunnel and 200 <= answer.status < 300:
        return
    coding = answer.fields.get(b"transfer-encoding", b"").lower()
    length = answer.fields.get(b"content-length", b"")
    if answer.status in {204, 304}:
        pass
    elif coding == b"chunked":
        while size := (yield from _chunk_size(buffer)):
            yield from _skip(buffer, size)
            yield from _line(buffer)
        while (yield from _line(buffer)):
            pass  # a trailer
    elif length.isdigit() and not coding:
        if len(length) > 5 or int(length) > MAX_PART:
            raise ConnectionError("the body of the answer is not worth reading")
        yield from _skip(buffer, int(length))
    else:
        while True:  # it ends with the connection
            buffer.clear()
            yield None
    if not answer.reusable:
        raise ConnectionError("the subscriber closes the connection")


def _head(buffer: bytearray) -> Generator[None, None, Answer]:
    searched = 0
    while True:
        end = _END.search(buffer, max(0, searched - 3))
        if end is None:
            searched = len(buffer)
            yield
            continue
        head = bytes(buffer[: end.end()])
        del buffer[: end.end()]
        line = _STATUS.match(head)
        if line is None:
            raise ConnectionError("the answer is not HTTP/1.1")
        status = int(line[2])
        if status >= 200 or status == 101:
            fields = _fields(head)
            closes = b"close" in fields.get(b"connection", b"").lower()
            return Answer(status, fields, reusable=line[1] == b"1" and status != 101 and not closes)
        searched = 0  # 100 Continue and the like: the answer follows


def _fields(head: bytes) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for line in head.splitlines()[1:]:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip()
        fields[name] = b"%b, %b" % (fields[name], value) if name in fields else value
    return fields


def _chunk_size(buffer: bytearray) -> Generator[None, None, int]:
    size = _SIZE.fullmatch((yield from _line(buffer)))
    if size is None:
        raise ConnectionError("the body of the answer is malformed")
    return int(size[1], 16)


def _line(buffer: bytearray) -> Generator[None, None, bytes]:
    searched = 0
    while (end := buffer.find(b"\n", searched)) < 0:
        searched = len(buffer)
        yield
    line = bytes(buffer[:end]).removesuffix(b"\r")
    del buffer[: end + 1]
    return line


def _skip(buffer: bytearray, count: int) -> Generator[None, None, None]:
    while count > len(buffer):
        count -= len(buffer)
        buffer.clear()
        yield
    del buffer[:count]
