"""The errors of the synchronous client, each one of requests' too; and what an error says about its attempt."""

from __future__ import annotations

import ssl
from typing import Any

from requests import exceptions
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, ReadTimeoutError

from architect_core.exceptions import ArchitectError, OriginError

FAILURES = (exceptions.ConnectionError, exceptions.Timeout, exceptions.ChunkedEncodingError)
"""The errors of an attempt without an answer."""


class AnswerTooLargeError(ArchitectError, exceptions.ContentDecodingError):
    """A response is larger than `max_answer_bytes`. Also a `requests.exceptions.ContentDecodingError`."""


class CircuitOpenError(ArchitectError, exceptions.ConnectionError):
    """The circuit is open, so that nothing was sent. Also a `requests.ConnectionError`."""


class DeadlineError(ArchitectError, exceptions.Timeout):
    """No time is left for a call. Also a `requests.exceptions.Timeout`."""


class ForeignOriginError(OriginError, exceptions.InvalidURL):
    """A URL leads to another origin than the client's service. Also a `requests.exceptions.InvalidURL`."""


class PathParameterError(ArchitectError, exceptions.InvalidURL):
    """`path_params` do not fit the URL's placeholders. Also a `requests.exceptions.InvalidURL`."""


def signs(problem: Exception) -> dict[str, bool]:
    """What an error of an attempt without an answer says about it, for `Attempt.failed`."""
    return {
        "is_unsent": _is_unsent(problem),
        "is_final": _is_distrust(problem),
        "is_timeout": isinstance(problem, exceptions.Timeout) or _has_timed_out(problem),
    }


def _has_timed_out(problem: Exception) -> bool:
    """Whether a time-out broke a connection: while a request was sent, or in the middle of a response."""
    cause: Any = problem
    while isinstance(cause, Exception) and not isinstance(cause, TimeoutError | ReadTimeoutError):
        cause = cause.args[-1] if cause.args else None
    return isinstance(cause, TimeoutError | ReadTimeoutError)


def _is_unsent(problem: Exception) -> bool:
    """Whether an error proves that nothing was sent: there was no connection.

    A connection that breaks later proves nothing: the request may have been processed.
    """
    cause = problem.args[0] if isinstance(problem, exceptions.ConnectionError) and problem.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError | ConnectTimeoutError)


def _is_distrust(problem: Exception) -> bool:
    """Whether a certificate is not trusted, or TLS cannot be negotiated, so that another attempt would fail too.

    A connection that breaks during the TLS handshake is an `SSLError` as well, but not this.
    """
    if not isinstance(problem, exceptions.SSLError):
        return False
    cause: Any = problem
    while isinstance(cause, Exception) and not isinstance(cause, ssl.SSLError):
        cause = getattr(cause, "reason", None) or (cause.args[0] if cause.args else None)
    return not isinstance(cause, ssl.SSLEOFError)
