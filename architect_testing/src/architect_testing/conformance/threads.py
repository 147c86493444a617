"""Calls from many threads at once, and calls that may never end."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

THREADS = 50
_MOST_SECONDS = 60.0


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """What became of a call.

    Attributes:
        seconds: how long it took; where it is late, how long was waited.
        value: what it returned, or None.
        error: what it raised, or None.
        late: whether it had not ended when time was over. It then goes on in its thread.
    """

    seconds: float
    value: Result | None = None
    error: BaseException | None = None
    late: bool = False


def within(seconds: float, call: Callable[[], Result]) -> Outcome[Result]:
    """Make `call` in a thread of its own, and wait for it no longer than `seconds`."""
    return _Started(call).outcome(seconds)


def together(call: Callable[[int], Result]) -> list[Result]:
    """Make `call` in fifty threads that start at the same moment, each with its number; gives what they returned.

    Raises:
        AssertionError: a call raised, which is the cause; or one did not end within a minute.
    """
    barrier = threading.Barrier(THREADS)

    def run(number: int) -> Result:
        barrier.wait(_MOST_SECONDS)
        return call(number)

    deadline = time.monotonic() + _MOST_SECONDS
    started = [_Started(partial(run, number)) for number in range(THREADS)]
    outcomes = [each.outcome(deadline - time.monotonic()) for each in started]
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if errors:
        raise AssertionError(
            f"{len(errors)} of {THREADS} threads that asked at once failed, the first with a "
            f"{type(errors[0]).__name__}: {errors[0]}. What several threads use needs a lock"
        ) from errors[0]
    if late := sum(outcome.late for outcome in outcomes):
        raise AssertionError(f"{late} of {THREADS} threads that asked at once hang: they had no answer in a minute")
    return [outcome.value for outcome in outcomes]  # type: ignore[misc] # it returned what it returned


class _Started(Generic[Result]):
    """A call in a thread that the program's end does not wait for."""

    def __init__(self, call: Callable[[], Result]) -> None:
        self._call = call
        self._outcome: Outcome[Result] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._started = time.monotonic()
        self._thread.start()

    def _run(self) -> None:
        value, error = None, None
        try:
            value = self._call()
        except BaseException as problem:  # noqa: BLE001 - pytest.fail() raises no Exception, and would be lost here
            error = problem
        self._outcome = Outcome(time.monotonic() - self._started, value, error)

    def outcome(self, seconds: float) -> Outcome[Result]:
        """What became of it, after at most `seconds` more."""
        self._thread.join(max(seconds, 0))
        return self._outcome or Outcome(time.monotonic() - self._started, late=True)
