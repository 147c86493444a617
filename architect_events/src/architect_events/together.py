"""Sending what several threads and event loops publish at the same time in one call."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, cast

from architect_core.contract import Message, Receipt
from architect_core.exceptions import PluginError

if TYPE_CHECKING:
    from architect_events.loop import LoopThread

Send = Callable[[Sequence[Message], float], Awaitable[Sequence[Receipt]]]
Report = Callable[[Receipt], object]

SLACK = 1.0
"""Seconds after its timeout when a channel is no longer waited for."""

_LONGEST = threading.TIMEOUT_MAX  # seconds


class Together:
    """Calls `send` in the loop of channels, with all messages that are there in one turn of that loop.

    A message that comes alone is sent alone, at once. Several cost little more than one: the loop is woken once, and
    has one task. If a caller gives up, its message may still be sent.
    """

    def __init__(self, thread: LoopThread, send: Send, most: int) -> None:
        """`send(messages, timeout)` returns a receipt for each, and gets at most `most` of them."""
        self._thread = thread
        self._send = send
        self._most = most
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[float, list[tuple[Message, Report]]] = {}  # by their timeout
        self._calls: set[asyncio.Task[None]] = set()

    def send(self, message: Message, timeout: float) -> Receipt:
        """Returns the receipt of one message, within `timeout` seconds if `send` does."""
        receipt: SimpleQueue[Receipt] = SimpleQueue()  # wakes this thread more cheaply than a Future
        self._thread.call(partial(self._add, message, timeout, receipt.put))
        try:
            return receipt.get(timeout=min(timeout + SLACK, _LONGEST))  # here, because a timer of the loop takes longer
        except Empty:
            return Receipt(TimeoutError())

    async def aio_send(self, message: Message, timeout: float) -> Receipt:
        """The same without blocking."""
        receipt, call_soon = self._thread.future()

        def end(given: Receipt) -> None:
            if not receipt.done():  # the caller has not given up
                receipt.set_result(given)

        self._thread.call(partial(self._add, message, timeout, lambda given: call_soon(partial(end, given))))
        try:
            async with asyncio.timeout(timeout + SLACK):
                return cast("Receipt", await receipt)
        except TimeoutError as problem:
            return Receipt(problem)

    def _add(self, message: Message, timeout: float, report: Report) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # in a forked child, what is waiting is the parent's
            self._loop, self._waiting = loop, {}
        waiting = self._waiting.get(timeout)
        if waiting is None:
            waiting = self._waiting[timeout] = []
            call = loop.create_task(self._call(timeout))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
        waiting.append((message, report))

    async def _call(self, timeout: float) -> None:
        """Sends all that has come until this task began."""
        waiting = self._waiting.pop(timeout)
        parts = [waiting[first : first + self._most] for first in range(0, len(waiting), self._most)]
        if len(parts) == 1:
            await self._report(waiting, timeout)
        else:
            await asyncio.gather(*(self._report(part, timeout) for part in parts))

    async def _report(self, entries: Sequence[tuple[Message, Report]], timeout: float) -> None:
        receipts = await receipts_of(self._send, [message for message, _ in entries], timeout)
        for (_, report), receipt in zip(entries, receipts, strict=True):
            report(receipt)


async def receipts_of(send: Send, messages: Sequence[Message], timeout: float) -> Sequence[Receipt]:
    """Returns what `send` returns; if it fails, a receipt with its error for each message."""
    try:
        receipts = await send(messages, timeout)
    except Exception as problem:  # noqa: BLE001 - whatever it is, the messages may not be kept
        return [Receipt(problem)] * len(messages)
    if len(receipts) != len(messages):
        reason = f"the channel returned {len(receipts)} receipts for {len(messages)} messages"
        return [Receipt(PluginError(reason))] * len(messages)
    return receipts
