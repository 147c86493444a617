"""Whether a request may be sent again, and how long to wait before that."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Mapping
from email.utils import mktime_tz, parsedate_tz
from typing import Any, Literal

RETRYABLE_STATUSES = frozenset({408, 429, 502, 503, 504})
"""Statuses after which the same request may succeed."""

Method = Literal["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"]

IDEMPOTENT: frozenset[Method] = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""The methods of which a repetition changes nothing (RFC 9110, section 9.2.2)."""

_KEY = "Idempotency-Key"  # draft-ietf-httpapi-idempotency-key-header
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds
_LONGEST_RETRY_AFTER = 30.0  # seconds; for a longer one the caller gets the response at once


class Budget:
    """Limits retries, so that a service that fails as a whole does not get a multiple of its usual load.

    This is gRPC's retry throttling (proposal A6): a failure takes one token, a success returns a tenth of one, and
    there are no retries while half of the tokens or fewer are left.
    """

    _RETURNED = 0.1

    def __init__(self, tokens: int) -> None:
        self._most = self._tokens = float(tokens)
        self._lock = threading.Lock()

    def succeed(self) -> None:
        """Count a success."""
        if self._tokens < self._most:  # usually false, and then the lock is not needed
            with self._lock:
                self._tokens = min(self._most, self._tokens + self._RETURNED)

    def fail(self) -> bool:
        """Count a failure; returns whether a retry is allowed."""
        with self._lock:
            self._tokens = max(0.0, self._tokens - 1)
            return self._tokens > self._most / 2


def has_key(headers: Mapping[str, Any]) -> bool:
    """Whether a request has a key by which the service recognises its repetition."""
    return _KEY in headers


def retry_after(text: str | None) -> float | None:
    """The seconds of a `Retry-After` header (RFC 9110, section 10.2.3); None if it is missing or malformed.

    >>> retry_after("3"), retry_after("Mon, 01 Jan 2024 00:00:00 GMT"), retry_after("soon")
    (3.0, 0.0, None)
    """
    if text is None:
        return None
    if re.fullmatch(r"\s*[0-9]+\s*", text):
        return float(text)
    date = parsedate_tz(text)
    if date is None:
        return None
    try:
        return max(0.0, mktime_tz(date) - time.time())  # the header has a date, so the wall clock is right here
    except (ValueError, OverflowError):
        return None


def pause(retry: int, asked: float | None) -> float | None:
    """Seconds to wait before retry number `retry`, from 0; None if the server asks for too long a pause.

    Without `asked`, the server's own wish, the pause is random between 0 and an exponentially growing limit ("full
    jitter"), so that clients that failed together do not retry together.
    """
    if asked is not None:
        return asked if asked <= _LONGEST_RETRY_AFTER else None
    return random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**retry))  # noqa: S311 - no secret
