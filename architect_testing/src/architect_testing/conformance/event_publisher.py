"""The suite of plugins that deliver events."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from architect_core.contract.events import EventPublisher
from architect_testing.conformance.canary import SECRET, assert_hidden
from architect_testing.conformance.deliveries import assert_arrived, assert_failed, assert_one_each, assert_taken
from architect_testing.conformance.forking import can_fork, in_child
from architect_testing.conformance.imports import foreign_imports
from architect_testing.conformance.sockets import refusing, silent
from architect_testing.conformance.suite import Suite, needs
from architect_testing.conformance.threads import THREADS, together, within

if TYPE_CHECKING:
    import pytest

    from architect_core.contract.events import Subscription
    from architect_testing.conformance.deliveries import Received

PLAIN = b'{"id": 7}'
BODY = '{"id": 7,\n "text": "ünïcode ✓", "quoted": "\\"\\\\\\n"}\n'.encode()
_SILENT = 10  # one after another they take too long, however slow the machine is
_SLACK_SECONDS = 2.0
_MANY_SECONDS = 5.0  # fifty at once, and a child that starts, are slower than one
_PUBLISH = """
from architect_core.contract.events import EventPublisher
from architect_core.contract.events import Subscription
from architect_core.plugins.registry import Plugins
publisher = Plugins().get(EventPublisher, asked["api"], "the conformance suite")
publisher.publish([Subscription(**asked["subscription"])], b"{}", asked["timeout"])
"""


class EventPublisherSuite(Suite, abstract=True):
    """What must hold for the delivery of events over a protocol.

        class TestSocketPublisher(EventPublisherSuite):
            api = "socket"

            @pytest.fixture
            def subscription(self, server):
                return Subscription("acme/mailer", "http://127.0.0.1", server.port, "/event", api="socket")

            @pytest.fixture
            def received(self, server):
                return lambda: server.bodies

    A subclass states `api` and two fixtures: `subscription`, of a subscriber that listens, takes fifty connections at
    once, and is started anew for each check; and `received`, a call that gives the bodies that came so far.

    Attributes:
        api: the plugin's name, which is the entry point's.
        timeout: seconds that the suite gives one subscriber; 0.3 at least.
        answers: whether a subscriber says that it took an event. Where not, one that never answers need not be told.
    """

    _kind = EventPublisher
    _named_by = "api"
    _stated = ("api",)

    api: ClassVar[str]
    timeout: ClassVar[float] = 1.0
    answers: ClassVar[bool] = True

    def at(self, subscription: Subscription, port: int) -> Subscription:
        """`subscription` with another port of 127.0.0.1; to be overridden where that is not its `port`."""
        return replace(subscription, port=port)

    def test_each_subscriber_gets_the_event_in_order_and_as_it_was(
        self, subscription: Subscription, received: Received
    ) -> None:
        """There is one good Delivery for each subscriber, in their order, and the body comes unchanged."""
        subscriptions = [replace(subscription, name=f"acme/s{number}") for number in range(5)]
        deliveries = self._provided().publish(subscriptions, BODY, self.timeout)
        assert_one_each(subscriptions, deliveries)
        for delivery in deliveries:
            assert_taken(delivery)
        assert_arrived(received, [BODY] * len(subscriptions))

    def test_without_subscribers_nothing_is_delivered(self) -> None:
        """No subscribers give no deliveries, which is no error."""
        deliveries = self._provided().publish([], PLAIN, self.timeout)
        assert deliveries == [], "publish([], ...) must return an empty list"

    def test_a_refusing_subscriber_is_told_and_keeps_no_other_from_its_event(
        self, subscription: Subscription, received: Received
    ) -> None:
        """A subscriber that nobody can connect to has an error in its Delivery, and the others have their event."""
        with refusing() as port:
            refused = replace(self.at(subscription, port), name="acme/refused")
            subscriptions = [subscription, refused, replace(subscription, name="acme/last")]
            deliveries = self._provided().publish(subscriptions, PLAIN, self.timeout)
        assert_one_each(subscriptions, deliveries)
        assert_failed(deliveries[1], "refuses connections")
        assert_taken(deliveries[0])
        assert_taken(deliveries[2])
        assert_arrived(received, [PLAIN, PLAIN])

    @needs(lambda suite: suite.answers)
    def test_subscribers_that_never_answer_are_given_up_and_delay_nobody(
        self, subscription: Subscription, received: Received
    ) -> None:
        """Ten that accept and never answer take no longer than `timeout` together, and the others have their event."""
        with silent() as port:
            hanging = [replace(self.at(subscription, port), name=f"acme/silent{number}") for number in range(_SILENT)]
            subscriptions = [*hanging, subscription]
            most = self.timeout + _SLACK_SECONDS
            outcome = within(most, lambda: self._provided().publish(subscriptions, PLAIN, self.timeout))
        assert not outcome.late, (
            f"{_SILENT} subscribers that never answer took more than {most:g} seconds, with a timeout of "
            f"{self.timeout:g}. Deliver to all at once, and give each up after its timeout"
        )
        if outcome.error is not None:
            raise outcome.error
        deliveries = outcome.value or []
        assert_one_each(subscriptions, deliveries)
        for delivery in deliveries[:-1]:
            assert_failed(delivery, "never answers")
        assert_taken(deliveries[-1])
        assert_arrived(received, [PLAIN])

    def test_secrets_show_in_no_repr_no_log_and_no_error(
        self, subscription: Subscription, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A subscriber's headers and login are nowhere but in what is sent to it, however its delivery ends."""
        headers = {"x-key": SECRET, "authorization": f"Bearer {SECRET}", "x-beyond-latin-1": f"✓{SECRET}"}
        holding = replace(subscription, headers=headers, auth=("architect", SECRET))
        publisher = self._provided()
        with refusing() as refused, silent() as hanging, caplog.at_level(logging.DEBUG):
            subscriptions = [holding, self.at(holding, refused), self.at(holding, hanging)]
            ask = within(self.timeout + _SLACK_SECONDS, lambda: publisher.publish(subscriptions, PLAIN, self.timeout))
        deliveries = list(ask.value or [])
        errors = [delivery.error for delivery in deliveries]
        assert_hidden(SECRET, publisher=publisher, deliveries=deliveries, errors=errors, raised=ask.error)
        assert_hidden(SECRET, logs=caplog.records)

    def test_fifty_threads_publish_at_once(self, subscription: Subscription, received: Received) -> None:
        """Fifty threads publish an event each through one publisher, and all of them arrive."""
        publisher = self._provided()
        bodies = [b'{"number": %d}' % number for number in range(THREADS)]
        most = max(self.timeout, _MANY_SECONDS)
        for deliveries in together(lambda number: publisher.publish([subscription], bodies[number], most)):
            assert_taken(deliveries[0])
        assert_arrived(received, bodies)

    @needs(lambda _: can_fork())
    def test_a_publisher_used_before_a_fork_works_in_the_child_and_after(
        self, subscription: Subscription, received: Received
    ) -> None:
        """A publisher that was used before `os.fork` delivers in the child, and in the parent afterwards."""
        publisher = self._provided()
        subscriptions = [subscription, replace(subscription, name="acme/other")]

        def publish() -> None:
            for delivery in publisher.publish(subscriptions, PLAIN, self.timeout):
                assert_taken(delivery)

        publish()
        in_child(publish, self.timeout + _MANY_SECONDS)
        publish()
        assert_arrived(received, [PLAIN] * 6)

    def test_nothing_of_other_plugins_is_imported(self, subscription: Subscription) -> None:
        """Delivering an event imports no other plugin, and nothing that only other plugins require."""
        fields = {key: getattr(subscription, key) for key in ("name", "host", "port", "uri", "api")}
        asked = {"api": self.api, "subscription": fields, "timeout": self.timeout}
        found = foreign_imports(self.api, _PUBLISH, asked)
        assert not found, f"publishing imports what belongs to other plugins: {found}. Require it, or do without"
