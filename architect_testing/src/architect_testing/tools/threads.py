"""Calls in threads: many at once, or one that may hang."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from typing import TypeVar

Result = TypeVar("Result")

THREADS = 50
_MOST_SECONDS = 60.0


def within(seconds: float, call: Callable[[], Result]) -> Future[Result]:
    """Run `call` in a thread for at most `seconds`.

    Returns a future, which is not `done()` if the call still runs. Its thread does not keep the program from ending.
    """
    future = _start(call)
    wait([future], seconds)
    return future


def together(call: Callable[[int], Result]) -> list[Result]:
    """Run `call` in fifty threads that start at the same moment; returns the results in the order of their numbers.

    Raises:
        AssertionError: a call raised an exception, which is the cause, or did not end within a minute.
    """
    barrier = threading.Barrier(THREADS)

    def run(number: int) -> Result:
        barrier.wait(_MOST_SECONDS)
        return call(number)

    futures = [_start(partial(run, number)) for number in range(THREADS)]
    hanging = wait(futures, _MOST_SECONDS).not_done
    errors = [error for future in futures if future not in hanging and (error := future.exception()) is not None]
    if errors:
        raise AssertionError(
            f"{len(errors)} of {THREADS} threads that called at once failed, the first with a "
            f"{type(errors[0]).__name__}: {errors[0]}. Protect shared state with a lock"
        ) from errors[0]
    if hanging:
        raise AssertionError(f"{len(hanging)} of {THREADS} threads that called at once still hang after a minute")
    return [future.result() for future in futures]


def _start(call: Callable[[], Result]) -> Future[Result]:
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as problem:  # noqa: BLE001 - pytest.fail() raises a BaseException
            future.set_exception(problem)

    threading.Thread(target=run, daemon=True).start()
    return future
