"""The suite of plugins that deliver events."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

import pytest

from architect_core.contract import Delivery, EventPublisher, Subscription
from architect_testing.conformance.suite import Suite, fail, needs
from architect_testing.tools.canary import SECRET, assert_hidden
from architect_testing.tools.forking import can_fork, in_child
from architect_testing.tools.sockets import refusing, silent
from architect_testing.tools.threads import THREADS, together, within

Received = Callable[[], Sequence[bytes]]

PLAIN = b'{"id": 7}'
BODY = '{"id": 7,\n "text": "ünïcode ✓", "quoted": "\\"\\\\\\n"}\n'.encode()
_SILENT = 10  # so many that one after another takes too long, however slow the machine is
SLACK_SECONDS = 2.0  # beyond the timeouts
_ARRIVAL_SECONDS = 5.0
_POLL_SECONDS = 0.01
_PUBLISH = """
from architect_core.contract import EventPublisher, Subscription
from architect_core.plugins import Plugins
publisher = Plugins().get(EventPublisher, asked["api"], "the conformance suite")
publisher.publish([Subscription(**asked["subscription"])], b"{}", asked["timeout"])
"""


class EventPublisherSuite(Suite, abstract=True):
    """Checks the delivery of events over a protocol.

        class TestSocketPublisher(EventPublisherSuite):
            api = "socket"

            @pytest.fixture
            def subscription(self, server):
                return Subscription("acme/mailer", "http://127.0.0.1", server.port, "/event", api="socket")

            @pytest.fixture
            def received(self, server):
                return lambda: server.bodies

    A subclass defines `api` and two fixtures: `subscription`, whose subscriber is a server that is started for each
    check and accepts fifty connections at once; and `received`, a function that returns the bodies received so far.

    Attributes:
        api: the plugin's name, which is its entry point's.
        timeout: seconds for a delivery to a subscriber that answers.
        impatient: seconds for deliveries where some subscribers never answer; as few as the others need.
        answers: whether a subscriber confirms an event. If not, a subscriber that never answers is no error.
    """

    _kind = EventPublisher
    _named_by = "api"
    _required = ("api",)

    api: ClassVar[str]
    timeout: ClassVar[float] = 5.0
    impatient: ClassVar[float] = 0.5
    answers: ClassVar[bool] = True

    def at(self, subscription: Subscription, port: int) -> Subscription:
        """`subscription` with another port of 127.0.0.1. Override it if the port is not its `port`."""
        return replace(subscription, port=port)

    def test_each_subscriber_gets_the_body_unchanged(self, subscription: Subscription, received: Received) -> None:
        """There is one successful Delivery for each subscriber, in their order, and the bodies arrive unchanged."""
        subscriptions = [replace(subscription, name=f"acme/s{number}") for number in range(5)]
        deliveries = self._provided().publish(subscriptions, BODY, self.timeout)
        _assert_one_each(subscriptions, deliveries)
        for delivery in deliveries:
            _assert_ok(delivery)
        _assert_arrived(received, [BODY] * len(subscriptions))

    def test_without_subscribers_nothing_is_delivered(self) -> None:
        """Without subscribers there are no deliveries, and no error."""
        deliveries = self._provided().publish([], PLAIN, self.timeout)
        assert deliveries == [], "publish([], ...) must return an empty list"

    def test_a_refusing_subscriber_delays_no_other(self, subscription: Subscription, received: Received) -> None:
        """The Delivery to a subscriber that refuses connections has an error, and the others get the event."""
        with refusing() as port:
            refused = replace(self.at(subscription, port), name="acme/refused")
            subscriptions = [subscription, refused, replace(subscription, name="acme/last")]
            deliveries = self._provided().publish(subscriptions, PLAIN, self.timeout)
        _assert_one_each(subscriptions, deliveries)
        _assert_failed(deliveries[1], "refuses connections")
        _assert_ok(deliveries[0])
        _assert_ok(deliveries[2])
        _assert_arrived(received, [PLAIN, PLAIN])

    @needs(lambda suite: suite.answers)
    def test_silent_subscribers_delay_no_other(self, subscription: Subscription, received: Received) -> None:
        """Ten subscribers that never answer take no longer than one timeout, and the others get the event."""
        with silent() as port:
            hanging = [replace(self.at(subscription, port), name=f"acme/silent{number}") for number in range(_SILENT)]
            subscriptions = [*hanging, subscription]
            most = self.impatient + SLACK_SECONDS
            published = within(most, lambda: self._provided().publish(subscriptions, PLAIN, self.impatient))
        assert published.done(), (
            f"{_SILENT} subscribers that never answer took more than {most:g} seconds, with a timeout of "
            f"{self.impatient:g}. Deliver to all of them at once, each with the timeout"
        )
        deliveries = published.result()
        _assert_one_each(subscriptions, deliveries)
        for delivery in deliveries[:-1]:
            _assert_failed(delivery, "never answers")
        _assert_ok(deliveries[-1])
        _assert_arrived(received, [PLAIN])

    def test_secrets_show_in_no_repr_no_log_and_no_error(
        self, subscription: Subscription, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A subscriber's headers and login show nowhere, however its delivery ends."""
        headers = {"x-key": SECRET, "authorization": f"Bearer {SECRET}", "x-beyond-latin-1": f"✓{SECRET}"}
        holding = replace(subscription, headers=headers, auth=("architect", SECRET))
        publisher = self._provided()
        with refusing() as refused, silent() as hanging, caplog.at_level(logging.DEBUG):
            subscriptions = [holding, self.at(holding, refused), self.at(holding, hanging)]
            most = self.impatient + SLACK_SECONDS
            published = within(most, lambda: publisher.publish(subscriptions, PLAIN, self.impatient))
        error = published.exception() if published.done() else None
        deliveries = list(published.result() or []) if published.done() and error is None else []
        errors = [delivery.error for delivery in deliveries]
        assert_hidden(SECRET, publisher=publisher, deliveries=deliveries, errors=errors, raised=error)
        assert_hidden(SECRET, logs=caplog.records)

    def test_fifty_threads_publish_at_once(self, subscription: Subscription, received: Received) -> None:
        """Fifty threads publish an event each with one publisher, and all of them arrive."""
        publisher = self._provided()
        bodies = [b'{"number": %d}' % number for number in range(THREADS)]
        for deliveries in together(lambda number: publisher.publish([subscription], bodies[number], self.timeout)):
            _assert_ok(deliveries[0])
        _assert_arrived(received, bodies)

    @needs(lambda _: can_fork())
    def test_a_publisher_used_before_a_fork_works_in_the_child_and_after(
        self, subscription: Subscription, received: Received
    ) -> None:
        """A publisher that was used before `os.fork` delivers in the child, and afterwards in the parent."""
        publisher = self._provided()
        subscriptions = [subscription, replace(subscription, name="acme/other")]

        def publish() -> None:
            for delivery in publisher.publish(subscriptions, PLAIN, self.timeout):
                _assert_ok(delivery)

        publish()
        in_child(publish, self.timeout + SLACK_SECONDS)
        publish()
        _assert_arrived(received, [PLAIN] * 6)

    def test_nothing_of_other_plugins_is_imported(self, subscription: Subscription) -> None:
        """Publishing an event imports no other plugin, and nothing that only other plugins require."""
        fields = {key: getattr(subscription, key) for key in ("name", "host", "port", "uri", "api")}
        self._assert_own_imports(_PUBLISH, api=self.api, subscription=fields, timeout=self.timeout)


