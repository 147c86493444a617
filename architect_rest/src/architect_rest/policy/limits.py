"""How long a call may take, and how large a response may be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from architect_core.clock import monotonic
from architect_core.deadline import remaining

MAX_ANSWER_BYTES = 268_435_456
"""The largest response that is read into memory, unless the service's options say otherwise."""

REMAINING_HEADER = "x-envoy-expected-rq-timeout-ms"
"""The request header with the milliseconds that the caller still waits; Envoy and other proxies know it."""

PATIENT = (False, False)
"""What `is_hurried` returns for a call without timeouts of its own."""

NO_TIME_LEFT = "no time is left: total_timeout, or the deadline that the call is made in, has passed"


def shortest(limits: Iterable[float | None]) -> float | None:
    """The smallest of some limits, where None is no limit.

    >>> shortest([None, 3.0, 2.0]), shortest([None])
    (2.0, None)
    """
    found = None
    for limit in limits:  # `min` of a generator takes three times as long, and each call needs it five times
        if limit is not None and (found is None or limit < found):
            found = limit
    return found


def end_of_call(total: float | None, stated: tuple[float | None, ...] = ()) -> float | None:
    """When a call that begins now has to end, in seconds of `clock.monotonic()`; None for never.

    `total` is the number of seconds for all of its attempts. It is raised to the longest timeout that the call itself
    has (`stated`).
    """
    if stated:
        longest = [limit for limit in (total, *stated) if limit is not None]
        total = max(longest) if len(longest) == len(stated) + 1 else None
    seconds = shortest([total, remaining()])
    return None if seconds is None else monotonic() + seconds


def is_hurried(stated: Sequence[float | None], usual: Sequence[float | None]) -> tuple[bool, bool]:
    """Whether a call's own timeouts are shorter than its client's: that to connect, and that to read.

    >>> is_hurried((3.0, 2.0), (3.0, 10.0))
    (False, True)
    """
    connect, read = (
        own is not None and (limit is None or own < limit) for own, limit in zip(stated, usual, strict=True)
    )
    return connect, read


def seconds_until(end: float | None) -> float | None:
    """Seconds until `end`, negative if it has passed; None if there is no end."""
    return None if end is None else end - monotonic()


def remaining_header(seconds: float) -> str:
    """The value of `REMAINING_HEADER` for a caller that waits for `seconds`."""
    return str(max(1, int(1000 * seconds)))


def too_large(max_answer_bytes: int, how_to_stream: str) -> str:
    """The message for a response that is larger than `max_answer_bytes`."""
    return (
        f"the response is larger than {max_answer_bytes} bytes. Read it in parts, with {how_to_stream}, or raise the "
        "service's option max_answer_bytes"
    )
