"""Whether a request may be sent again, how often, and when."""

from __future__ import annotations

import random
import ssl
import threading
from typing import TYPE_CHECKING, Any

import requests
from requests.utils import rewind_body
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NewConnectionError
from urllib3.util import Retry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests import PreparedRequest

# https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
_KEY = "Idempotency-Key"  # draft-ietf-httpapi-idempotency-key-header
STATUSES = frozenset({408, 429, 502, 503, 504})
"""What an answer has that says that the same request may succeed later."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds
_LONGEST_ASKED_FOR = 30.0  # seconds: whoever is to wait longer is better told


class Budget:
    """Keeps a service that fails as a whole from getting more calls than are made.

    As gRPC's retry throttling does (proposal A6): of its tokens a failure takes one, and a success gives back a tenth;
    while no more than half of them are left, nothing is sent again.
    """

    _GIVEN_BACK = 0.1

    def __init__(self, tokens: int) -> None:
        self._most = self._tokens = float(tokens)
        self._lock = threading.Lock()

    def succeed(self) -> None:
        """Count an answer that is no failure."""
        if self._tokens < self._most:  # without the lock in the usual case
            with self._lock:
                self._tokens = min(self._most, self._tokens + self._GIVEN_BACK)

    def fail(self) -> bool:
        """Count a failure; gives whether another attempt is allowed."""
        with self._lock:
            self._tokens = max(0.0, self._tokens - 1)
            return self._tokens > self._most / 2


def is_repeatable(method: str | None, headers: Mapping[str, Any]) -> bool:
    """Whether a request that may have been processed can be sent again."""
    return method in _IDEMPOTENT or _KEY in headers


def is_unsent(problem: Exception) -> bool:
    """Whether an error proves that nothing was sent: there was no connection.

    A connection that breaks afterwards proves nothing: the request may have been processed.
    """
    cause = problem.args[0] if isinstance(problem, requests.ConnectionError) and problem.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError | ConnectTimeoutError)


def is_read_once(request: PreparedRequest) -> bool:
    """Whether a body is made while it is sent, so that an error may be the body's own."""
    return hasattr(request.body, "__next__") and not hasattr(request.body, "seek")


def is_distrust(problem: Exception) -> bool:
    """Whether a certificate is not trusted, or TLS cannot be agreed on: it would be no other the next time.

    A connection that breaks while TLS is agreed on is an `SSLError` too.
    """
    if not isinstance(problem, requests.exceptions.SSLError):
        return False
    cause: Any = problem
    while isinstance(cause, Exception) and not isinstance(cause, ssl.SSLError):
        cause = getattr(cause, "reason", None) or (cause.args[0] if cause.args else None)
    return not isinstance(cause, ssl.SSLEOFError)


def rewind(request: PreparedRequest) -> bool:
    """Make a request's body ready to be sent once more; false where it has gone."""
    if request.body is None or isinstance(request.body, str | bytes):
        return True
    try:
        rewind_body(request)
    except requests.exceptions.UnrewindableBodyError:
        return False
    return True


def asked_pause(text: str | None) -> float | None:
    """Seconds that a `Retry-After` asks for (RFC 9110, section 10.2.3); None where there is none."""
    try:
        return None if text is None else Retry().parse_retry_after(text)
    except (HTTPError, ValueError, OverflowError):  # it is none
        return None


def pause(attempt: int, asked: float | None) -> float | None:
    """Seconds to wait before the attempt after attempt number `attempt`, from 0; None where that would be too long.

    Without being asked for a time it is any between none and an exponentially growing one, so that clients that
    failed together do not come back together.
    """
    if asked is not None:
        return asked if asked <= _LONGEST_ASKED_FOR else None
    return random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt))  # noqa: S311 - no secret
