"""What happens to the messages of a channel that keeps them: delivery, acknowledgement, retries, dead letters."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace

from architect_core.contract import REASON_HEADER, Received
from architect_testing.conformance.channel import (
    BrokerSuite,
    Value,
    assert_attempts,
    assert_same,
    numbered,
    subscriber,
    varied,
)
from architect_testing.conformance.suite import needs
from architect_testing.tools.loops import in_event_loop

DELAY_SECONDS = 1.0
_EARLY_SECONDS = 0.1  # a broker's clock has its own ticks
_ORDERED, _KEYS, _BATCH = 200, 4, 50
_LIMIT = 10
_REASON = "ValueError in letters.handlers"


class MessageChecks(BrokerSuite, abstract=True):
    """The checks of messages."""

    @in_event_loop
    async def test_a_message_arrives_unchanged(self, broker: Value) -> None:
        """Body, id, event, source, time, key, content type and headers arrive as they were sent, with the attempt 1."""
        mailer = subscriber()
        placed = self._topic(mailer)
        sent = varied(placed, self.capabilities.max_bytes)
        async with self._opened(broker) as channel:
            await channel.declare([placed])
            await self._send(channel, sent)
            received = await self._take(channel.consumer(mailer, [placed], len(sent)), len(sent))
        assert_same(sent, received)
        assert_attempts(received, 1)

    @in_event_loop
    async def test_each_subscriber_gets_every_message_and_only_its_own(self, broker: Value) -> None:
        """A message reaches all subscribers of its event and source, once each, and no other subscriber."""
        ada, bob, eve = subscriber("ada"), subscriber("bob"), subscriber("eve")
        placed, lost = self._topic(ada, bob), self._topic(bob)
        foreign = self._topic(eve, event=placed.event, source="acme/others")
        async with self._opened(broker) as channel:
            await channel.declare([placed, lost, foreign])
            sent = {each: numbered(each, 2) for each in (placed, lost, foreign)}
            for messages in sent.values():
                await self._send(channel, messages)
            for name, topics in ((ada, [placed]), (bob, [placed, lost]), (eve, [foreign])):
                wanted = [each for of in topics for each in sent[of]]
                consumer = channel.consumer(name, topics, _LIMIT)
                received = await self._take(consumer, len(wanted))
                assert_same(wanted, [*received, *await consumer.receive(_LIMIT, self.quiet)])

    @in_event_loop
    async def test_an_event_without_subscribers_is_accepted(self, broker: Value) -> None:
        """A message of a declared event that has no subscriber has a receipt that is ok."""
        placed = self._topic()
        async with self._opened(broker) as channel:
            await channel.declare([placed])
            await self._send(channel, numbered(placed, 2))

    @in_event_loop
    async def test_a_message_waits_for_a_subscriber_that_never_ran(self, broker: Value) -> None:
        """What is sent after `declare` arrives, although its subscriber begins to receive only later."""
        mailer = subscriber()
        placed = self._topic(mailer)
        sent = numbered(placed, 2)
        async with self._opened(broker) as channel:
            await channel.declare([placed])
            await self._send(channel, sent)
        async with self._opened(broker) as channel:
            assert_same(sent, await self._take(channel.consumer(mailer, [placed], 2), 2))

    @in_event_loop
    async def test_declaring_again_and_at_once_changes_nothing(self, broker: Value) -> None:
        """`declare` may be called again, many at once, and with more subscribers: nothing is lost or doubled."""
        ada, bob = subscriber("ada"), subscriber("bob")
        placed = self._topic(ada)
        first, second = numbered(placed, 2)
        async with self._opened(broker) as channel, self._opened(broker) as other:
            await asyncio.gather(*(each.declare([placed]) for each in (channel, other) for _ in range(5)))
            await self._send(channel, [first])
            grown = self._topic(ada, bob, event=placed.event)
            await asyncio.gather(*(each.declare([grown]) for each in (channel, other) for _ in range(2)))
            await self._send(channel, [second])
            for name, wanted in ((ada, [first, second]), (bob, [second])):
                consumer = channel.consumer(name, [placed], _LIMIT)
                received = await self._take(consumer, len(wanted))
                assert_same(wanted, [*received, *await consumer.receive(_LIMIT, self.quiet)])

    @in_event_loop
    async def test_what_is_acknowledged_is_never_delivered_again(self, broker: Value) -> None:
        """After `ack`, a message does not arrive again: not at this consumer, and not after both were closed."""
        mailer = subscriber()
        placed = self._topic(mailer)
        async with self._opened(broker) as channel:
            await channel.declare([placed])
            await self._send(channel, numbered(placed, 3))
            consumer = channel.consumer(mailer, [placed], _LIMIT)
            await consumer.ack(await self._take(consumer, 3))
            await self._assert_nothing(consumer, "all was acknowledged", self.lease or 0)
            await consumer.close()
        async with self._opened(broker) as channel:
            await self._assert_nothing(channel.consumer(mailer, [placed], _LIMIT), "all was acknowledged")

    @in_event_loop
    async def test_what_a_closed_consumer_held_is_delivered_again(self, broker: Value) -> None:
        """What was received and not acknowledged arrives again after `close`, with a greater attempt."""
        mailer = subscriber()
        placed = self._topic(mailer)
        sent = numbered(placed, 2)
        attempts = [0]
        for closed in ("consumer", "channel", ""):
            async with self._opened(broker) as channel:
                if attempts == [0]:
                    await channel.declare([placed])
                    await self._send(channel, sent)
                consumer = channel.consumer(mailer, [placed], _LIMIT)
                received = await self._take(consumer, 2, self.redelivery if max(attempts) else None)
                assert_same(sent, received)
                now = [each.attempt for each in received]
                assert min(now) > max(attempts), (
                    f"what was not acknowledged must arrive again with a greater attempt: {now}, after {attempts}"
                )
                attempts = now
                if closed == "consumer":
                    await consumer.close()

    @in_event_loop
    async def test_a_retried_message_arrives_again_after_its_delay(self, broker: Value) -> None:
        """After `retry`, a message arrives again, at this subscriber alone: not early, unchanged, the next attempt."""
        ada, bob = subscriber("ada"), subscriber("bob")
        placed = self._topic(ada, bob)
        sent = varied(placed, self.capabilities.max_bytes)[:2]
        loop = asyncio.get_running_loop()
        async with self._opened(broker) as channel:
            await channel.declare([placed])
            await self._send(channel, sent)
            consumer = channel.consumer(ada, [placed], _LIMIT)
            for attempt, delay in ((1, 0.0), (2, DELAY_SECONDS)):
                received = await self._take(consumer, len(sent))
                assert_attempts(received, attempt)
                retried = loop.time()
                for each in received:
                    await consumer.retry(each, delay)
            received = await self._take(consumer, 1)
            waited = loop.time() - retried
            assert waited > DELAY_SECONDS - _EARLY_SECONDS, (
                f"after a retry in {DELAY_SECONDS:g} seconds, a message must not arrive in {waited:.2f}"
            )
            received += await self._take(consumer, len(sent) - 1)
            assert_attempts(received, 3)
            assert_same(sent, received)
            other = channel.consumer(bob, [placed], _LIMIT)
            assert_same(sent, [*await self._take(other, len(sent)), *await other.receive(1, self.quiet)])

    @in_event_loop
    async def test_a_retry_outlives_its_consumer(self, broker: Value) -> None:
        """What was retried with a delay arrives at the next consumer, although the channel was closed meanwhile."""
        mailer = subscriber()
        placed = self._topic(mailer)
        sent = numbered(placed, 1)
        async with self._opened(broker) as channel:
            await channel.declare([placed])
            await self._send(channel, sent)
            consumer = channel.consumer(mailer, [placed], 1)
            await consumer.retry((await self._take(consumer, 1))[0], DELAY_SECONDS)
            await consumer.close()
        async with self._opened(broker) as channel:
            consumer = channel.consumer(mailer, [placed], _LIMIT)
            received = await self._take(consumer, 1, DELAY_SECONDS + self.redelivery)
            assert_same(sent, [*received, *await consumer.receive(1, self.quiet)])

    @in_event_loop
    async def test_what_is_released_is_delivered_again_at_once(self, broker: Value) -> None:
        """After `release`, messages arrive again."""
        mailer = subscriber()
        placed = self._topic(mailer)
        sent = numbered(placed, 3)
        async with self._opened(broker) as channel:
            await channel.declare([placed])
            await self._send(channel, sent)
            consumer = channel.consumer(mailer, [placed], _LIMIT)
            await consumer.release(await self._take(consumer, 3))
            received = await self._take(consumer, 3, self.redelivery)
            assert_same(sent, [*received, *await consumer.receive(1, self.quiet)])

    @in_event_loop
    async def test_a_dead_message_is_kept_as_a_dead_letter(self, broker: Value) -> None:
        """After `dead`, a message is delivered no more, and a consumer of dead letters gets it, with the reason."""
        ada, bob = subscriber("ada"), subscriber("bob")
        placed = self._topic(ada, bob)
        sent = varied(placed, self.capabilities.max_bytes)[:2]
        async with self._opened(broker) as channel:
            await channel.declare([placed])
            await self._send(channel, sent)
            consumer = channel.consumer(ada, [placed], _LIMIT)
            for each in await self._take(consumer, 2):
                await consumer.dead(each, _REASON)
            await self._assert_nothing(consumer, "dead() ends the deliveries of a message", self.lease or 0)
            others = channel.consumer(bob, [placed], 1, dead=True)
            await self._assert_nothing(others, "a dead letter is that of one subscriber")
            letters = channel.consumer(ada, [placed], _LIMIT, dead=True)
            found = [*await self._take(letters, 2), *await letters.receive(1, self.quiet)]
            for each in found:
                reason = each.message.headers.get(REASON_HEADER)
                assert reason == _REASON, (
                    f"a dead letter must have the header {REASON_HEADER!r}, {_REASON!r}, not {reason!r}"
                )
            assert_same(sent, [_without_reason(each) for each in found])
            assert_same(sent, await self._take(channel.consumer(bob, [placed], _LIMIT), 2))

    @in_event_loop
    async def test_a_dead_letter_can_be_discarded_or_delivered_again(self, broker: Value) -> None:
        """A dead letter that is acknowledged is gone; one that is retried arrives again, at its subscriber alone."""
        ada, bob = subscriber("ada"), subscriber("bob")
        placed = self._topic(ada, bob)
        sent = numbered(placed, 2)
        async with self._opened(broker) as channel:
            await channel.declare([placed])
            await self._send(channel, sent)
            consumer, other = (channel.consumer(name, [placed], _LIMIT) for name in (ada, bob))
            await other.ack(await self._take(other, 2))
            for each in await self._take(consumer, 2):
                await consumer.dead(each, "a test")
            dead = channel.consumer(ada, [placed], _LIMIT, dead=True)
            discarded, again = sorted(await self._take(dead, 2), key=lambda each: each.message.body)
            await dead.ack([discarded])
            await dead.retry(again, 0.0)
            assert_same(sent[1:], [*await self._take(consumer, 1), *await consumer.receive(1, self.quiet)])
            await self._assert_nothing(other, "a dead letter of another subscriber is delivered to that one alone")
            await dead.close()
            dead = channel.consumer(ada, [placed], _LIMIT, dead=True)
            await self._assert_nothing(dead, "no dead letter is left", self.lease or 0)

    @needs(lambda suite: suite.capabilities.orders)
    @in_event_loop
    async def test_messages_with_the_same_key_arrive_in_order(self, broker: Value) -> None:
        """Of 200 messages with four keys, those with the same key arrive in the order in which they were sent."""
        mailer = subscriber()
        placed = self._topic(mailer)
        sent = numbered(placed, _ORDERED, lambda number: f"key {number % _KEYS}")
        async with self._opened(broker) as channel:
            await channel.declare([placed])
            for start in range(0, _ORDERED, _BATCH):
                await self._send(channel, sent[start : start + _BATCH])
            consumer = channel.consumer(mailer, [placed], _BATCH)
            found: dict[str | None, list[bytes]] = defaultdict(list)
            count = 0
            while count < _ORDERED:
                received = await consumer.receive(_BATCH, self.timeout)
                assert received, f"{_ORDERED} messages must arrive, and {count} did"
                for each in received:
                    found[each.message.key].append(each.message.body)
                await consumer.ack(received)
                count += len(received)
        for key, arrived in found.items():
            wanted = [each.body for each in sent if each.key == key]
            assert arrived == wanted, f"messages with the same key must arrive in the order of sending: {arrived}"

    @needs(lambda suite: suite.capabilities.holds_back)
    @in_event_loop
    async def test_messages_wait_for_one_with_their_key_that_is_retried(self, broker: Value) -> None:
        """While a message waits for its retry, no later one with the same key arrives."""
        mailer = subscriber()
        placed = self._topic(mailer)
        sent = numbered(placed, 3, lambda number: "ada" if number != 1 else "bob")
        async with self._opened(broker) as channel:
            await channel.declare([placed])
            await self._send(channel, sent)
            consumer = channel.consumer(mailer, [placed], 1)
            order: list[bytes] = []
            retried: set[bytes] = set()
            while len(order) < len(sent):
                (received,) = await self._take(consumer, 1, DELAY_SECONDS + self.timeout)
                if received.message.body == b"0" and not retried:
                    retried.add(b"0")
                    await consumer.retry(received, DELAY_SECONDS)
                else:
                    order.append(received.message.body)
                    await consumer.ack([received])
        assert order.index(b"0") < order.index(b"2"), (
            f"a message must wait while an earlier one with its key is retried; they arrived as {order}"
        )


def _without_reason(received: Received) -> Received:
    headers = {name: value for name, value in received.message.headers.items() if name != REASON_HEADER}
    return replace(received, message=replace(received.message, headers=headers))
