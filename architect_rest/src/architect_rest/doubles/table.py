"""A table of answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, unquote

from requests.structures import CaseInsensitiveDict

from architect_core.contract import did_you_mean, listing, raising, serialise
from architect_core.exceptions import PayloadError
from architect_rest.doubles.stand_in import Behaviour, Reply, UnansweredError

if TYPE_CHECKING:
    from collections.abc import Callable

    from architect_rest.doubles.stand_in import Received

Parsed = TypeVar("Parsed")

_KEY = re.compile(r"(?P<method>[A-Za-z]+) +(?P<path>/[^?#\s]*)(?:\?(?P<query>[^#\s]*))?")
_PLACEHOLDER = re.compile(r":[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Row:
    """Which requests one row answers."""

    method: str  # in upper case
    segments: tuple[str | None, ...]  # the decoded segments of the path; None for a placeholder
    query: tuple[tuple[str, str], ...] | None  # the sorted parameters; None for any query

    def fits(self, asked: Row) -> bool:
        """Whether this row answers the request `asked`."""
        return (
            self.method == asked.method
            and len(self.segments) == len(asked.segments)
            and all(own in {None, other} for own, other in zip(self.segments, asked.segments, strict=True))
            and self.query in {None, asked.query}
        )

    @property
    def rank(self) -> tuple[bool, int]:
        """The row with the largest rank is preferred."""
        return self.query is not None, -self.segments.count(None)


def parse_row(key: str) -> Row:
    """The row that the key of a table stands for.

    >>> parse_row("GET /invoices/:number?paid=no")
    Row(method='GET', segments=('invoices', None), query=(('paid', 'no'),))

    Raises:
        ValueError: the key is malformed.
    """
    match = _KEY.fullmatch(key) if isinstance(key, str) else None
    if match is None:
        raise ValueError("a row is called by a method and a path, such as 'GET /invoices/:number?paid=no'")
    parts = match["path"][1:].split("/")
    segments = tuple(None if _PLACEHOLDER.fullmatch(part) else unquote(part) for part in parts)
    return Row(match["method"].upper(), segments, None if match["query"] is None else _query(match["query"]))


def _query(text: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(parse_qsl(text, keep_blank_values=True)))


def parse_answer(value: Any) -> Reply:
    """The reply that a value of a table stands for.

    >>> parse_answer((404, "unknown")).headers
    [('Content-Type', 'text/plain; charset=utf-8'), ('Content-Length', '7')]

    Raises:
        ValueError: the value is malformed.
    """
    status, content, stated = _parts(value) if isinstance(value, tuple) else (200, value, {})
    if isinstance(content, str):
        kind, body = "text/plain; charset=utf-8", content.encode()
    elif isinstance(content, bytes | bytearray | memoryview):
        kind, body = "application/octet-stream", bytes(content)
    else:
        try:
            kind, body = "application/json", serialise(content)
        except PayloadError as problem:
            raise ValueError(f"the answer is no JSON: {problem}") from None
    headers = CaseInsensitiveDict({"Content-Type": kind, "Content-Length": str(len(body))})
    if status in {204, 304}:
        headers, body = CaseInsensitiveDict(), b""
    headers.update(stated)
    return Reply(status, list(headers.items()), body, BytesIO())


def _parts(value: tuple[Any, ...]) -> tuple[int, Any, Mapping[str, str]]:
    status, content, headers = (*value, {})[:3] if len(value) in {2, 3} else (None, None, None)
    if not isinstance(status, int) or not 200 <= status <= 599 or not isinstance(headers, Mapping):
        raise ValueError(
            "the answer is a tuple that is neither (status, value) nor (status, value, headers), with a status from "
            "200 to 599"
        )
    return status, content, {name: str(value) for name, value in headers.items()}


class Table(Behaviour):
    """Answers from a table: key -> answer. The table is read again for every request."""

    def __init__(self, rows: Mapping[str, Any], name: str) -> None:
        """Check the table of the service `name`.

        Raises:
            TypeError: a key or an answer is malformed.
        """
        self._rows = rows
        self._name = name
        for key, value in rows.items():
            self._parsed(key, parse_row, key)
            if not isinstance(value, Exception) and not callable(value):
                self._parsed(key, parse_answer, value)

    def respond(self, received: Received) -> Reply:
        """The answer of the row that fits best.

        Raises:
            UnansweredError: no row fits.
        """
        url = received.url
        path = url.path.removeprefix(received.base)
        segments = tuple(unquote(part) for part in path[1:].split("/"))
        asked = Row(received.request.method or "", segments, _query(url.query))
        rows = {key: self._parsed(key, parse_row, key) for key in self._rows}
        fitting = [key for key, row in rows.items() if row.fits(asked)]
        if not fitting:
            wanted = f"{asked.method} {path}" + (f"?{url.query}" if url.query else "")
            raise UnansweredError(
                f"the double of {self._name} has no answer to {wanted}{did_you_mean(wanted, self._rows)}; "
                f"{listing(self._rows, 'answered')}. Add a row to its table"
            )
        key = max(fitting, key=lambda key: rows[key].rank)
        value = self._rows[key]
        if callable(value):
            value = value(received.request)
        if isinstance(value, Exception):
            raise value.with_traceback(None)
        return self._parsed(key, parse_answer, value)

    def _parsed(self, key: str, parse: Callable[[Any], Parsed], value: Any) -> Parsed:
        return raising(lambda reason: TypeError(f"the double of {self._name}, row {key!r}: {reason}"), parse, value)
