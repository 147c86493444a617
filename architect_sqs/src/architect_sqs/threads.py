"""Threads for calls that block."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

Value = TypeVar("Value")


class Threads:
    """Makes calls for an event loop, each in a thread that is idle, or else in a new one.

    Unlike those of a `ThreadPoolExecutor`, the threads do not keep the process from ending.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._idle: deque[None] = deque()  # as many as threads are idle; a semaphore takes longer
        self._started = 0

    def call(
        self,
        function: Callable[[], Value],
        orphaned: Callable[[Value], None] = lambda _: None,
        ended: Callable[[], None] = lambda: None,
    ) -> asyncio.Future[Value]:
        """Returns the future result of `function`.

        If the future is cancelled, the call goes on, and `orphaned` gets its result. In any case, `ended` is called in
        the event loop once the call has ended.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Value] = loop.create_future()

        def run() -> None:
            try:
                finish = partial(succeed, function())
            except Exception as problem:  # noqa: BLE001 - it is the future's
                finish = partial(fail, problem)
            self._idle.append(None)  # before the loop goes on, which may have the next call
            with suppress(RuntimeError):  # the loop was closed: nobody waits
                loop.call_soon_threadsafe(finish)

        def succeed(value: Value) -> None:
            ended()
            if not future.done():
                future.set_result(value)
            else:
                orphaned(value)

        def fail(problem: Exception) -> None:
            ended()
            if not future.done():
                future.set_exception(problem)

        self._calls.put(run)
        try:
            self._idle.pop()
        except IndexError:
            self._started += 1
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
        return future

    def _work(self) -> None:
        while (run := self._calls.get()) is not None:
            run()

    def close(self) -> None:
        """End the threads, each after its call."""
        for _ in range(self._started):
            self._calls.put(None)
        self._started = 0
        self._idle.clear()
