"""Calls that SNS and SQS take in batches of ten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

BATCH = 10
"""Entries of one call."""


@dataclass(eq=False)
class _Waiting(Generic[Item, Result]):
    item: Item
    size: int
    key: str | None
    result: asyncio.Future[Result]


class Batcher(Generic[Item, Result]):
    """Groups what many tasks want to send at the same time into calls with at most ten of it.

    What comes alone is sent at once. While calls are under way, the others are full batches, or wait for one to end.
    Of items with the same key, each is sent only when the one before it has succeeded; if that fails, it fails as well.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        failed: Callable[[Result], bool],
        *,
        parallel: int = 4,
        max_bytes: int = 256 * 1024,
    ) -> None:
        """Create a batcher.

        Args:
            call: sends items, and returns a result for each.
            failed: whether a result is one after which items with the same key must not be sent.
            parallel: calls at the same time.
            max_bytes: the sizes of a batch's items in all.
        """
        self._call = call
        self._failed = failed
        self._parallel = parallel
        self._max_bytes = max_bytes
        self._waiting: dict[_Waiting[Item, Result], None] = {}
        self._keys: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._calls = 0
        self._scheduled = False

    async def put(self, item: Item, size: int = 0, key: str | None = None, *, alone: bool = False) -> Result:
        """Returns the result of sending `item`; if the task is cancelled before, it may still be sent.

        One that comes `alone` while nothing is under way is sent at once, without a task of its own.
        """
        if alone and key is None and not (self._calls or self._waiting):
            (only,) = await self._counted([item])
            return only
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(item, size, key, result)
        self._waiting[waiting] = None
        self._schedule()
        try:
            return await result
        finally:
            self._waiting.pop(waiting, None)

    def _schedule(self) -> None:
        """Have a batch sent once the tasks that can run now have put what they have."""
        if self._waiting and not self._scheduled and self._calls < self._parallel:
            self._scheduled = True
            task = asyncio.create_task(self._send_next())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send_next(self) -> None:
        self._scheduled = False
        batch, full = self._next()
        if not batch or (self._calls and not full):
            return
        for each in batch:
            del self._waiting[each]
        self._keys.update(each.key for each in batch if each.key is not None)
        await self._send(batch)

    def _next(self) -> tuple[list[_Waiting[Item, Result]], bool]:
        """Returns the next batch, and whether it is full."""
        batch: list[_Waiting[Item, Result]] = []
        taken, size = set(self._keys), 0
        for each in self._waiting:
            if each.key in taken or each.result.done():
                continue
            size += each.size
            if batch and size > self._max_bytes:
                return batch, True
            batch.append(each)
            if each.key is not None:
                taken.add(each.key)
            if len(batch) == BATCH:
                return batch, True
        return batch, False

    async def _send(self, batch: list[_Waiting[Item, Result]]) -> None:
        try:
            results = await self._counted([each.item for each in batch])
        except Exception as problem:  # noqa: BLE001 - it is raised by `put`
            for each in batch:
                if not each.result.done():
                    each.result.set_exception(problem)
        else:
            for each, result in zip(batch, results, strict=True):
                if not each.result.done():
                    each.result.set_result(result)
                if each.key is not None and self._failed(result):
                    self._fail(each.key, result)
        finally:
            self._keys.difference_update(each.key for each in batch if each.key is not None)

    async def _counted(self, items: Sequence[Item]) -> Sequence[Result]:
        self._calls += 1
        self._schedule()  # there may be a further batch that is full
        try:
            return await self._call(items)
        finally:
            self._calls -= 1
            self._schedule()

    def _fail(self, key: str, result: Result) -> None:
        for each in self._waiting:
            if each.key == key and not each.result.done():
                each.result.set_result(result)
