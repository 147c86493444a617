"""The errors of the client for asyncio, each one of httpx2's too; and what an error says about its attempt."""

from __future__ import annotations

import ssl

import httpx2

from architect_core.exceptions import ArchitectError, OriginError

UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout)
"""The errors that prove that nothing was sent."""

OF_THE_CALLER = (httpx2.LocalProtocolError, httpx2.UnsupportedProtocol)
"""The errors that say nothing about the endpoint."""


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


def is_distrust(problem: BaseException) -> bool:
    """Whether a certificate is not trusted, or TLS cannot be negotiated, so that another attempt would fail too."""
    if not isinstance(problem, httpx2.ConnectError):
        return False
    cause: BaseException | None = problem
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__
    return cause is not None and not isinstance(cause, ssl.SSLEOFError)  # which is a connection that broke
