"""How long what is being done may still take: for every call that is made for it."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar, Token
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_deadline: ContextVar[float | None] = ContextVar("architect_deadline", default=None)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Have no call that is made inside last longer than `seconds` from now; of nested ones, the first to end counts.

    It holds for the thread, or the task, that enters it.

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
    """The same for as long as a task lasts, which serves one request and is not left before its end."""
    ends, outer = monotonic() + seconds, _deadline.get()
    return _deadline.set(ends if outer is None else min(ends, outer))


def remaining() -> float | None:
    """Seconds that are left, negative where none are; None where there is no deadline.

    >>> remaining() is None
    True
    """
    ends = _deadline.get()
    return None if ends is None else ends - monotonic()
