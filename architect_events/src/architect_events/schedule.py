"""When a failed delivery is tried again, and when no more."""

from __future__ import annotations

import random
from dataclasses import dataclass

_JITTER = 0.2  # of a delay, added at random, so that what failed together is not tried again together
_LONGEST_ASKED = 86_400.0  # seconds that a receiver may ask to wait for


@dataclass(frozen=True)
class Schedule:
    """The delays before the second attempt, the third and so on, in seconds; after the last one, a message is dead."""

    delays: tuple[float, ...]

    def delay(self, attempt: int, retry_after: float | None = None, limit: float | None = None) -> float | None:
        """Returns the seconds to wait after the failed `attempt`, counted from 1, or None if it was the last.

        It is at least `retry_after`, which the receiver asked for, up to a day, and at most `limit`.
        """
        if attempt > len(self.delays):
            return None
        delay = max(self.delays[attempt - 1], min(retry_after or 0.0, _LONGEST_ASKED))
        delay += random.uniform(0, _JITTER) * delay  # noqa: S311 - no secret
        return delay if limit is None else min(delay, limit)


_MINUTE, _HOUR = 60.0, 3600.0

DELIVERIES = Schedule((5.0, 5 * _MINUTE, 30 * _MINUTE, *(hours * _HOUR for hours in (2, 5, 10, 14, 20, 24))))
"""That of Standard Webhooks: ten attempts in a little more than three days."""

HANDLERS = Schedule((1.0, 5.0, 30.0, 2 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE, 1 * _HOUR, 2 * _HOUR, 4 * _HOUR))
"""That of functions, which mostly fail because another server is away for a short time: ten attempts in eight hours."""
