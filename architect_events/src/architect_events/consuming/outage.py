"""Waiting for a broker or a database that cannot be reached."""

from __future__ import annotations

import asyncio
import logging
import random

from architect_core.exceptions import ArchitectError

_log = logging.getLogger("architect.events")
_FIRST, _LONGEST = 0.1, 5.0  # seconds of a pause


class Outage:
    """Pauses between attempts to reach something; one line of the log says that it is away, one that it is back."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._failures = 0

    @property
    def is_on(self) -> bool:
        """Whether the last attempt failed."""
        return self._failures > 0

    async def pause(self, problem: Exception) -> None:
        """Sleeps for a time that grows with every failure, up to some seconds; an ArchitectError is raised instead."""
        if isinstance(problem, ArchitectError):
            raise problem  # configuration, which waiting does not change
        if self._failures == 0:
            # only an OSError is expected; of another, the place where it was raised is needed
            unexpected = None if isinstance(problem, OSError) else problem
            text = str(problem) or type(problem).__name__
            _log.warning("%s cannot be reached, and is tried again: %s", self._name, text, exc_info=unexpected)
        longest = min(_LONGEST, _FIRST * 2 ** min(self._failures, 10))
        self._failures += 1
        await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311 - no secret

    def over(self) -> None:
        """It was reached."""
        if self._failures:
            _log.warning("%s can be reached again", self._name)
        self._failures = 0
