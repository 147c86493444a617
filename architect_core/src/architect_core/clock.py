"""The clock of deadlines, pauses, ejections, and whatever else lasts."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from types import BuiltinFunctionType

# Libraries that freeze time for tests replace `time.monotonic`, in the modules that have imported it, too. What begins
# in frozen time and ends afterwards would last for decades. They do not find what a partial calls.
_is_frozen = not isinstance(time.monotonic, BuiltinFunctionType) and hasattr(time, "clock_gettime")
monotonic: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_MONOTONIC) if _is_frozen else partial(time.monotonic)
)
"""`time.monotonic()`, also while a test freezes time."""
