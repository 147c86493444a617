"""Where a relay sends events: to a broker, or to a subscriber's URL."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from architect_core.clock import monotonic
from architect_core.contract import (
    Capabilities,
    Channel,
    ClientObserver,
    Message,
    Outcome,
    Receipt,
    Received,
    Subscription,
    Topic,
)
from architect_core.exceptions import ConfigError, PayloadError

if TYPE_CHECKING:
    from architect_events.consuming.repeating import Outage

_SLACK = 1.0  # seconds after its timeout when a channel is no longer waited for


class _Sending:
    """Sends batches by a channel, and tells an observer how each message ends."""

    def __init__(self, channel: Channel, timeout: float, observer: ClientObserver | None) -> None:
        self._channel = channel
        self._timeout = timeout
        self._observer = observer

    async def _send(self, messages: Sequence[Message]) -> Sequence[Receipt]:
        if self._observer is None:
            return await self._sent(messages)
        started = monotonic()
        begun = [self._observer.begin_event("relay", each) for each in messages]
        traced = [
            replace(each, headers={**each.headers, **one.headers}) if one else each
            for each, one in zip(messages, begun, strict=True)
        ]
        receipts = await self._sent(traced)
        for one, receipt in zip(begun, receipts, strict=True):
            if one is not None:
                one.ended(Outcome(monotonic() - started, _error(receipt), attempts=1))
        return receipts

    async def _sent(self, messages: Sequence[Message]) -> Sequence[Receipt]:
        try:
            async with asyncio.timeout(self._timeout + _SLACK):
                return await self._channel.send(messages, self._timeout)
        except TimeoutError as problem:  # only of a channel that breaks its contract
            return [Receipt(problem)] * len(messages)


class BrokerSink(_Sending):
    """Sends an outbox's events to a broker.

    While the broker is away, the batch is kept and sent again, so that no attempt is counted: only what the broker
    refuses while it accepts others has failed.
    """

    def __init__(
        self,
        channel: Channel,
        topics: Sequence[Topic],
        capabilities: Capabilities,
        timeout: float,
        outage: Outage,
        observer: ClientObserver | None = None,
    ) -> None:
        """`topics` are declared before anything is sent, and after each outage."""
        super().__init__(channel, timeout, observer)
        self._topics = topics
        self._limit = capabilities.max_bytes
        self._outage = outage
        self._is_declared = False
        self._accepted = 0

    async def __call__(self, batch: Sequence[Received]) -> list[Receipt]:
        """Send a batch, in order."""
        receipts = [self._too_large(each.message) for each in batch]
        left = [number for number, receipt in enumerate(receipts) if receipt.ok]
        accepted = self._accepted
        while left:
            found = await self._once([batch[number].message for number in left])
            for number, receipt in zip(left, found, strict=True):
                receipts[number] = receipt
                self._accepted += receipt.ok
            left = [number for number in left if isinstance(receipts[number].error, OSError)]
            left = [number for number in left if not receipts[number].permanent]
            if left and self._accepted > accepted:
                break  # the broker is there, and refuses these
            if left:
                self._is_declared = False
                await self._outage.pause(receipts[left[0]].error or OSError())
        self._outage.over()
        return receipts

    async def _once(self, messages: Sequence[Message]) -> Sequence[Receipt]:
        try:
            if not self._is_declared:
                async with asyncio.timeout(self._timeout + _SLACK):
                    await self._channel.declare(self._topics)
                self._is_declared = True
        except OSError as problem:
            return [Receipt(problem)] * len(messages)
        return await self._send(messages)

    def _too_large(self, message: Message) -> Receipt:
        if self._limit is None or len(message.body) <= self._limit:
            return Receipt()
        reason = f"it has {len(message.body):,} bytes, and the broker takes {self._limit:,} at most"
        return Receipt(PayloadError(reason), permanent=True)


class UrlSink(_Sending):
    """Posts events to one subscriber, whose `subscriptions` are given by event."""

    def __init__(
        self,
        channel: Channel,
        subscriptions: Mapping[str, Subscription],
        timeout: float,
        observer: ClientObserver | None = None,
    ) -> None:
        super().__init__(channel, timeout, observer)
        self._subscriptions = subscriptions

    async def __call__(self, batch: Sequence[Received]) -> Sequence[Receipt]:
        """Post each message of a batch, all at once."""
        messages = []
        for each in batch:
            subscription = self._subscriptions.get(each.message.event)
            if subscription is None:
                reason = f"the event {each.message.event!r} has no subscription with a URL any more"
                return [Receipt(ConfigError("the subscriptions", [("", reason)]))] * len(batch)
            messages.append(replace(each.message, to=subscription))
        return await self._send(messages)


def _error(receipt: Receipt) -> str | None:
    if receipt.ok:
        return None
    return str(receipt.status) if receipt.error is None else type(receipt.error).__name__
