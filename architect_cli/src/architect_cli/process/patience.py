"""Waiting for a limited time, in which a run that is stopped (Ctrl-Z) does not grow old."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

_LOOK_SECONDS = 0.5
_LONGEST_SECONDS = 1.0  # that one look takes on a busy machine; if it took longer, this process was stopped

Value = TypeVar("Value")


async def within(seconds: float, work: Coroutine[Any, Any, Value]) -> Value:
    """Returns what `work` returns; cancels it and raises TimeoutError if it takes longer.

    The time in which this process was stopped does not count.
    """
    clock = asyncio.get_running_loop().time
    task = asyncio.ensure_future(work)
    try:
        while seconds > 0:
            began = clock()
            await asyncio.wait({task}, timeout=min(seconds, _LOOK_SECONDS))
            if task.done():
                return task.result()
            seconds -= min(clock() - began, _LONGEST_SECONDS)
        raise TimeoutError
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
