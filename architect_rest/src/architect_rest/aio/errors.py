"""The errors of the client for asyncio; each is one of httpx2's too."""

from __future__ import annotations

import httpx2

from architect_core.exceptions import ArchitectError, OriginError


class AnswerTooLargeError(ArchitectError, httpx2.DecodingError):
    """A response is larger than `max_answer_bytes`. Also an `httpx2.DecodingError`."""


class CircuitOpenError(ArchitectError, httpx2.ConnectError):
    """The circuit is open, so that nothing was sent. Also an `httpx2.ConnectError`."""


class DeadlineError(ArchitectError, httpx2.TimeoutException):
    """No time is left for a call. Also an `httpx2.TimeoutException`."""


class ForeignOriginError(OriginError, httpx2.InvalidURL):
    """A URL leads to another origin than the client's service. Also an `httpx2.InvalidURL`."""


class PathParameterError(ArchitectError, httpx2.InvalidURL):
    """`path_params` do not fit the URL's placeholders. Also an `httpx2.InvalidURL`."""
