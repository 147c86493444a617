"""The event loop that all channels run in, in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary, ref

from architect_core.clock import monotonic

Value = TypeVar("Value")

_THREADS = 64  # for calls that block


class Calls:
    """Calls functions in an event loop, from any thread.

    Waking a thread costs more than most calls: several that are waiting are made after one wake-up.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = ref(loop)  # whoever runs it keeps it
        self._waiting: deque[Callable[[], object]] = deque()
        self._is_woken = False

    def soon(self, function: Callable[[], object]) -> None:
        """Have `function`, which raises nothing, called soon, in order; raises RuntimeError if the loop is closed."""
        self._waiting.append(function)
        if not self._is_woken:
            self._is_woken = True
            loop = self._loop()
            if loop is not None:
                loop.call_soon_threadsafe(self._call)

    def _call(self) -> None:
        self._is_woken = False  # before looking what is waiting, so that whatever comes later wakes the loop again
        for _ in range(len(self._waiting)):
            self._waiting.popleft()()


class LoopThread:
    """Runs coroutines in one event loop, for code with and without an event loop of its own.

    The thread is started by the first coroutine, and again by the first one in a forked child.
    """

    def __init__(self, name: str = "architect-events") -> None:
        self._name = name
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._calls: Calls | None = None
        self._callers: WeakKeyDictionary[asyncio.AbstractEventLoop, Calls] = WeakKeyDictionary()
        os.register_at_fork(after_in_child=self._forget)

    @property
    def is_current(self) -> bool:
        """Whether the caller is in this loop."""
        return threading.current_thread() is self._thread

    def run(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        """Blocks until the coroutine has ended; returns its result, or raises what it raises."""
        result: Future[Value] = Future()
        cancel = self._submit(coroutine, partial(_copy, result))
        try:
            return result.result()
        except BaseException:
            cancel()  # such as a KeyboardInterrupt of this thread
            raise

    async def aio(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        """The same without blocking; the coroutine is cancelled with the task that awaits it."""
        result, call_soon = self.future()
        cancel = self._submit(coroutine, lambda task: call_soon(partial(_copy, result, task)))
        try:
            return cast("Value", await result)
        except asyncio.CancelledError:
            cancel()
            raise

    def future(self) -> tuple[asyncio.Future[Any], Callable[[Callable[[], object]], None]]:
        """Returns a future of the running loop, and what has that loop call the function that ends the future."""
        loop = asyncio.get_running_loop()
        caller = self._callers.get(loop)
        if caller is None:
            with self._lock:
                caller = self._callers.setdefault(loop, Calls(loop))

        def call_soon(function: Callable[[], object]) -> None:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                caller.soon(function)

        return loop.create_future(), call_soon

    def call(self, function: Callable[[], object]) -> None:
        """Have the loop call a function, which raises nothing; for any thread, and for a handler of signals."""
        self._running().soon(function)

    def _submit(
        self, coroutine: Coroutine[Any, Any, Value], ended: Callable[[asyncio.Task[Value]], object]
    ) -> Callable[[], None]:
        """Begins the coroutine, in the caller's context; returns what cancels it. `ended` is called in the loop."""
        calls, context = self._running(), copy_context()
        tasks: list[asyncio.Task[Value]] = []

        def begin() -> None:
            task = asyncio.get_running_loop().create_task(coroutine, context=context)
            task.add_done_callback(ended)
            tasks.append(task)

        calls.soon(begin)
        return lambda: calls.soon(lambda: tasks[0].cancel())  # noqa: PLW0108 - there is no task yet

    def _running(self) -> Calls:
        calls = self._calls
        if calls is None:
            with self._lock:
                calls = self._calls or self._start()
        return calls

    def _start(self) -> Calls:
        loop = asyncio.new_event_loop()
        loop.time = monotonic  # type: ignore[method-assign] # a test that freezes time must not stop timers
        with suppress(RuntimeError):  # the interpreter is ending: not even the import works then
            from concurrent.futures import ThreadPoolExecutor

            # hosts' names are looked up in it: one that takes long must not delay those of others
            loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix=self._name))
        self._thread = threading.Thread(target=loop.run_forever, name=self._name, daemon=True)
        self._thread.start()
        self._calls = Calls(loop)
        return self._calls

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._calls = self._thread = None  # the parent's, which does not exist in this process
        self._callers = WeakKeyDictionary()


def _copy(result: Future[Value] | asyncio.Future[Value], task: asyncio.Task[Value]) -> None:
    if task.cancelled():
        result.cancel()
        return
    problem = task.exception()
    if result.done():
        return
    if problem is None:
        result.set_result(task.result())
    else:
        result.set_exception(problem)
