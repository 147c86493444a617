"""Doing something again and again, though a broker or a database may not be reached for a while."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

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


class Repeating:
    """Calls `step` until it is stopped, with a pause of `pause` seconds whenever there was nothing to do."""

    def __init__(self, step: Callable[[], Awaitable[int]], pause: float, outage: Outage) -> None:
        """`step` returns how much it has done, and raises OSError if it has to wait for the end of an `outage`."""
        self._step = step
        self._pause = pause
        self._outage = outage
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Begin no further step. To be called in the event loop."""
        self._stopped.set()

    async def run(self, *, until_empty: bool = False) -> None:
        """Returns after `stop` or, if `until_empty`, once there was nothing to do."""
        repeating = asyncio.create_task(self._repeat(until_empty))
        stopping = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait({repeating, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            repeating.cancel()
            stopping.cancel()
            await asyncio.wait({repeating, stopping})
        if not repeating.cancelled():
            repeating.result()  # raises what ended it

    async def _repeat(self, until_empty: bool) -> None:
        while True:
            try:
                done = await self._step()
            except Exception as problem:  # noqa: BLE001 - it outlives every outage
                await self._outage.pause(problem)
                continue
            self._outage.over()
            if not done and until_empty:
                return
            if not done:
                await asyncio.sleep(self._pause)
