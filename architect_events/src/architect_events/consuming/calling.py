"""Calling handlers: functions in threads, coroutine functions in an event loop of their own."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextvars import copy_context
from dataclasses import fields
from functools import partial
from inspect import iscoroutine, iscoroutinefunction
from queue import SimpleQueue
from threading import Thread
from typing import Any, Protocol

from architect_core.contract import ClientObserver, Event, Message, Receipt, Received
from architect_core.exceptions import ArchitectError
from architect_events.loop import LoopThread
from architect_events.observing import described, observed

_log = logging.getLogger("architect.events")
_FIELDS = [each.name for each in fields(Message)]

Report = Callable[[BaseException | None], object]
"""Called with what a handler raised, in any thread."""


class Handler(Protocol):
    """A function that handles an event, within `timeout` seconds."""

    @property
    def function(self) -> Callable[..., Any]: ...  # noqa: D102 - see above

    @property
    def timeout(self) -> float: ...  # noqa: D102


class HandlerError(ArchitectError):
    """A handler failed. The text holds nothing of the event; the log has the handler's own exception."""


class Caller:
    """The sink of a worker that calls handlers, at most `concurrency` at once.

    No handler runs in the event loop of the channels, so that one that blocks keeps no lease from being extended. A
    coroutine is cancelled at its time limit. A thread cannot be: its event has failed then, and it counts as one of
    those that run until it ends.
    """

    def __init__(
        self, handlers: Mapping[tuple[str, str], Handler], concurrency: int, observer: ClientObserver | None = None
    ) -> None:
        """`handlers` has those of each service and event."""
        self._handlers = handlers
        self._observer = observer
        self._free = asyncio.Semaphore(concurrency)
        self._threads = _Threads(concurrency)
        self._loop = LoopThread("architect-handlers")

    async def __call__(self, batch: Sequence[Received]) -> list[Receipt]:
        """Call the handler of each message."""
        return [await self._handle(received) for received in batch]

    async def _handle(self, received: Received) -> Receipt:
        message = received.message
        handler = self._handlers.get((message.source, message.event))
        if handler is None:  # another version of this program may have one, or a subscription has ended
            return Receipt(HandlerError("there is no handler for it in the modules of this process"))
        try:
            with observed(self._observer, "handle", message) as begun:
                values = {name: getattr(begun, name) for name in _FIELDS}
                await self._call(handler, Event(**values, attempt=received.attempt))
        except HandlerError as problem:
            return Receipt(problem)
        return Receipt()

    async def _call(self, handler: Handler, event: Event) -> None:
        """Raises HandlerError if the handler fails, or has not ended at its time limit."""
        if self._free.locked():  # the worker makes no more calls than that
            _log.warning("%s waits for handlers that go on after their time limit", described(event))
        await self._free.acquire()
        function = handler.function
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[BaseException | None] = loop.create_future()

        def ended(problem: BaseException | None) -> None:
            self._free.release()
            if not outcome.done():
                outcome.set_result(problem)

        def report(problem: BaseException | None) -> None:
            loop.call_soon_threadsafe(ended, problem)

        cancel = None
        if _is_asynchronous(function):
            cancel = _start(self._loop, _awaited(function, event), report)
        else:
            try:
                self._threads.put(partial(copy_context().run, _called, function, event, report))
            except RuntimeError as error:
                self._free.release()
                raise HandlerError(f"no thread can be started for it: {error}") from error
        name = getattr(function, "__qualname__", type(function).__qualname__)
        try:
            await asyncio.wait([outcome], timeout=handler.timeout)
        finally:
            if cancel is not None and not outcome.done():  # at its time limit, or because this task is cancelled
                cancel()
        if not outcome.done():
            text = f"the handler {name} took longer than {handler.timeout:g} seconds"
            _log.error("%s: %s", described(event), text)
            raise HandlerError(text)
        problem = outcome.result()
        if problem is not None:
            text = f"the handler {name} failed"
            _log.error("%s: %s", described(event), text, exc_info=problem)
            raise HandlerError(f"{text}: {type(problem).__name__}") from problem


class _Threads:
    """At most `limit` threads, which the end of the process does not wait for."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._started = 0
        self._calls: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def put(self, call: Callable[[], object]) -> None:
        """Have a thread call it, as soon as one is free; to be called by one thread only.

        Raises RuntimeError if there is no thread, and none can be started.
        """
        if self._started < self._limit:
            try:
                Thread(target=self._run, name=f"architect-handler-{self._started + 1}", daemon=True).start()
                self._started += 1
            except RuntimeError:  # the operating system has no more
                if not self._started:
                    raise
        self._calls.put(call)

    def _run(self) -> None:
        while True:
            self._calls.get()()


def _is_asynchronous(function: Callable[..., Any]) -> bool:
    return iscoroutinefunction(function) or iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004 - see its type


def _called(function: Callable[..., Any], event: Event, report: Report) -> None:
    pid = os.getpid()
    problem: BaseException | None = None
    try:
        result = function(event)
        if iscoroutine(result):
            result.close()
            problem = TypeError("it returned a coroutine, and is no coroutine function")
    except BaseException as error:  # noqa: BLE001 - a SystemExit too is no success
        problem = error
    _end_child_of(pid)
    report(problem)


async def _awaited(function: Callable[..., Any], event: Event) -> BaseException | None:
    pid = os.getpid()
    problem: BaseException | None = None
    try:
        await function(event)
    except BaseException as error:  # noqa: BLE001 - a SystemExit would end the event loop
        problem = error
    _end_child_of(pid)
    return problem


def _end_child_of(pid: int) -> None:
    """Ends a process that a handler has forked and let return, because the event is the parent's."""
    if os.getpid() != pid:
        os._exit(0)


def _start(
    loop: LoopThread, coroutine: Coroutine[Any, Any, BaseException | None], report: Report
) -> Callable[[], None]:
    """Starts a task in another event loop; returns what cancels it."""
    tasks: list[asyncio.Task[BaseException | None]] = []

    def ended(task: asyncio.Task[BaseException | None]) -> None:
        report(asyncio.CancelledError() if task.cancelled() else task.result())

    def start() -> None:
        tasks.append(asyncio.create_task(coroutine))
        tasks[0].add_done_callback(ended)

    loop.call(start)

    def cancel() -> None:
        tasks[0].cancel()

    return lambda: loop.call(cancel)
