"""The engine that takes messages from a consumer and has a sink, which is a handler or a channel, process them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from architect_core.contract import Capabilities, Consumer, Receipt, Received
from architect_core.exceptions import ArchitectError, PluginError
from architect_events.consuming.holding import Holding, text_of
from architect_events.consuming.repeating import Outage
from architect_events.observing import described

if TYPE_CHECKING:
    from architect_events.schedule import Schedule

Sink = Callable[[Sequence[Received]], Awaitable[Sequence[Receipt]]]
"""Processes a batch; returns a receipt for each message, in order."""

_log = logging.getLogger("architect.events")
_RECEIVE = 20.0  # seconds that one call of `receive` waits for a message
_SHORT = 1.0  # the same while it is not known whether the broker is back
_SLACK = 30.0  # seconds after its timeout when `receive` has failed
_LONGEST_HELD = 120.0  # seconds between attempts of a message that the worker keeps; a broker may limit their sum
_LONGEST_REASON = 300  # characters


@dataclass(slots=True, eq=False)
class _Chain:
    """Messages that are processed one after another, because they have the same key; or one without a key."""

    key: tuple[str, ...] | None
    waiting: deque[Received] = field(default_factory=deque)
    kept: list[Received] = field(default_factory=list)  # failed ones, until their next attempt
    returned: list[Received] = field(default_factory=list)  # those behind one that is retried
    pause: float | None = None  # seconds until the next attempt of a message of this batch


@dataclass
class Counts:
    """How many messages a worker has processed: `failed` counts attempts, of which the last one is `dead` too."""

    done: int = 0
    failed: int = 0
    dead: int = 0


class Worker:
    """Takes messages and has `sink` process them, at most `concurrency` batches at once.

    A message is acknowledged only after its receipt is ok. At most `concurrency * batch + ahead` are held. Those with
    the same key are processed one after another, in the order in which they were received; a later one never overtakes
    one that failed and is retried:

    - If the channel `holds_back`, those behind it are released, and the channel delivers them after it.
    - If not, the worker keeps it and those behind it, for two minutes at most before each attempt, until it succeeds
      or is dead. A worker that is stopped gives them back in their order; attempts that it has counted are forgotten.

    In one batch, several messages may have the same key; the sink must keep their order.
    """

    def __init__(
        self,
        name: str,
        consumer: Consumer,
        sink: Sink,
        *,
        schedule: Schedule,
        capabilities: Capabilities,
        concurrency: int = 10,
        batch: int = 1,
        ahead: int = 0,
        grace: float = 30.0,
        empty: float = 2.0,
        prepare: Callable[[], Awaitable[None]] | None = None,
        outage: Outage | None = None,
    ) -> None:
        """Make a worker, which `run` starts.

        Args:
            name: what it takes messages from, for the log.
            consumer: closed at the end.
            sink: whatever it raises is a failure of the whole batch.
            schedule: the delays after failures.
            capabilities: those of the channel that `consumer` is of.
            concurrency: how many batches are processed at once.
            batch: how many messages are given to the sink together.
            ahead: how many further messages are held, so that no call waits for `receive` or an acknowledgement.
            grace: seconds that running calls have to end after `stop`.
            empty: seconds without a message after which there is none; a broker may need some to connect.
            prepare: called before the first message is received, and again after each outage.
            outage: that of workers which take from the same place, so that the log has it once.
        """
        self.counts = Counts()
        self.name = name
        self._consumer = consumer
        self._sink = sink
        self._schedule = schedule
        self._capabilities = capabilities
        self._concurrency = concurrency
        self._batch = batch
        self._held = Holding(name, consumer, concurrency * batch + ahead)
        self._grace = grace
        self._empty = empty
        self._prepare = prepare
        self._outage = outage or Outage(name)
        self._stopping = asyncio.Event()
        self._chains: dict[tuple[str, ...], _Chain] = {}  # those of a key, if any of its messages is held
        self._ready: deque[_Chain] = deque()
        self._calls: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Begin nothing new; `run` returns once the running calls have ended. To be called in the event loop."""
        self._stopping.set()

    async def run(self, *, until_empty: bool = False) -> None:
        """Process messages until `stop` is called or, if `until_empty`, until none is left that is due."""
        receiving = asyncio.create_task(self._receive(until_empty))
        stopping = asyncio.create_task(self._stopping.wait())
        lease = self._capabilities.lease
        others = set() if lease is None else {asyncio.create_task(self._held.extend_leases(lease))}
        try:
            await asyncio.wait({receiving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            self._stopping.set()
            receiving.cancel()
            if self._calls:
                _log.info("%s: %d calls that run may end", self.name, len(self._calls))
                _, running = await asyncio.wait(self._calls, timeout=self._grace)
                if running:
                    _log.warning("%s: %d calls did not end in %g seconds", self.name, len(running), self._grace)
            await self._release_waiting()
        finally:
            self._stopping.set()
            tasks = {receiving, stopping, *others, *self._calls}
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._held.close()
        if not receiving.cancelled():
            receiving.result()  # raises what ended it

    async def _release_waiting(self) -> None:
        """Gives back what was not begun; if the channel does not hold back, the end of the consumer does that."""
        if self._capabilities.holds_back:
            chains = dict.fromkeys((*self._ready, *self._chains.values()))
            waiting = [each for chain in chains for each in chain.waiting]
            for chain in chains:
                chain.waiting.clear()  # a call that still runs may end meanwhile, and would release them too
            await self._held.release(waiting)

    async def _receive(self, until_empty: bool) -> None:
        prepared = self._prepare is None
        while True:
            while self._held.room <= 0:
                await self._held.change()
            timeout = self._empty if until_empty else _SHORT if self._outage.is_on else _RECEIVE
            try:
                async with asyncio.timeout(timeout + _SLACK):
                    if self._prepare is not None and not prepared:
                        await self._prepare()
                    received = await self._consumer.receive(self._held.room, timeout)
            except Exception as problem:  # noqa: BLE001 - a worker outlives every outage
                prepared = self._prepare is None
                await self._outage.pause(problem)
                continue
            prepared = True
            self._outage.over()
            for each in received:
                self._accept(each)
            self._begin()
            if until_empty and not received:
                if self._held.is_empty:
                    return
                await self._held.change()

    def _accept(self, received: Received) -> None:
        self._held.add(received)
        message = received.message
        if message.key is None:
            self._ready.append(_Chain(None, deque((received,))))
            return
        key = (message.to.name if message.to else "", message.source, message.key)
        chain = self._chains.get(key)
        if chain is None:
            chain = self._chains[key] = _Chain(key)
            self._ready.append(chain)
        chain.waiting.append(received)

    def _begin(self) -> None:
        while self._ready and len(self._calls) < self._concurrency and not self._stopping.is_set():
            if self._calls and self._batch > 1 and self._fills():
                return
            batch: list[Received] = []
            owners: list[_Chain] = []
            while self._ready and len(batch) < self._batch:
                chain = self._ready.popleft()
                for _ in range(min(len(chain.waiting), self._batch - len(batch))):
                    batch.append(chain.waiting.popleft())
                    owners.append(chain)
            call = asyncio.create_task(self._process(batch, owners))
            self._calls.add(call)
            call.add_done_callback(self._ended)

    def _fills(self) -> bool:
        """Whether a batch would have few messages, because others wait for running ones with the same key."""
        ready = sum(len(chain.waiting) for chain in self._ready)
        free = sum(len(chain.waiting) for chain in self._ready if chain.key is None)
        return ready < self._batch and sum(len(chain.waiting) for chain in self._chains.values()) > ready - free

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._begin()
        if not call.cancelled() and (problem := call.exception()):
            _log.error("%s: an unexpected error", self.name, exc_info=problem)

    async def _process(self, batch: list[Received], owners: list[_Chain]) -> None:
        receipts = await self._attempt(batch)
        succeeded = [received for received, receipt in zip(batch, receipts, strict=True) if receipt.ok]
        self.counts.done += len(succeeded)
        self._held.acknowledge(succeeded, soon=len(self._calls) > 1)
        for received, chain, receipt in zip(batch, owners, receipts, strict=True):
            if not receipt.ok:
                await self._failed(received, chain, receipt)
        for chain in dict.fromkeys(owners):
            await self._go_on(chain)

    async def _attempt(self, batch: Sequence[Received]) -> Sequence[Receipt]:
        """Where an attempt begins and ends."""
        try:
            receipts = await self._sink(batch)
            if len(receipts) == len(batch):
                return receipts
            problem: Exception = PluginError(f"{self.name}: the sink did not return one receipt for each message")
        except asyncio.CancelledError:
            if self._is_cancelled():
                raise
            problem = ArchitectError("it was cancelled")
        except Exception as error:  # noqa: BLE001 - a failure of these messages, which the log shows
            _log.warning("%s: an attempt failed", self.name, exc_info=error)
            problem = error
        return [Receipt(problem)] * len(batch)

    @staticmethod
    def _is_cancelled() -> bool:
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0

    async def _failed(self, received: Received, chain: _Chain, receipt: Receipt) -> None:
        if chain.pause is not None:  # it is behind one that failed
            (chain.returned if self._capabilities.holds_back else chain.kept).append(received)
            return
        self.counts.failed += 1
        reason, attempt = _reason(receipt), received.attempt
        delay = self._schedule.delay(attempt, receipt.retry_after, self._capabilities.max_delay)
        if receipt.permanent or delay is None:
            self.counts.dead += 1
            _log.error("%s is dead after attempt %d: %s", described(received.message), attempt, reason)
            await self._held.bury(received, reason)
            return
        if chain.key is not None:
            keeps = not self._capabilities.holds_back
            chain.pause = delay = min(delay, _LONGEST_HELD) if keeps else delay
            if keeps:
                chain.kept.append(received)
        _log.warning(
            "%s: attempt %d failed, the next is in %.1f seconds: %s",
            described(received.message),
            attempt,
            delay,
            reason,
        )
        if not chain.kept:
            await self._held.retry(received, delay)

    async def _go_on(self, chain: _Chain) -> None:
        """Have the next messages of a chain processed, or the failed ones again later."""
        pause, chain.pause = chain.pause, None
        if pause is not None and self._capabilities.holds_back:
            returned = [*chain.returned, *chain.waiting]
            chain.returned.clear()
            chain.waiting.clear()
            await self._held.release(returned)
        if chain.kept:
            first = self._held.tried(chain.kept[0])
            chain.waiting.extendleft((*reversed(chain.kept[1:]), first))
            chain.kept.clear()
            asyncio.get_running_loop().call_later(pause or 0.0, self._resume, chain)
        elif chain.waiting:
            self._ready.append(chain)
        elif chain.key is not None:
            del self._chains[chain.key]

    def _resume(self, chain: _Chain) -> None:
        self._ready.append(chain)
        self._begin()


def _reason(receipt: Receipt) -> str:
    text = f"status {receipt.status}" if receipt.error is None else text_of(receipt.error)
    return text[:_LONGEST_REASON]
