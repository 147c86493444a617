"""The messages that a worker holds, until the consumer knows what became of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from architect_core.exceptions import ArchitectError

if TYPE_CHECKING:
    from architect_core.contract import Consumer, Received

_log = logging.getLogger("architect.events")
_TOGETHER, _ENOUGH = 0.005, 50  # seconds for which successes are collected before they are acknowledged, and how many
_TIMEOUT = 10.0  # seconds that one call of the consumer may take
_ATTEMPTS = 5


class Holding:
    """Holds messages; acknowledges them together, extends their leases, and outlives a consumer that fails."""

    def __init__(self, name: str, consumer: Consumer, limit: int) -> None:
        """`name` is what messages are taken from, for the log; at most `limit` are held."""
        self._name = name
        self._consumer = consumer
        self._limit = limit
        self._held: dict[int, Received] = {}  # by their ids, because comparing messages takes time
        self._succeeded: list[Received] = []
        self._acknowledging: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    @property
    def room(self) -> int:
        """How many more can be held."""
        return self._limit - len(self._held)

    @property
    def is_empty(self) -> bool:
        """Whether none is held."""
        return not self._held

    async def change(self) -> None:
        """Returns once one is no longer held."""
        self._changed.clear()
        await self._changed.wait()

    def add(self, received: Received) -> None:
        """Hold a message."""
        self._held[id(received)] = received

    def tried(self, received: Received) -> Received:
        """Returns the message with one more attempt, which is held instead."""
        again = replace(received, attempt=received.attempt + 1)
        del self._held[id(received)]
        self._held[id(again)] = again
        return again

    def acknowledge(self, received: Sequence[Received], *, soon: bool) -> None:
        """Acknowledge messages: `soon`, together with others that succeed in the same moment, or else at once."""
        self._succeeded += received
        if self._succeeded and self._acknowledging is None:
            self._acknowledging = asyncio.create_task(self._acknowledge(_TOGETHER if soon else 0.0))

    async def retry(self, received: Received, delay: float) -> None:
        """Have a message delivered again after `delay` seconds."""
        await self._answer([received], "retry", partial(self._consumer.retry, received, delay))

    async def bury(self, received: Received, reason: str) -> None:
        """Make a message a dead letter."""
        await self._answer([received], "bury", partial(self._consumer.dead, received, reason))

    async def release(self, received: Sequence[Received]) -> None:
        """Give back messages that were not attempted."""
        if received:
            await self._answer(received, "release", partial(self._consumer.release, received))

    async def extend_leases(self, lease: float) -> None:
        """Extends the leases of all messages at half of the lease, for ever; sooner again if that fails."""
        while True:
            await asyncio.sleep(lease / 2)
            while self._held:
                try:
                    async with asyncio.timeout(lease / 4):
                        await self._consumer.extend(list(self._held.values()))
                    break
                except Exception as problem:  # noqa: BLE001 - they may be delivered again, and go on
                    _log.warning("%s: could not extend leases: %s", self._name, text_of(problem))
                    await asyncio.sleep(lease / 16)

    async def close(self) -> None:
        """Close the consumer, which has what is still held delivered again."""
        if self._acknowledging is not None:
            await self._acknowledging
        try:
            async with asyncio.timeout(_TIMEOUT):
                await self._consumer.close()
        except Exception as problem:  # noqa: BLE001 - what is held is delivered again in any case
            if not isinstance(problem, ArchitectError):  # which `receive` has raised, too
                _log.warning("%s: closing failed: %s", self._name, text_of(problem))

    async def _acknowledge(self, pause: float) -> None:
        while self._succeeded:
            if len(self._succeeded) < min(_ENOUGH, self._limit / 2):
                await asyncio.sleep(pause)
            batch, self._succeeded = self._succeeded, []
            if not await self._answer(batch, "acknowledge", partial(self._consumer.ack, batch)) and len(batch) > 1:
                await self._acknowledge_each(batch)
        self._acknowledging = None

    async def _acknowledge_each(self, batch: Sequence[Received]) -> None:
        """Those of a connection that was lost must not keep others from being acknowledged."""
        with suppress(TimeoutError):  # it is away
            async with asyncio.timeout(_TIMEOUT):
                for each in batch:
                    with suppress(Exception):  # which is in the log already
                        await self._consumer.ack([each])

    async def _answer(self, received: Iterable[Received], what: str, answer: Callable[[], Awaitable[None]]) -> bool:
        """Calls the consumer, some times if it fails; then the messages are no longer held. Returns whether it worked.

        If it never works, the lease or the connection has ended, or will, and they are delivered again.
        """
        answered = False
        for number in range(_ATTEMPTS):
            try:
                async with asyncio.timeout(_TIMEOUT):
                    await answer()
                answered = True
                break
            except Exception as problem:  # noqa: BLE001 - see above
                if number == _ATTEMPTS - 1 or not isinstance(problem, OSError):
                    text = text_of(problem)
                    _log.warning("%s: could not %s, so it may be delivered again: %s", self._name, what, text)
                    break
                await asyncio.sleep(0.1 * 2**number)
        for each in received:
            self._held.pop(id(each), None)
        self._changed.set()
        return answered


def text_of(problem: Exception) -> str:
    """Returns what an exception says, or its type if it says nothing."""
    return str(problem) or type(problem).__name__
