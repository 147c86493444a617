"""What a row of a double's table answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from architect_core.contract import serialise
from architect_core.exceptions import PayloadError


@dataclass(frozen=True)
class Answer:
    """One answer, as it is sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def parse_answer(value: Any) -> Answer:
    """The answer that a table's row states.

    >>> parse_answer((404, "unknown"))
    Answer(status=404, headers={'Content-Type': 'text/plain; charset=utf-8'}, body=b'unknown')

    Raises:
        TypeError: it is none.
    """
    status, content, headers = _parts(value) if isinstance(value, tuple) else (200, value, {})
    if isinstance(content, str):
        kind, body = "text/plain; charset=utf-8", content.encode()
    elif isinstance(content, bytes | bytearray | memoryview):
        kind, body = "application/octet-stream", bytes(content)
    else:
        try:
            kind, body = "application/json", serialise(content)
        except PayloadError as problem:
            raise TypeError(f"the answer is no JSON: {problem}") from None
    if status in {204, 304}:
        return Answer(status, headers, b"")
    stated = {name.lower() for name in headers}
    return Answer(status, headers if "content-type" in stated else {"Content-Type": kind, **headers}, body)


def _parts(value: tuple[Any, ...]) -> tuple[int, Any, Mapping[str, str]]:
    status, content, headers = (*value, {})[:3] if len(value) in {2, 3} else (None, None, None)
    if not isinstance(status, int) or not 200 <= status <= 599 or not isinstance(headers, Mapping):
        raise TypeError(
            "the answer is a tuple that is neither (status, value) nor (status, value, headers), with a status from "
            "200 to 599"
        )
    return status, content, {name: str(value) for name, value in headers.items()}
