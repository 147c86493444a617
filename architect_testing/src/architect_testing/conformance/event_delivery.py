"""The suite of channels that deliver events to their subscribers at once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import ClassVar

import pytest

from architect_core.contract import Channel, Message, Receipt, Subscription, Topic
from architect_testing.conformance import channel as shared
from architect_testing.conformance.channel import SOURCE, ChannelSuite, assert_receipts, message
from architect_testing.conformance.suite import fail, needs
from architect_testing.tools.canary import SECRET, assert_hidden
from architect_testing.tools.forking import can_fork, in_child
from architect_testing.tools.loops import in_event_loop
from architect_testing.tools.sockets import refusing, silent

ReceivedBodies = Callable[[], Sequence[bytes]]

PLAIN = b'{"id": 7}'
BODY = '{"id": 7,\n "text": "ünïcode ✓", "quoted": "\\"\\\\\\n"}\n'.encode()
_SILENT = 10  # so many that one after another takes too long, however slow the machine is
_MANY = 50
_SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_ARRIVAL_SECONDS = 5.0
_POLL_SECONDS = 0.01
_SEND = """
import asyncio, datetime
from architect_core.contract import EventChannel, Message, Subscription
from architect_core.plugins import Plugins

async def main():
    channel = Plugins().get(EventChannel, asked["channel"], "the conformance suite").open(None)
    now = datetime.datetime.now(datetime.UTC)
    message = Message("1", "placed", "acme/orders", now, b"{}", to=Subscription(**asked["subscription"]))
    await channel.send([message], asked["timeout"])
    await channel.close()

