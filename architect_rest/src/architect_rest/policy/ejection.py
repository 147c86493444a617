"""Ejects an endpoint that fails, as Envoy's outlier detection does."""

from __future__ import annotations

import random
from dataclasses import dataclass

CONSECUTIVE_FAILURES = 5
_FIRST_TIME, _LONGEST_TIME = 0.5, 30.0  # seconds


@dataclass
class Ejection:
    """Whether one endpoint is ejected: it gets no attempts until the ejection time is over.

    It is ejected at once if it cannot be connected to, otherwise after five consecutive failures. The ejection time is
    half a second at first, and doubles with each ejection up to 30 s. Times are those of `time.monotonic()`.
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
        is_enough = unreachable or asked or self.failures >= CONSECUTIVE_FAILURES
        if began < self._began or not is_enough:
            return False
        self.seconds = min(_LONGEST_TIME, self.seconds * 2 or _FIRST_TIME)
        self._began = now
        jittered = self.seconds * random.uniform(0.5, 1)  # noqa: S311 - no secret
        self.until = now + max(min(asked, _LONGEST_TIME), jittered)
        return True
