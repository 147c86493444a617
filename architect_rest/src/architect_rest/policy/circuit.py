"""The circuit breaker of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from architect_rest.policy.ejection import CONSECUTIVE_FAILURES

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

_FIRST_TIME, _LONGEST_TIME = 0.5, 5.0  # seconds


class Circuit:
    """Open while no endpoint answers: then nothing is sent, and calls fail at once.

    It opens when each endpoint has left five consecutive attempts without any answer. After half a second it is
    half-open: one attempt is let through. Any answer closes it; without one it stays open for twice as long, up to 5 s.
    Counting consecutive failures and not a rate makes it work for a service that is called twice a minute too. Times
    are those of `time.monotonic()`.
    """

    def __init__(self, endpoints: Iterable[Hashable], *, enabled: bool = True) -> None:
        """Make a closed circuit; one that is not `enabled` never opens."""
        self._enabled = enabled
        self._unanswered = dict.fromkeys(endpoints, 0)
        self._counted_at = dict.fromkeys(self._unanswered, 0.0)
        self._open_for = _FIRST_TIME
        self._since = 0.0

    def _is_tripped(self) -> bool:
        return self._enabled and all(count >= CONSECUTIVE_FAILURES for count in self._unanswered.values())

    def seconds_open(self, now: float) -> float:
        """For how many seconds the circuit stays open; 0 if it is closed or half-open."""
        return max(0.0, self._since + self._open_for - now) if self._is_tripped() else 0.0

    def let_through(self, now: float) -> None:
        """One attempt is let through; the next one waits until its time has passed again."""
        self._since = now

    def answered(self, endpoint: Hashable) -> None:
        """An endpoint answered, with whatever status: close the circuit."""
        self._unanswered[endpoint] = 0
        self._open_for = _FIRST_TIME

    def unanswered(self, endpoint: Hashable, began: float, now: float) -> None:
        """An attempt that began at `began` got no answer; several that one event ended together count as one."""
        if began < self._counted_at[endpoint]:
            return
        if self._is_tripped():
            self._open_for = min(_LONGEST_TIME, self._open_for * 2)
        self._unanswered[endpoint] += 1
        self._counted_at[endpoint] = self._since = now
