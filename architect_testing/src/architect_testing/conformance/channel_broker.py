"""What a channel does with its broker: how much it takes, how long it waits, and what happens if it is gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from contextlib import suppress

import pytest

from architect_core.contract import Channel, Message
from architect_testing.conformance import channel as shared
from architect_testing.conformance.channel import (
    BrokerSuite,
    Value,
    assert_receipts,
    assert_same,
    bodies,
    message,
    numbered,
    subscriber,
    text_of,
)
from architect_testing.conformance.suite import fail, needs
from architect_testing.tools.canary import SECRET, assert_hidden
from architect_testing.tools.forking import can_fork, in_child
from architect_testing.tools.loops import in_event_loop, proxy
from architect_testing.tools.sockets import refusing, silent

_MANY = 100
_LIMIT, _SENT = 3, 10
_POLL_SECONDS = 0.01
_LONG_SECONDS = 60.0  # longer than any check waits
_ROUND_TRIP = """
import asyncio, datetime, os
from architect_core.contract import Message, Topic
from architect_core.resolver import Resolver

async def main():
    os.environ["ARCHITECT_EVENTS"] = asked["broker"]
    resolver = Resolver({})
    channel = resolver.channel(asked["channel"]).open(resolver.broker())
    topic = Topic(asked["event"], "acme/orders", (asked["subscriber"],))
    await channel.declare([topic])
    now = datetime.datetime.now(datetime.UTC)
    await channel.send([Message("1", topic.event, topic.source, now, b"{}")], asked["timeout"])
    consumer = channel.consumer(asked["subscriber"], [topic], 1)
    await consumer.ack(await consumer.receive(1, asked["timeout"]))
    await consumer.close()
    await channel.close()

