"""A deadline for all calls that are made within a block or a task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token

from architect_core.clock import monotonic

_deadline: ContextVar[float | None] = ContextVar("architect_deadline", default=None)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """End every call that is made inside of the block within `seconds` from now; the earliest of nested ones counts.

    It applies to the thread, or the task, that enters it.

    >>> with deadline(5), deadline(60):
    ...     remaining() <= 5
    True
    """
    token = hold(seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def hold(seconds: float) -> Token[float | None]:
    """The same for the rest of the current task or thread, as for a task that serves one request."""
    ends, outer = monotonic() + seconds, _deadline.get()
    return _deadline.set(ends if outer is None else min(ends, outer))


def remaining() -> float | None:
    """Returns the seconds until the deadline, negative after it; None if there is no deadline.

    >>> remaining() is None
    True
    """
    ends = _deadline.get()
    return None if ends is None else ends - monotonic()
