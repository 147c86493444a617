"""Publishing one event: into an outbox, to a broker, or to its subscribers."""

from __future__ import annotations

import asyncio
import atexit
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from architect_core.clock import monotonic
from architect_core.contract import Broker, Channel, Delivery, EventChannel, EventTarget, Message, Receipt, Sender
from architect_core.exceptions import ConfigError, PayloadError, PluginError, PublishError
from architect_core.resolver.observing import client_observer
from architect_events.loop import LoopThread
from architect_events.observing import observed
from architect_events.outbox.insert import aio_put, put
from architect_events.subscribers import topic_of
from architect_events.together import SLACK, Together, receipts_of

_Owner = asyncio.AbstractEventLoop | int


class Channels:
    """The channels of this process: of its own event loop for them, and of others, with which they end."""

    def __init__(self) -> None:
        self.loop = LoopThread()
        self._open: dict[tuple[_Owner, type[EventChannel], str], Channel] = {}
        self._ends: dict[asyncio.AbstractEventLoop, AsyncGenerator[None]] = {}
        atexit.register(self._close_own)

    def open(self, factory: EventChannel, broker: Broker | None) -> Channel:
        """Returns the channel that `factory` opens, once for the running event loop; if none runs, for our own."""
        where = "" if broker is None else f"{broker.credentials.url} {broker.credentials.options}"
        key = self._owner(), type(factory), where
        channel = self._open.get(key)
        return channel or self._open.setdefault(key, factory.open(broker))

    def _owner(self) -> _Owner:
        """Returns the running event loop, or the process for its own one; a forked child has another."""
        if self.loop.is_current:
            return os.getpid()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return os.getpid()
        if loop not in self._ends:
            for ended in [each for each in list(self._ends) if each.is_closed()]:
                self._forget(ended)
            # before asyncio closes a loop it closes the asynchronous generators that began in it
            end = self._ends[loop] = self._until_the_end(loop)
            with suppress(StopIteration):  # its first step awaits nothing, so it ends in the value that is yielded
                end.__anext__().send(None)
        return loop

    async def _until_the_end(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await self._close(loop)

    def _forget(self, owner: _Owner) -> list[Channel]:
        if not isinstance(owner, int):
            self._ends.pop(owner, None)
        return [self._open.pop(key) for key in list(self._open) if key[0] == owner]

    async def _close(self, owner: _Owner) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(SLACK):
                await asyncio.gather(*(each.close() for each in self._forget(owner)), return_exceptions=True)

    def _close_own(self) -> None:
        """Disconnects at the end of the process, as brokers expect it; what is published even later connects anew."""
        owner = os.getpid()
        if any(key[0] == owner for key in self._open):
            self.loop.run(self._close(owner))


@cache
def channels() -> Channels:
    """Returns the channels of this process, whichever resolver uses them."""
    return Channels()


class EventSender(Sender):
    """Publishes one event of the running service."""

    def __init__(self, target: EventTarget, channels: Channels) -> None:
        self._target = target
        self._channels = channels
        self._broker = target.broker()
        self._observer = client_observer(target.source, "events")
        self._declarations: WeakKeyDictionary[Channel, asyncio.Task[None]] = WeakKeyDictionary()
        self._together: Together | None = None
        if self._broker is not None:
            self._name = f"events.{self._broker.scheme}"
            self._factory = target.channel(self._name)
            self._together = Together(channels.loop, self._send, self._factory.capabilities.batch)

    def publish(self, body: bytes, key: str | None, outbox: Any, timeout: float) -> list[Delivery]:
        """Keep the event, or deliver it to its subscribers."""
        with observed(self._observer, "publish", self._message(body, key)) as message:
            self._require_carried(message)
            if outbox is not None:
                put(outbox, message)
            elif self._together is not None:
                self._check(message, self._together.send(message, timeout), timeout)
            else:
                return self._channels.loop.run(self._deliver(message, timeout))
            return []

    async def aio_publish(self, body: bytes, key: str | None, outbox: Any, timeout: float) -> list[Delivery]:
        """The same for asyncio."""
        with observed(self._observer, "publish", self._message(body, key)) as message:
            self._require_carried(message)
            if outbox is not None:
                await aio_put(outbox, message)
            elif self._together is not None:
                if self._factory.capabilities.per_loop:
                    receipt = await self._send_here(message, timeout)
                else:
                    receipt = await self._together.aio_send(message, timeout)
                self._check(message, receipt, timeout)
            else:
                return await self._channels.loop.aio(self._deliver(message, timeout))
            return []

    def _message(self, body: bytes, key: str | None) -> Message:
        return Message(str(uuid4()), self._target.event, self._target.source, datetime.now(UTC), body, key=key)

    def _require_carried(self, message: Message) -> None:
        """Raises an error for what the broker cannot carry, also for an outbox, which could not get rid of it."""
        if self._broker is None:
            return
        capabilities = self._factory.capabilities
        limit = capabilities.max_bytes
        if limit is not None and len(message.body) > limit:
            size = f"has {len(message.body):,} bytes, and {self._name} takes {limit:,} at most"
            raise PayloadError(f"event {message.event!r}: the payload {size}. Publish a reference to it instead")
        if message.key is not None and not capabilities.orders:
            reason = f"{self._name} does not keep the order of events with the same key"
            raise PublishError(f"event {message.event!r}: {reason}. Publish it without a key, or use another broker")

    def _check(self, message: Message, receipt: Receipt, timeout: float) -> None:
        """Raises PublishError if the broker has not kept the message."""
        if receipt.ok:
            return
        error = receipt.error
        if isinstance(error, ConfigError):
            raise error
        if isinstance(error, TimeoutError):
            reason = f"did not confirm within {timeout:g} seconds that it is kept, which may or may not be so"
        else:
            reason = f"did not keep it: {str(error) or type(error).__name__}"
        problem = f"event {message.event!r}: {self._name} {reason}. Publish it again, or use an outbox"
        raise PublishError(problem) from error

    async def _send(self, messages: Sequence[Message], timeout: float) -> Sequence[Receipt]:
        channel = self._channels.open(self._factory, self._broker)
        declaring = self._declaring(channel)
        if not declaring.done():
            until = monotonic() + timeout
            async with asyncio.timeout(timeout):
                await asyncio.shield(declaring)
            timeout = max(0.0, until - monotonic())
        return await channel.send(messages, timeout)

    async def _send_here(self, message: Message, timeout: float) -> Receipt:
        try:
            async with asyncio.timeout(timeout + SLACK):
                (receipt,) = await receipts_of(self._send, [message], timeout)
        except TimeoutError as problem:  # only of a channel that breaks its contract
            receipt = Receipt(problem)
        return receipt

    def _declaring(self, channel: Channel) -> asyncio.Task[None]:
        """Returns the task that creates the event's topic, which begins anew if it has failed."""
        task = self._declarations.get(channel)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            topic = topic_of(self._target.event, self._target.source, self._target.subscriptions)
            task = self._declarations[channel] = asyncio.create_task(channel.declare([topic]))
        return task

    async def _deliver(self, message: Message, timeout: float) -> list[Delivery]:
        """Delivers to all subscribers at once; a broken channel affects its own subscribers only."""
        subscriptions = self._target.subscriptions
        messages = [replace(message, to=each) for each in subscriptions]
        groups: dict[str, list[int]] = {}
        for number, each in enumerate(subscriptions):
            groups.setdefault("" if each.consumes else each.api, []).append(number)
        receipts: dict[int, Receipt] = {}

        async def send(api: str, numbers: list[int]) -> None:
            given = await self._ask(api, [messages[number] for number in numbers], timeout)
            receipts.update(zip(numbers, given, strict=True))

        await asyncio.gather(*(send(api, numbers) for api, numbers in groups.items()))
        return [
            Delivery(each, receipts[number].status, receipts[number].elapsed, receipts[number].error)
            for number, each in enumerate(subscriptions)
        ]

    async def _ask(self, api: str, messages: Sequence[Message], timeout: float) -> Sequence[Receipt]:
        event = f"event {self._target.event!r}"
        if not api:
            reason = f"{event} is taken from a broker by this subscriber's handler; set ARCHITECT_EVENTS"
            return [Receipt(ConfigError("the environment", [("", reason)]))] * len(messages)
        name = f"events.{api}"
        try:
            channel = self._channels.open(self._target.channel(name), None)
            async with asyncio.timeout(timeout + SLACK):
                receipts = await channel.send(messages, timeout)
            if [type(each) for each in receipts] == [Receipt] * len(messages):
                return receipts
            problem: Exception = PluginError(f"{event}: the channel {name} did not return one Receipt for each message")
        except Exception as error:  # noqa: BLE001 - it is in the results, so that those of other channels are not lost
            problem = error
        return [Receipt(problem)] * len(messages)
