"""How long a call may take: to connect, for one attempt, and in all."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import requests
import urllib3

from architect_core.deadline import remaining
from architect_core.exceptions import ArchitectError

if TYPE_CHECKING:
    Timeout = float | tuple[float | None, float | None] | None


class DeadlineError(ArchitectError, requests.exceptions.Timeout):
    """No time is left for a call. Also a `requests.exceptions.Timeout`."""


class Limits(tuple[Any, ...]):
    """A `timeout=` as requests takes it, `(connect, read)`, that also knows when the call as a whole has to end.

    requests gives it on to every redirect of a call, so that all of them share the end.

    Attributes:
        ends: when, as `time.monotonic()` tells it; None for never.
    """

    ends: float | None

    def left(self) -> float | None:
        """Seconds until the end; None where there is none."""
        return None if self.ends is None else self.ends - monotonic()

    def attempt(self) -> tuple[float | None, float | None]:
        """The time-outs of an attempt that begins now.

        Raises:
            DeadlineError: no time is left.
        """
        connect, read = self
        left = self.left()
        if left is None:
            return connect, read
        if left <= 0:
            raise DeadlineError(
                "no time is left: the call's total time-out, or the deadline that it is made in, is over"
            )
        return left if connect is None else min(connect, left), left if read is None else min(read, left)


def limits(timeout: Any, total: float | None, *, is_own: bool) -> Any:
    """The limits of a call that begins now; what requests has to complain of, or reads itself, is left to it.

    Args:
        timeout: seconds; or seconds to connect and for an attempt; None for ever.
        total: seconds for all attempts.
        is_own: whether the call itself says so; an attempt that then may take longer than `total` gets its time.
    """
    if isinstance(timeout, urllib3.Timeout):
        read = timeout.read_timeout if timeout.total is None else timeout.total
        timeout = timeout.resolve_default_timeout(timeout.connect_timeout), timeout.resolve_default_timeout(read)
    pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    if len(pair) != 2 or not all(each is None or isinstance(each, int | float) for each in pair):
        return timeout
    found = Limits(pair)
    now = monotonic()
    if is_own:
        total = None if total is None or None in pair else max(total, *pair)
    found.ends = None if total is None else now + total
    left = remaining()
    if left is not None:
        found.ends = now + left if found.ends is None else min(found.ends, now + left)
    return found
