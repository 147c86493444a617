"""The timeouts of a call, as requests takes them."""

from __future__ import annotations

from typing import Any

import urllib3

from architect_rest.policy.limits import NO_TIME_LEFT, end_of_call, seconds_until
from architect_rest.sync.errors import DeadlineError

_SECONDS = (int, float, type(None))

Timeout = float | tuple[float | None, float | None] | None


class Timeouts(tuple[Any, ...]):
    """A `timeout=` for requests, `(connect, read)`, that also has the end of the whole call.

    requests passes it on to every redirect of a call, so that all of them share the end.
    """

    end: float | None  # in seconds of `time.monotonic()`; None for never

    def of_attempt(self) -> tuple[float | None, float | None]:
        """The timeouts of an attempt that begins now.

        Raises:
            DeadlineError: no time is left.
        """
        connect, read = self
        left = seconds_until(self.end)
        if left is None:
            return connect, read
        if left <= 0:
            raise DeadlineError(NO_TIME_LEFT)
        return left if connect is None else min(connect, left), left if read is None else min(read, left)


def timeouts(timeout: Any, total: float | None, *, is_own: bool) -> Any:
    """The timeouts of a call that begins now; a malformed `timeout` is returned as it is, for requests to refuse.

    `total` is the number of seconds for all attempts. It is raised to `timeout` if that is longer and the call's own.
    """
    if isinstance(timeout, urllib3.Timeout):
        read = timeout.read_timeout if timeout.total is None else timeout.total
        timeout = timeout.resolve_default_timeout(timeout.connect_timeout), timeout.resolve_default_timeout(read)
    pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    if len(pair) != 2 or not (isinstance(pair[0], _SECONDS) and isinstance(pair[1], _SECONDS)):
        return timeout
    found = Timeouts(pair)
    found.end = end_of_call(total, pair if is_own else ())
    return found
