"""The event loop that all channels run in, in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

Value = TypeVar("Value")

_THREADS = 64  # for calls that block


class LoopThread:
    """Runs coroutines in one event loop, for code with and without an event loop of its own.

    The thread is started by the first coroutine, and again by the first one in a forked child.
    """

    def __init__(self, name: str = "architect-events") -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.pid = 0
        os.register_at_fork(after_in_child=self._forget)

    def run(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        """Blocks until the coroutine has ended; returns its result, or raises what it raises."""
        future = self._submit(coroutine)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # such as a KeyboardInterrupt of this thread
            raise

    async def aio(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        """The same without blocking; the coroutine is cancelled with the task that awaits it."""
        return await asyncio.wrap_future(self._submit(coroutine))

    def call(self, function: Callable[[], object]) -> None:
        """Have the loop call a function; for any thread, and for a handler of signals."""
        self._running().call_soon_threadsafe(function)

    def _submit(self, coroutine: Coroutine[Any, Any, Value]) -> Future[Value]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._running())

    def _running(self) -> asyncio.AbstractEventLoop:
        loop = self._loop
        if loop is None:
            with self._lock:
                loop = self._loop or self._start()
        return loop

    def _start(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        with suppress(RuntimeError):  # the interpreter is ending
            from concurrent.futures import ThreadPoolExecutor

            # hosts' names are looked up in it: one that takes long must not delay those of others
            loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix=self._name))
        threading.Thread(target=loop.run_forever, name=self._name, daemon=True).start()
        self.pid, self._loop = os.getpid(), loop
        return loop

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._loop = None  # the parent's, whose thread does not exist in this process