asyncio.run(main())
"""


class EventDeliverySuite(ChannelSuite, abstract=True):
    """Checks a channel that delivers events to their subscribers at once, and keeps none.

        class TestSocketDelivery(EventDeliverySuite):
            channel = "events.socket"
            capabilities = Capabilities(keeps=False)

            @pytest.fixture
            def subscription(self, server):
                return Subscription("acme/mailer", "http://127.0.0.1", server.port, "/event", api="socket")

            @pytest.fixture
            def received(self, server):
                return lambda: server.bodies

    A subclass defines `channel`, `capabilities` and two fixtures: `subscription`, whose subscriber is a server that is
    started for each check and accepts fifty connections at once; and `received`, a function that returns the bodies
    received so far.

    Attributes:
        channel: the plugin's name, which is its entry point's.
        capabilities: what the plugin says that it can do.
        timeout: seconds for a delivery to a subscriber that answers.
        impatient: seconds for deliveries where some subscribers never answer; as few as the others need.
        answers: whether a subscriber confirms an event. If not, a subscriber that never answers is no error.
    """

    timeout: ClassVar[float] = 5.0
    impatient: ClassVar[float] = 0.5
    answers: ClassVar[bool] = True

    def at(self, subscription: Subscription, port: int) -> Subscription:
        """`subscription` with another port of 127.0.0.1. Override it if the port is not its `port`."""
        return replace(subscription, port=port)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Channel]:
        channel: Channel = self._provided().open(None)
        try:
            yield channel
        finally:
            await channel.close()

    @in_event_loop
    async def test_each_subscriber_gets_the_body_unchanged(
        self, subscription: Subscription, received: ReceivedBodies
    ) -> None:
        """There is a receipt that is ok for each message, and the bodies arrive unchanged."""
        sent = [_to(replace(subscription, name=f"acme/s{number}"), BODY) for number in range(5)]
        async with self._opened() as channel:
            _assert_ok(sent, await channel.send(sent, self.timeout))
        _assert_arrived(received, sent)

    @in_event_loop
    async def test_without_messages_nothing_is_sent(self) -> None:
        """Of no messages, there are no receipts, and no error."""
        async with self._opened() as channel:
            assert_receipts([], await channel.send([], self.timeout))

    @in_event_loop
    async def test_a_refusing_subscriber_delays_no_other(
        self, subscription: Subscription, received: ReceivedBodies
    ) -> None:
        """The receipt of a subscriber that refuses connections has an error, and the others get the event."""
        with refusing() as port:
            sent = [_to(each) for each in (subscription, self.at(subscription, port), subscription)]
            async with self._opened() as channel:
                receipts = await channel.send(sent, self.timeout)
        assert_receipts(sent, receipts)
        _assert_failed(receipts[1], "refuses connections")
        _assert_ok([sent[0], sent[2]], [receipts[0], receipts[2]])
        _assert_arrived(received, [sent[0], sent[2]])

    @needs(lambda suite: suite.answers)
    @in_event_loop
    async def test_silent_subscribers_delay_no_other(
        self, subscription: Subscription, received: ReceivedBodies
    ) -> None:
        """Ten subscribers that never answer take no longer than one timeout, and the others get the event."""
        most = self.impatient + shared.SLACK_SECONDS
        with silent() as port:
            sent = [*(_to(self.at(subscription, port)) for _ in range(_SILENT)), _to(subscription)]
            async with self._opened() as channel:
                try:
                    async with asyncio.timeout(most):
                        receipts = await channel.send(sent, self.impatient)
                except TimeoutError as problem:
                    fail(
                        f"{_SILENT} subscribers that never answer took more than {most:g} seconds, with a timeout of "
                        f"{self.impatient:g}. Deliver to all of them at once, each with the timeout",
                        problem,
                    )
        assert_receipts(sent, receipts)
        for each in receipts[:-1]:
            _assert_failed(each, "never answers")
        _assert_ok(sent[-1:], receipts[-1:])
        _assert_arrived(received, sent[-1:])

    @in_event_loop
    async def test_secrets_show_in_no_repr_no_log_and_no_error(
        self, subscription: Subscription, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A subscriber's headers, login and signing secret show nowhere, however its delivery ends."""
        headers = {"x-key": SECRET, "authorization": f"Bearer {SECRET}", "x-beyond-latin-1": f"✓{SECRET}"}
        holding = replace(subscription, headers=headers, auth=("architect", SECRET), secrets=(_SIGNING,))
        receipts: Sequence[Receipt] = ()
        error = None
        async with self._opened() as channel:
            with refusing() as refused, silent() as hanging, caplog.at_level(logging.DEBUG):
                sent = [_to(each) for each in (holding, self.at(holding, refused), self.at(holding, hanging))]
                try:
                    async with asyncio.timeout(self.impatient + shared.SLACK_SECONDS):
                        receipts = await channel.send(sent, self.impatient)
                except Exception as problem:  # noqa: BLE001 - it is searched
                    error = problem
            for secret in (SECRET, _SIGNING):
                errors = [each.error for each in receipts]
                assert_hidden(secret, channel=channel, receipts=list(receipts), errors=errors, raised=error)
                assert_hidden(secret, sent=sent, logs=caplog.records)

    @in_event_loop
    async def test_fifty_are_sent_at_once(self, subscription: Subscription, received: ReceivedBodies) -> None:
        """Fifty tasks send a message each by one channel, and all of them arrive."""
        sent = [_to(subscription, b'{"number": %d}' % number) for number in range(_MANY)]
        async with self._opened() as channel:
            for receipts in await asyncio.gather(*(channel.send([each], self.timeout) for each in sent)):
                _assert_ok(sent[:1], receipts)
        _assert_arrived(received, sent)

    @needs(lambda _: can_fork())
    def test_a_channel_used_before_a_fork_works_in_the_child_and_after(
        self, subscription: Subscription, received: ReceivedBodies
    ) -> None:
        """After `os.fork`, the child can open a channel and send; and the parent's still sends."""
        sent = [_to(subscription), _to(replace(subscription, name="acme/other"))]

        async def send_by_another() -> None:
            async with self._opened() as channel:
                _assert_ok(sent, await channel.send(sent, self.timeout))

        with asyncio.Runner() as runner:
            channel: Channel = self._provided().open(None)
            try:
                _assert_ok(sent, runner.run(channel.send(sent, self.timeout)))
                in_child(lambda: asyncio.run(send_by_another()), self.timeout + shared.SLACK_SECONDS)
                _assert_ok(sent, runner.run(channel.send(sent, self.timeout)))
            finally:
                runner.run(channel.close())
        _assert_arrived(received, sent * 3)

    def test_nothing_of_other_plugins_is_imported(self, subscription: Subscription) -> None:
        """Sending an event imports no other plugin, and nothing that only other plugins require."""
        fields = {key: getattr(subscription, key) for key in ("name", "host", "port", "uri", "api")}
        self._assert_own_imports(_SEND, channel=self.channel, subscription=fields, timeout=self.timeout)


def _to(subscription: Subscription, body: bytes = PLAIN) -> Message:
    return message(Topic("placed", SOURCE, (subscription.name,)), body, to=subscription)


def _assert_ok(sent: Sequence[Message], receipts: Sequence[Receipt]) -> None:
    assert_receipts(sent, receipts)
    for each, receipt in zip(sent, receipts, strict=True):
        name = each.to.name if each.to else ""
        if not receipt.ok:
            fail(f"{name} accepted the event, so that its receipt must be ok, and it is {receipt}", receipt.error)
        assert receipt.elapsed >= 0, f"{name}: `elapsed` must be the seconds until the answer"


def _assert_failed(receipt: Receipt, what: str) -> None:
    failed = isinstance(receipt.error, Exception) and receipt.status is None and not receipt.permanent
    assert failed, (
        f"a subscriber that {what} must have a receipt with an exception, without a status and not permanent, and has "
        f"{receipt}"
    )


def _assert_arrived(received: ReceivedBodies, sent: Sequence[Message]) -> None:
    deadline = time.monotonic() + _ARRIVAL_SECONDS
    while len(received()) < len(sent) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    found = Counter(received())
    assert found == Counter(each.body for each in sent), f"{len(sent)} were sent, and the subscribers received {found}"