def _assert_one_each(subscriptions: Sequence[Subscription], deliveries: Sequence[Delivery]) -> None:
    wanted, found = [each.name for each in subscriptions], [each.subscription.name for each in deliveries]
    assert found == wanted, f"publish() must return one Delivery for each of {wanted}, in this order, and not {found}"


def _assert_ok(delivery: Delivery) -> None:
    name = delivery.subscription.name
    if not delivery.ok or delivery.error is not None:
        remedy = "A successful delivery has a status from 200 to 299 and no error"
        found = f"has the status {delivery.status} and the error {delivery.error!r}"
        fail(f"{name} accepted the event, and its Delivery {found}. {remedy}", delivery.error)
    assert delivery.elapsed >= 0, f"{name}: `elapsed` must be the seconds since the start of publish()"


def _assert_failed(delivery: Delivery, what: str) -> None:
    name, failed = delivery.subscription.name, isinstance(delivery.error, Exception) and delivery.status is None
    found = f"the status {delivery.status} and the error {delivery.error!r}"
    assert failed, f"{name}, which {what}, must have a Delivery with no status and an exception, and has {found}"


def _assert_arrived(received: Received, wanted: Sequence[bytes]) -> None:
    deadline = time.monotonic() + _ARRIVAL_SECONDS
    while len(received()) < len(wanted) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    found = Counter(received())
    assert found == Counter(wanted), f"{len(wanted)} events were published, and the subscriber received {found}"