asyncio.run(main())
"""


class BrokerChecks(BrokerSuite, abstract=True):
    """The checks of the connection to a broker."""

    @in_event_loop
    async def test_a_hundred_messages_are_sent_at_once(self, broker: Value) -> None:
        """A hundred `send` at once and one of a hundred messages are accepted, and all arrive; so is one of none."""
        mailer = subscriber()
        placed = self._topic(mailer)
        sent = numbered(placed, 2 * _MANY)
        async with self._opened(broker) as channel:
            await channel.declare([placed])
            await self._send(channel, [])
            await asyncio.gather(*(self._send(channel, [each]) for each in sent[:_MANY]))
            await self._send(channel, sent[_MANY:])
            consumer = channel.consumer(mailer, [placed], 3 * _MANY)
            received = await self._take(consumer, 2 * _MANY)
            assert_same(sent, [*received, *await consumer.receive(1, self.quiet)])

    @needs(lambda suite: suite.capabilities.max_bytes is not None)
    @in_event_loop
    async def test_a_body_that_is_too_large_fails_alone_and_for_good(self, broker: Value) -> None:
        """One byte more than `max_bytes` is a permanent failure, and the other messages of the batch are accepted."""
        mailer = subscriber()
        placed = self._topic(mailer)
        first, last = numbered(placed, 2)
        large = message(placed, b"x" * ((self.capabilities.max_bytes or 0) + 1))
        async with self._opened(broker) as channel:
            await channel.declare([placed])
            receipts = await channel.send([first, large, last], self.timeout)
            assert_receipts([first, large, last], receipts)
            found = [(each.ok, each.permanent) for each in receipts]
            assert found == [(True, False), (False, True), (True, False)], (
                f"of three messages, the second of which is too large, that one alone must fail, and be permanent, so "
                f"that nobody sends it again: {receipts}"
            )
            consumer = channel.consumer(mailer, [placed], _SENT)
            assert_same([first, last], [*await self._take(consumer, 2), *await consumer.receive(1, self.quiet)])

    @in_event_loop
    async def test_a_consumer_holds_no_more_than_its_limit(self, broker: Value) -> None:
        """What is beyond a consumer's limit is left to others, until it has acknowledged some."""
        mailer = subscriber()
        placed = self._topic(mailer)
        sent = numbered(placed, _SENT)
        async with self._opened(broker) as channel:
            await channel.declare([placed])
            await self._send(channel, sent)
            left = _SENT - 2 * _LIMIT
            consumer, other = (channel.consumer(mailer, [placed], limit) for limit in (_LIMIT, left))
            held = await self._take(consumer, _LIMIT)
            await self._assert_nothing(consumer, f"the consumer holds {_LIMIT} messages, which is its limit")
            held_by_other = await self._take(other, left)
            await consumer.ack(held)
            rest = await self._take(consumer, _LIMIT)
            assert_same(sent, [*held, *held_by_other, *rest])

    @in_event_loop
    async def test_receiving_ends_with_its_timeout_or_the_first_message(self, broker: Value) -> None:
        """`receive` returns nothing after its timeout, and returns as soon as there is one message."""
        mailer = subscriber()
        placed = self._topic(mailer)
        first, second = numbered(placed, 2)
        loop = asyncio.get_running_loop()
        async with self._opened(broker) as channel:
            await channel.declare([placed])
            consumer = channel.consumer(mailer, [placed], _SENT)
            await consumer.receive(_SENT, 0.0)  # connects
            began = loop.time()
            await self._assert_nothing(consumer, "nothing was sent")
            waited = loop.time() - began
            assert waited < self.quiet + shared.SLACK_SECONDS, (
                f"receive() must return nothing after its timeout of {self.quiet:g} seconds, and it took {waited:.2f}"
            )
            for each in (first, second):
                waiting = asyncio.create_task(consumer.receive(_SENT, self.timeout))
                await asyncio.sleep(self.quiet)
                began = loop.time()
                await self._send(channel, [each])
                received = await waiting
                waited = loop.time() - began
                assert waited < shared.SLACK_SECONDS, (
                    f"receive() must return as soon as there is a message, and it took {waited:.2f} seconds"
                )
                assert_same([each], received)

    @in_event_loop
    async def test_closing_ends_what_is_being_received(self, broker: Value) -> None:
        """`close` of a consumer or its channel ends a `receive` that waits; it returns nothing or raises an OSError."""
        mailer = subscriber()
        placed = self._topic(mailer)
        for closed in ("consumer", "channel"):
            async with self._opened(broker) as channel:
                await channel.declare([placed])
                consumer = channel.consumer(mailer, [placed], _SENT)
                waiting = asyncio.create_task(consumer.receive(_SENT, _LONG_SECONDS))
                await asyncio.sleep(self.quiet)
                try:
                    async with asyncio.timeout(self.timeout):
                        await (consumer if closed == "consumer" else channel).close()
                        with suppress(OSError):
                            received = await waiting
                            assert not received, f"a {closed} that is closed must receive nothing"
                except TimeoutError as problem:
                    fail(f"close() of a {closed} must end the receive() that waits", problem)

    @needs(lambda suite: suite.lease is not None)
    @in_event_loop
    async def test_an_extended_lease_lasts_longer(self, broker: Value) -> None:
        """A message whose lease is extended is delivered to nobody else; once it is no longer, it is."""
        mailer = subscriber()
        placed = self._topic(mailer)
        sent = numbered(placed, 1)
        lease = self.lease or 0
        async with self._opened(broker) as channel, self._opened(broker) as another:
            await channel.declare([placed])
            await self._send(channel, sent)
            consumer, other = (each.consumer(mailer, [placed], 1) for each in (channel, another))
            held = await self._take(consumer, 1)
            for _ in range(4):
                early = await other.receive(1, lease / 2)
                assert not early, (
                    "extend() must begin the lease anew, and the message was delivered to another consumer"
                )
                await consumer.extend(held)
            again = await self._take(other, 1, lease + self.redelivery)
            assert_same(sent, again)
            assert again[0].attempt > held[0].attempt, "after its lease, a message must arrive with a greater attempt"

    @needs(lambda suite: suite.network)
    @in_event_loop
    async def test_a_broker_that_is_gone_is_an_error_in_time(self, broker: Value) -> None:
        """If the broker does not answer, `send` returns failed receipts; `declare` and `receive` raise OSError."""
        mailer = subscriber()
        placed = self._topic(mailer)
        with refusing() as refused, silent() as hanging:
            for port, how in ((refused, "refuses connections"), (hanging, "never answers")):
                async with self._opened(self.at(broker, port)) as channel:
                    await self._assert_not_sent(channel, numbered(placed, 3), how)
            async with self._opened(self.at(broker, refused)) as channel:
                consumer, dead = (channel.consumer(mailer, [placed], 1, dead=dead) for dead in (False, True))
                await self._assert_os_error("declare()", channel.declare([placed]))
                await self._assert_os_error("receive()", consumer.receive(1, self.quiet))
                await self._assert_os_error("receive() of dead letters", dead.receive(1, self.quiet))

    async def _assert_os_error(self, name: str, called: Awaitable[object]) -> None:
        error = None
        try:
            async with asyncio.timeout(self.timeout):
                await called
        except Exception as problem:  # noqa: BLE001 - it is checked
            error = problem
        if not isinstance(error, OSError):
            fail(f"{name} must raise an OSError if the broker refuses connections: {error!r}", error)

    async def _assert_not_sent(self, channel: Channel, messages: Sequence[Message], how: str) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self.quiet + shared.SLACK_SECONDS):
                receipts = await channel.send(messages, self.quiet)
        except Exception as problem:  # noqa: BLE001 - it is reported
            what = f"it raised a {type(problem).__name__} after {loop.time() - began:.2f}"
            fail(
                f"if the broker {how}, send() must return receipts with an error within {self.quiet:g} seconds: {what}",
                problem,
            )
        assert_receipts(messages, receipts)
        for each in receipts:
            wrong = each.ok or each.error is None or each.permanent
            assert not wrong, f"if the broker {how}, a receipt must have an error that is not permanent: {each}"

    @needs(lambda suite: suite.network)
    @in_event_loop
    async def test_a_lost_connection_is_made_again(self, broker: Value) -> None:
        """After its connections were cut, a channel sends, and its consumer receives, with no further help."""
        mailer = subscriber()
        placed = self._topic(mailer)
        first, second = numbered(placed, 2)
        host, port = self.address(broker)
        async with proxy(host, port) as between, self._opened(self.at(broker, between.port)) as channel:
            await channel.declare([placed])
            consumer = channel.consumer(mailer, [placed], _SENT)
            await self._send(channel, [first])
            await consumer.ack(await self._take(consumer, 1))
            waiting = asyncio.create_task(consumer.receive(_SENT, self.timeout))
            between.cut()
            accepted, found = False, set()
            try:
                async with asyncio.timeout(2 * self.timeout):
                    while not accepted:
                        accepted = (await channel.send([second], self.timeout))[0].ok
                        await asyncio.sleep(_POLL_SECONDS)
                    while second.body not in found:  # the first may have been cut off before it was acknowledged
                        with suppress(OSError):
                            found |= set(bodies(await waiting))
                        waiting = asyncio.create_task(consumer.receive(_SENT, self.quiet))
                        await asyncio.sleep(_POLL_SECONDS)
                    await waiting
            except TimeoutError as problem:
                what = "receive()" if accepted else "send()"
                fail(
                    f"after its connection was cut, {what} must connect again within {self.timeout:g} seconds", problem
                )

    def test_secrets_show_in_no_repr_no_log_and_no_error(self, broker: Value, caplog: pytest.LogCaptureFixture) -> None:
        """The broker's password and what a message carries show nowhere, whether the broker is there or not."""
        with caplog.at_level(logging.INFO):
            self._assert_payload_hidden(broker)
        assert_hidden(SECRET, logs=caplog.records)
        if self.network:
            with refusing() as port, caplog.at_level(logging.DEBUG):
                self._assert_password_hidden(self.with_secret(broker, SECRET))
                self._assert_password_hidden(self.with_secret(self.at(broker, port), SECRET))
            assert_hidden(SECRET, logs=caplog.records)

    @in_event_loop
    async def _assert_payload_hidden(self, broker: Value) -> None:
        mailer = subscriber()
        placed = self._topic(mailer)
        sent = message(placed, SECRET.encode(), headers={"authorization": SECRET})
        async with self._opened(broker) as channel:
            await channel.declare([placed])
            receipts = await channel.send([sent], self.timeout)
            consumer = channel.consumer(mailer, [placed], 1)
            received = await self._take(consumer, 1)
            await consumer.dead(received[0], "a test")
            assert_hidden(SECRET, channel=channel, receipts=list(receipts), consumer=consumer, received=received)

    @in_event_loop
    async def _assert_password_hidden(self, broker: Value) -> None:
        mailer = subscriber()
        placed = self._topic(mailer)
        async with self._opened(broker) as channel:
            consumer = channel.consumer(mailer, [placed], 1)
            shown: list[object] = [channel, consumer]

            async def send() -> None:
                for each in await channel.send(numbered(placed, 1), shared.SLACK_SECONDS):
                    shown.extend((each, each.error))

            for called in (send(), channel.declare([placed]), consumer.receive(1, self.quiet)):
                try:
                    await called
                except Exception as problem:  # noqa: BLE001 - it is checked
                    shown.append(problem)
            assert_hidden(SECRET, shown=shown)

    @needs(lambda _: can_fork())
    def test_a_channel_used_before_a_fork_works_in_the_child_and_after(self, broker: Value) -> None:
        """After `os.fork`, the child can open a channel and use it; and the parent's still works."""
        mailer = subscriber()
        placed = self._topic(mailer)

        async def exchange(channel: Channel) -> None:
            sent = numbered(placed, 1)
            await self._send(channel, sent)
            consumer = channel.consumer(mailer, [placed], 1)
            received = await self._take(consumer, 1)
            await consumer.ack(received)
            await consumer.close()
            assert_same(sent, received)

        async def exchange_with_another() -> None:
            async with self._opened(broker) as channel:
                await exchange(channel)

        with asyncio.Runner() as runner:
            channel: Channel = self._provided().open(self._broker(broker))
            try:
                runner.run(channel.declare([placed]))
                runner.run(exchange(channel))
                in_child(lambda: asyncio.run(exchange_with_another()), self.timeout)
                runner.run(exchange(channel))
            finally:
                runner.run(channel.close())

    def test_nothing_of_other_plugins_is_imported(self, broker: Value) -> None:
        """Sending and receiving a message imports no other plugin, and nothing that only other plugins require."""
        mailer = subscriber()
        asked = {"event": self._topic(mailer).event, "subscriber": mailer, "timeout": self.timeout}
        self._assert_own_imports(_ROUND_TRIP, channel=self.channel, broker=text_of(broker), **asked)
