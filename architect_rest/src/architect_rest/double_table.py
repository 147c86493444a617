"""A table of answers, as a WSGI application."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from architect_core.contract import did_you_mean, listing
from architect_core.exceptions import ArchitectError
from architect_rest.double_answer import parse_answer
from architect_rest.double_wsgi import REQUEST_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from wsgiref.types import StartResponse

    import requests

Parsed = TypeVar("Parsed")

_KEY = re.compile(r"(?P<method>[A-Za-z]+) +(?P<path>/[^?#\s]*)(?:\?(?P<query>[^#\s]*))?")
_PLACEHOLDER = re.compile(r":[A-Za-z_][A-Za-z0-9_]*")


class UnansweredError(ArchitectError, AssertionError):
    """The application asked a double for something that the test has no answer for.

    No `requests.RequestException`, so that an application that expects those does not take it for a network's failure.
    """


@dataclass(frozen=True)
class Row:
    """What one row answers.

    Attributes:
        method: in upper case.
        segments: of the path, decoded; None for a placeholder.
        query: its parameters, sorted; None where any query will do.
    """

    method: str
    segments: tuple[str | None, ...]
    query: tuple[tuple[str, str], ...] | None

    def fits(self, asked: Row) -> bool:
        """Whether this row answers `asked`, which has no placeholders."""
        return (
            self.method == asked.method
            and len(self.segments) == len(asked.segments)
            and all(own in {None, other} for own, other in zip(self.segments, asked.segments, strict=True))
            and self.query in {None, asked.query}
        )

    @property
    def rank(self) -> tuple[bool, int]:
        """Larger is preferred."""
        return self.query is not None, -self.segments.count(None)


def parse_row(key: str) -> Row:
    """The row that a table has under `key`.

    >>> parse_row("GET /invoices/:number?paid=no")
    Row(method='GET', segments=('invoices', None), query=(('paid', 'no'),))

    Raises:
        TypeError: it is none.
    """
    match = _KEY.fullmatch(key) if isinstance(key, str) else None
    if match is None:
        raise TypeError("a row is called by a method and a path, such as 'GET /invoices/:number?paid=no'")
    parts = match["path"][1:].split("/")
    segments = tuple(None if _PLACEHOLDER.fullmatch(part) else unquote(part) for part in parts)
    return Row(match["method"].upper(), segments, None if match["query"] is None else _query(match["query"]))


def _query(text: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(parse_qsl(text, keep_blank_values=True)))


class Table:
    """Answers requests as its rows say."""

    def __init__(self, rows: Mapping[str, Any], name: str) -> None:
        """Check `rows`.

        Args:
            rows: a row -> its answer; read anew for every request.
            name: the service's name.

        Raises:
            TypeError: a row or an answer is malformed.
        """
        self._rows = rows
        self._name = name
        for key, value in rows.items():
            self._parsed(key, parse_row, key)
            if not isinstance(value, Exception) and not callable(value):
                self._parsed(key, parse_answer, value)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """A WSGI application."""
        request: requests.PreparedRequest = environ[REQUEST_KEY]
        path = urlsplit(request.url or "").path.removeprefix(environ["SCRIPT_NAME"])
        segments = tuple(unquote(part) for part in path[1:].split("/"))
        asked = Row(environ["REQUEST_METHOD"], segments, _query(environ["QUERY_STRING"]))
        rows = {key: self._parsed(key, parse_row, key) for key in self._rows}
        fitting = [key for key, row in rows.items() if row.fits(asked)]
        if not fitting:
            query = f"?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else ""
            wanted = f"{asked.method} {path}{query}"
            raise UnansweredError(
                f"the double of {self._name} has no answer to {wanted}{did_you_mean(wanted, self._rows)}; "
                f"{listing(self._rows, 'answered')}. Add a row to its table"
            )
        key = max(fitting, key=lambda key: rows[key].rank)
        value = self._rows[key]
        if callable(value):
            value = value(request)
        if isinstance(value, Exception):
            raise value.with_traceback(None)
        answer = self._parsed(key, parse_answer, value)
        phrase = HTTPStatus(answer.status).phrase if answer.status in set(HTTPStatus) else "Unknown"
        start_response(f"{answer.status} {phrase}", list(answer.headers.items()))
        return [answer.body]

    def _parsed(self, key: str, parse: Callable[[Any], Parsed], value: Any) -> Parsed:
        try:
            return parse(value)
        except TypeError as problem:
            reason = str(problem)
        raise TypeError(f"the double of {self._name}, row {key!r}: {reason}")
