"""Taking an outbox's rows, for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from architect_core.clock import monotonic
from architect_core.contract import Consumer, Received

if TYPE_CHECKING:
    from architect_events.outbox.claiming import Lane
    from architect_events.outbox.store import Row, Store

LEASE = 10.0
"""Seconds until rows of a relay that died are delivered again."""

_log = logging.getLogger("architect.events")

Value = TypeVar("Value")


class StoreThread:
    """The one thread in which a store is used, so that it never blocks an event loop.

    Executors refuse calls once the main thread has ended, while other threads may still publish.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._is_closed = False

    async def call(self, function: Callable[..., Value], *arguments: Any) -> Value:
        """Returns what a method of the store returns; it is completed even if the caller is cancelled."""
        return await asyncio.wrap_future(self.submit(function, *arguments))

    def submit(self, function: Callable[..., Value], *arguments: Any) -> Future[Value]:
        """Have a function called after those that were submitted before; returns its future."""
        if self._is_closed:
            raise OSError(f"{self.store.database.where}: it was closed")
        if self._thread is None:
            self._thread = Thread(target=self._run, name="architect-store", daemon=True)
            self._thread.start()
        future: Future[Value] = Future()
        future.set_running_or_notify_cancel()  # so that it cannot be cancelled
        self._calls.put((future, partial(function, *arguments)))
        return future

    async def close(self) -> None:
        """Disconnect once everything that was submitted has ended."""
        if self._is_closed:
            return
        disconnected = self.submit(self.store.database.close)
        self._is_closed = True
        self._calls.put(None)
        await asyncio.wrap_future(disconnected)

    def _run(self) -> None:
        while (submitted := self._calls.get()) is not None:
            future, function = submitted
            try:
                result = function()
            except BaseException as problem:  # noqa: BLE001 - whoever waits for it gets it
                future.set_exception(problem)
            else:
                future.set_result(result)


class OutboxConsumer(Consumer):
    """Takes the rows of lanes, such as those of a service's outbox, by polling.

    While nothing is due, the pauses between two polls grow to `idle` seconds; `wake` ends one.
    """

    def __init__(
        self,
        thread: StoreThread,
        lanes: Sequence[Lane],
        *,
        limit: int | None = None,
        events: Sequence[str] | None = None,
        lease: float = LEASE,
        keep: float = 0.0,
        idle: float = 0.3,
    ) -> None:
        """Make a consumer.

        Args:
            thread: of the store.
            lanes: those to take from.
            limit: how many rows it holds at most; None leaves that to the caller.
            events: those to take, or None for all.
            lease: seconds after which a row that is held is due again.
            keep: seconds that delivered rows are kept for, so that they can be replayed.
            idle: the longest pause between two polls, in seconds.
        """
        self._thread = thread
        self._store = thread.store
        self._lanes = list(lanes)
        self._limit = limit
        self._events = events
        self._lease = lease
        self._keep = keep
        self._idle = idle
        self._holder = uuid4().hex
        self._woken = asyncio.Event()
        self._held: dict[int, float] = {}  # when the lease of a row ends, by its id
        self._is_closed = False

    async def receive(self, limit: int, timeout: float) -> Sequence[Received]:
        """Returns at most `limit` messages as soon as one is due; none if that takes `timeout` seconds."""
        deadline = monotonic() + timeout
        pause = self._idle / 16
        while not self._is_closed:
            rows = await self._claim(min(limit, self._free(limit)))
            left = deadline - monotonic()
            if rows or left <= 0:
                return [Received(row.message, row.attempts, row) for row in rows]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(pause, left)):
                    await self._woken.wait()
            self._woken.clear()
            pause = min(2 * pause, self._idle)
        raise OSError("the consumer is closed")

    def wake(self) -> None:
        """Poll now, because there are new rows. To be called in the event loop."""
        self._woken.set()

    async def ack(self, received: Sequence[Received]) -> None:
        """Delete the rows, or keep them as delivered."""
        rows = [each.token for each in received]
        self._let_go(rows, await self._thread.call(self._store.delivered, rows, self._keep))

    async def retry(self, received: Received, delay: float) -> None:
        """Have the row claimed again after `delay` seconds."""
        self._let_go([received.token], await self._thread.call(self._store.retry, received.token, delay))

    async def dead(self, received: Received, reason: str) -> None:
        """Keep the row as a dead letter."""
        self._let_go([received.token], await self._thread.call(self._store.dead, received.token, reason))

    async def release(self, received: Sequence[Received]) -> None:
        """Give back rows that were not attempted."""
        rows = [each.token for each in received]
        self._let_go(rows, await self._thread.call(self._store.release, rows))

    async def extend(self, received: Sequence[Received]) -> None:
        """Begin the leases anew."""
        rows = [each.token for each in received]
        held = await self._thread.call(self._store.extend, rows, self._lease)
        ids = [row.id for row in rows if row.id in self._held]  # others were acknowledged meanwhile
        self._report(len(ids), held)
        self._held.update(dict.fromkeys(ids, monotonic() + self._lease))

    async def close(self) -> None:
        """Give back what is held, and end a `receive` that waits."""
        if self._is_closed:
            return
        self._is_closed = True
        self.wake()
        for lane in self._lanes:
            await self._thread.call(self._store.release_all, lane, self._holder)

    def _free(self, limit: int) -> int:
        if self._limit is None:
            return limit
        now = monotonic()
        self._held = {number: ends for number, ends in self._held.items() if ends > now}
        return self._limit - len(self._held)

    async def _claim(self, limit: int) -> list[Row]:
        if limit <= 0:
            return []
        future = self._thread.submit(self._claim_now, limit)
        try:
            rows = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            self._thread.submit(lambda: self._store.release(future.result()))  # nobody else knows of these rows
            raise
        self._held.update(dict.fromkeys((row.id for row in rows), monotonic() + self._lease))
        return rows

    def _claim_now(self, limit: int) -> list[Row]:
        rows: list[Row] = []
        for lane in self._lanes:
            if len(rows) < limit:
                rows += self._store.claim(lane, self._holder, limit - len(rows), self._lease, self._events)
        self._lanes = [*self._lanes[1:], *self._lanes[:1]]  # so that none of them waits for ever
        return rows

    def _let_go(self, rows: Sequence[Row], done: int) -> None:
        self._report(len(rows), done)
        for row in rows:
            self._held.pop(row.id, None)

    def _report(self, wanted: int, done: int) -> None:
        if done < wanted:
            _log.warning("the lease of %d events has ended too early: delivered again", wanted - done)
