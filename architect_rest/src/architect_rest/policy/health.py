"""The health of a service: the ejection of one endpoint, as by Envoy's outlier detection, and the circuit of all."""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

_CONSECUTIVE_FAILURES = 5
_FIRST_EJECTION, _LONGEST_EJECTION = 0.5, 30.0  # seconds
_FIRST_OPENING, _LONGEST_OPENING = 0.5, 5.0  # seconds


@dataclass
class Ejection:
    """Whether one endpoint is ejected: it gets no attempts until the ejection time is over.

    It is ejected at once if it cannot be connected to, otherwise after five consecutive failures. The ejection time is
    half a second at first, and doubles with each ejection up to 30 s. Times are those of `clock.monotonic()`.
    """

    failures: int = 0  # consecutive ones
    seconds: float = 0.0  # the last ejection time; 0 if the endpoint has succeeded since
    until: float = 0.0  # when the ejection ends
    _began: float = 0.0  # when the last ejection began

    def is_active(self, now: float) -> bool:
        """Whether the endpoint is ejected."""
        return self.until > now

    def probe(self, now: float) -> None:
        """An attempt begins: if it is the first after an ejection, no other is made until its outcome is known."""
        if self.seconds:
            self.until = now + self.seconds

    def succeeded(self) -> None:
        """An attempt succeeded."""
        self.failures = 0
        self.seconds = self.until = 0.0

    def failed(self, began: float, now: float, *, unreachable: bool, asked: float = 0.0) -> bool:
        """An attempt failed that began at `began`; returns whether that ejects the endpoint.

        It does at once if no connection could be made (`unreachable`), or if the endpoint asked for a pause with
        `Retry-After` (`asked`, in seconds). An attempt that began before the last ejection ejects nothing.
        """
        self.failures += 1
        is_enough = unreachable or asked or self.failures >= _CONSECUTIVE_FAILURES
        if began < self._began or not is_enough:
            return False
        self.seconds = min(_LONGEST_EJECTION, self.seconds * 2 or _FIRST_EJECTION)
        self._began = now
        jittered = self.seconds * random.uniform(0.5, 1)  # noqa: S311 - no secret
        self.until = now + max(min(asked, _LONGEST_EJECTION), jittered)
        return True


class Circuit:
    """Open while no endpoint answers: then nothing is sent, and calls fail at once.

    It opens when each endpoint has left five consecutive attempts without any answer. After half a second it is
    half-open: one attempt is let through. Any answer closes it; without one it stays open for twice as long, up to 5 s.
    Counting consecutive failures and not a rate makes it work for a service that is called twice a minute too. Times
    are those of `clock.monotonic()`.
    """

    def __init__(self, endpoints: Iterable[Hashable], *, enabled: bool = True) -> None:
        """Make a closed circuit; one that is not `enabled` never opens."""
        self._enabled = enabled
        self._unanswered = dict.fromkeys(endpoints, 0)
        self._counted_at = dict.fromkeys(self._unanswered, 0.0)
        self._open_for = _FIRST_OPENING
        self._since = 0.0

    def _is_tripped(self) -> bool:
        return self._enabled and all(count >= _CONSECUTIVE_FAILURES for count in self._unanswered.values())

    def seconds_open(self, now: float) -> float:
        """For how many seconds the circuit stays open; 0 if it is closed or half-open."""
        return max(0.0, self._since + self._open_for - now) if self._is_tripped() else 0.0

    def let_through(self, now: float) -> None:
        """One attempt is let through; the next one waits until its time has passed again."""
        self._since = now

    def answered(self, endpoint: Hashable) -> None:
        """An endpoint answered, with whatever status: close the circuit."""
        self._unanswered[endpoint] = 0
        self._open_for = _FIRST_OPENING

    def unanswered(self, endpoint: Hashable, began: float, now: float) -> None:
        """An attempt that began at `began` got no answer; several that one event ended together count as one."""
        if began < self._counted_at[endpoint]:
            return
        if self._is_tripped():
            self._open_for = min(_LONGEST_OPENING, self._open_for * 2)
        self._unanswered[endpoint] += 1
        self._counted_at[endpoint] = self._since = now
