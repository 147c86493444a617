"""Taking an outbox's rows, for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from architect_core.contract import Consumer, Message, Received, Subscription

if TYPE_CHECKING:
    from architect_events.outbox.claiming import Lane
    from architect_events.outbox.store import Row, Store

LEASE = 30.0
"""Seconds until rows of a relay that died are delivered again."""

_log = logging.getLogger("architect.events")

Value = TypeVar("Value")


class StoreThread:
    """The one thread in which a store is used, so that it never blocks an event loop."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="architect-store")

    async def call(self, function: Callable[..., Value], *arguments: Any) -> Value:
        """Returns what a method of the store returns; it is completed even if the caller is cancelled."""
        return await asyncio.wrap_future(self.submit(function, *arguments))

    def submit(self, function: Callable[..., Value], *arguments: Any) -> Any:
        """Have a function called after those that were submitted before; returns its future."""
        return self._executor.submit(function, *arguments)

    async def close(self) -> None:
        """Disconnect once everything that was submitted has ended."""
        await self.call(self.store.database.close)
        self._executor.shutdown(wait=False)


class OutboxConsumer(Consumer):
    """Takes the rows of lanes, such as those of a service's outbox, by polling.

    While nothing is due, the pauses between two polls grow to `idle` seconds; `wake` ends one.
    """

    def __init__(
        self,
        thread: StoreThread,
        lanes: Sequence[Lane],
        *,
        events: Sequence[str] | None = None,
        to: Mapping[str, Subscription] | None = None,
        lease: float = LEASE,
        keep: float = 0.0,
        idle: float = 0.3,
    ) -> None:
        """Make a consumer.

        Args:
            thread: of the store.
            lanes: those to take from; a row of one that comes later may wait while there are others.
            events: those to take, or None for all.
            to: subscriptions by the lanes' subscribers, for channels that deliver themselves: see `Message.to`.
            lease: seconds after which a row that is held is due again.
            keep: seconds that delivered rows are kept for, so that they can be replayed.
            idle: the longest pause between two polls, in seconds.
        """
        self._thread = thread
        self._store = thread.store
        self._lanes = list(lanes)
        self._events = events
        self._lease = lease
        self._keep = keep
        self._idle = idle
        self._to = to or {}
        self._holder = uuid4().hex
        self._woken = asyncio.Event()

    async def receive(self, limit: int, timeout: float) -> Sequence[Received]:
        """Returns at most `limit` messages as soon as one is due; none if that takes `timeout` seconds."""
        deadline = time.monotonic() + timeout
        pause = self._idle / 16
        while True:
            rows = await self._claim(limit)
            left = deadline - time.monotonic()
            if rows or left <= 0:
                return [Received(self._addressed(row), row.attempts, row) for row in rows]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(pause, left)):
                    await self._woken.wait()
            self._woken.clear()
            pause = min(2 * pause, self._idle)

    def wake(self) -> None:
        """Poll now, because there are new rows. To be called in the event loop."""
        self._woken.set()

    async def ack(self, received: Sequence[Received]) -> None:
        """Delete the rows, or keep them as delivered."""
        rows = [each.token for each in received]
        self._report(len(rows), await self._thread.call(self._store.delivered, rows, self._keep))

    async def retry(self, received: Received, delay: float) -> None:
        """Have the row claimed again after `delay` seconds."""
        self._report(1, await self._thread.call(self._store.retry, received.token, delay))

    async def dead(self, received: Received, reason: str) -> None:
        """Keep the row as a dead letter."""
        self._report(1, await self._thread.call(self._store.dead, received.token, reason))

    async def release(self, received: Sequence[Received]) -> None:
        """Give back rows that were not attempted."""
        rows = [each.token for each in received]
        self._report(len(rows), await self._thread.call(self._store.release, rows))

    async def extend(self, received: Sequence[Received]) -> None:
        """Begin the leases anew."""
        rows = [each.token for each in received]
        self._report(len(rows), await self._thread.call(self._store.extend, rows, self._lease))

    async def close(self) -> None:
        """Give back what is held."""
        for lane in self._lanes:
            await self._thread.call(self._store.release_all, lane, self._holder)

    async def _claim(self, limit: int) -> list[Row]:
        future = self._thread.submit(self._claim_now, limit)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            self._thread.submit(lambda: self._store.release(future.result()))  # nobody else knows of these rows
            raise

    def _claim_now(self, limit: int) -> list[Row]:
        rows: list[Row] = []
        for lane in self._lanes:
            if len(rows) < limit:
                rows += self._store.claim(lane, self._holder, limit - len(rows), self._lease, self._events)
        self._lanes = [*self._lanes[1:], *self._lanes[:1]]  # so that none of them waits for ever
        return rows

    def _addressed(self, row: Row) -> Message:
        to = self._to.get(row.subscriber)
        return row.message if to is None else replace(row.message, to=to)

    def _report(self, wanted: int, done: int) -> None:
        if done < wanted:
            _log.warning("the lease of %d events has ended before they were settled: delivered again", wanted - done)
