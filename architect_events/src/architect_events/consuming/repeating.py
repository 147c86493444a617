"""Doing something in the background again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from architect_events.consuming.outage import Outage


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
