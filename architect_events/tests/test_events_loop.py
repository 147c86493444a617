"""The event loop of channels, which is in a thread of its own."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from weakref import ref

import pytest

from architect_events.loop import LoopThread

THREAD = LoopThread("architect-events-test")


async def double(number: int) -> int:
    await asyncio.sleep(0)
    if number == 13:
        raise ValueError("thirteen")
    return 2 * number


def test_many_threads_get_their_own_results() -> None:
    with ThreadPoolExecutor(20) as threads:
        assert list(threads.map(lambda number: THREAD.run(double(number)), range(100, 600))) == list(
            range(200, 1200, 2)
        )


def test_coroutines_of_several_event_loops_get_their_own_results() -> None:
    async def many(first: int) -> list[int | BaseException]:
        return await asyncio.gather(*(THREAD.aio(double(first + each)) for each in range(200)), return_exceptions=True)

    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda first: asyncio.run(many(first)), (100, 1000, 5000)))
    assert found == [[2 * (first + each) for each in range(200)] for first in (100, 1000, 5000)]


def test_an_exception_reaches_the_caller() -> None:
    with pytest.raises(ValueError, match="thirteen"):
        THREAD.run(double(13))
    with pytest.raises(ValueError, match="thirteen"):
        asyncio.run(THREAD.aio(double(13)))


def test_a_coroutine_runs_in_the_context_of_its_caller() -> None:
    trace = ContextVar("trace", default="none")

    async def current() -> str:
        return trace.get()

    def call(name: str) -> str:
        trace.set(name)
        return THREAD.run(current())

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(call, "abcdefghij")) == list("abcdefghij")
    assert THREAD.run(current()) == "none"


def test_a_cancelled_caller_cancels_its_coroutine() -> None:
    ended = threading.Event()
    begun = threading.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def main() -> None:
        task = asyncio.create_task(THREAD.aio(wait()))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert ended.wait(10)


def test_a_caller_whose_loop_is_closed_disturbs_no_other() -> None:
    begun, finish = threading.Event(), threading.Event()

    async def wait() -> None:
        begun.set()
        await asyncio.to_thread(finish.wait, 10)

    async def main() -> None:
        asyncio.get_running_loop().call_soon_threadsafe(lambda: None)
        waiting.append(asyncio.ensure_future(THREAD.aio(wait())))
        await asyncio.to_thread(begun.wait, 10)

    waiting: list[object] = []
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_default_executor())
    waiting[0].cancel()  # type: ignore[attr-defined]
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    finish.set()
    assert THREAD.run(double(2)) == 4


def test_a_loop_that_is_no_longer_used_is_freed() -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(THREAD.aio(double(2)))
    loop.close()
    gone = ref(loop)
    del loop
    deadline = time.monotonic() + 10
    while gone() is not None and time.monotonic() < deadline:
        gc.collect()
    assert gone() is None


def test_a_call_that_is_made_by_a_call_is_made_too() -> None:
    called = threading.Event()
    again: Callable[[], object] = called.set
    THREAD.call(lambda: THREAD.call(again))
    assert called.wait(10)
