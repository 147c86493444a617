"""Takes the messages of one subscriber from its two queues."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from architect_core.clock import monotonic
from architect_core.contract import Consumer, Received
from architect_sqs.aws import LONG_POLL, AwsError
from architect_sqs.queue import Queue, Token, on_each_queue
from architect_sqs.topology import LEASE
from architect_sqs.wire import decode, foreign

_FIRST_POLL = 1.0  # seconds; each one that finds nothing is followed by one of twice as long
_LOGGER = logging.getLogger("architect.events.sqs")


class SqsConsumer(Consumer):
    """Polls both queues at the same time, and keeps what the slower one has found for the next call.

    A long poll cannot be interrupted. It goes on after `receive` has returned; one that is under way at the end is
    abandoned, and what it finds is given back. That of a process that was killed takes messages to nobody, until their
    leases end; so polls are long only if nothing has come for a while.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[list[Queue]]], forget: Callable[[], None], limit: int, *, dead: bool
    ) -> None:
        """`connect()` returns the queues, and is called again after `forget()`, if one was deleted."""
        self._connect = connect
        self._forget = forget
        self._limit = limit
        self._dead = dead
        self._queues: list[Queue] = []
        self._polls: dict[Queue, asyncio.Future[dict[str, Any]]] = {}
        self._waits: dict[Queue, float] = {}
        self._found: deque[Token] = deque()
        self._held: dict[str, Token] = {}
        self._closed = asyncio.Event()
        self._releases: set[asyncio.Task[None]] = set()

    async def receive(self, limit: int, timeout: float) -> Sequence[Received]:
        """Returns what the queues have; raises AwsError."""
        end = monotonic() + timeout
        while True:
            self._drop_expired()
            room = min(limit, self._limit - len(self._held))
            received = [each for token in self._take(room) if (each := await self._read(token))]
            left = end - monotonic()
            if received or left <= 0 or self._closed.is_set():
                return received
            if room <= 0:
                expiry = min((token.until for token in self._held.values()), default=end) - monotonic()
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, expiry)):
                        await self._closed.wait()
                continue
            if not self._queues:
                self._queues = await self._connect()
            await self._poll(room, left)

    def _drop_expired(self) -> None:
        """What could not be acknowledged is delivered again after its lease, and must not take room from others."""
        now = monotonic()
        self._held = {handle: token for handle, token in self._held.items() if now < token.until}

    async def _poll(self, limit: int, timeout: float) -> None:
        """Wait until a queue has something, and take it."""
        for queue in self._queues:
            if queue not in self._polls:
                seconds = min(timeout, self._waits.setdefault(queue, _FIRST_POLL))
                self._polls[queue] = await queue.poll(limit, seconds, self._orphaned)
        await asyncio.wait(self._polls.values(), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        problems = []
        for queue, poll in list(self._polls.items()):
            if poll.done():
                del self._polls[queue]
                try:
                    tokens = queue.tokens(poll.result())
                    self._waits[queue] = _FIRST_POLL if tokens else min(LONG_POLL, 2 * self._waits[queue])
                    self._found += tokens
                except AwsError as problem:
                    problems.append(problem)
        if problems:
            self._abandon()  # so that the next call reports no failure of an outage that is over
            if any(each.missing for each in problems):
                self._forget()
            raise problems[0]

    def _take(self, limit: int) -> list[Token]:
        """Takes from what was found; what has waited for too long may have been given to another consumer by now."""
        taken: list[Token] = []
        while self._found and len(taken) < limit:
            token = self._found.popleft()
            if monotonic() < token.until:
                taken.append(token)
        return taken

    async def _read(self, token: Token) -> Received | None:
        try:
            message = decode(token.wire)
        except ValueError as problem:
            if not self._dead:
                _LOGGER.warning("a message of a queue is no event, and becomes a dead letter: %s", problem)
                try:
                    await self._bury(token, str(problem))
                except AwsError as error:  # it is received again, and keeps no others from being returned
                    _LOGGER.warning("it could not become one: %s", error)
                return None
            message = foreign(token.wire, token.id)
        self._held[token.handle] = token
        return Received(message, token.attempt, token)

    async def ack(self, received: Sequence[Received]) -> None:
        """Delete them, with what is deleted at the same time."""
        await on_each_queue([each.token for each in received], Queue.delete)
        self._let_go(received)

    async def retry(self, received: Received, delay: float) -> None:
        """Have it be invisible for `delay` seconds, at most 12 hours after it was received.

        A dead letter is sent to the queue again, delayed by 15 minutes at most, and at once if it has a key.
        """
        token: Token = received.token
        if self._dead:
            key = received.message.key
            group = token.id if key is None else key
            await token.queue.move(token, token.wire.without_reason(), group=group, delay=delay)
        else:
            await token.queue.change([token], delay)
        self._let_go([received])

    async def dead(self, received: Received, reason: str) -> None:
        """Send it to the dead-letter queue, then delete it; a dead letter stays one."""
        token: Token = received.token
        if self._dead:
            await token.queue.change([token], 0)
        else:
            await self._bury(token, reason)
        self._let_go([received])

    async def release(self, received: Sequence[Received]) -> None:
        """Have them be visible at once; SQS counts the attempt nevertheless."""
        await self._release([each.token for each in received])
        self._let_go(received)

    async def extend(self, received: Sequence[Received]) -> None:
        """Begin the leases anew, and those of what is not returned yet."""
        tokens = [each.token for each in received if each.token.handle in self._held]
        await on_each_queue([*tokens, *self._found], lambda queue, each: queue.change(each, LEASE))

    async def close(self) -> None:
        """End, and have everything that is held be visible again."""
        self._closed.set()
        self._abandon()
        left = [*self._held.values(), *self._found]
        self._held.clear()
        self._found.clear()
        await self._give_back(left)

    def _abandon(self) -> None:
        self._queues = []
        self._waits.clear()
        for queue, poll in self._polls.items():
            if poll.done() and not poll.cancelled() and poll.exception() is None:
                self._found += queue.tokens(poll.result())
            poll.cancel()
        self._polls.clear()

    def _orphaned(self, tokens: Sequence[Token]) -> None:
        """Give back what an abandoned poll has found."""
        if tokens:
            task = asyncio.create_task(self._give_back(tokens))
            self._releases.add(task)
            task.add_done_callback(self._releases.discard)

    async def _give_back(self, tokens: Sequence[Token]) -> None:
        try:
            await self._release(tokens)
        except AwsError as problem:
            _LOGGER.warning("%d messages are delivered again only after their lease: %s", len(tokens), problem)

    async def _release(self, tokens: Sequence[Token]) -> None:
        await on_each_queue(tokens, lambda queue, each: queue.change(each, 0))

    async def _bury(self, token: Token, reason: str) -> None:
        try:
            # a group of its own, so that one that is looked at hides no other
            await token.queue.move(token, token.wire.with_reason(reason), group=token.id)
        except AwsError as problem:
            if problem.missing:  # the next call of `receive` creates it again
                self._abandon()
                self._forget()
            raise

    def _let_go(self, received: Sequence[Received]) -> None:
        for each in received:
            self._held.pop(each.token.handle, None)
