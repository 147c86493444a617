"""The suite of channels that keep events until their subscribers have them, as a broker does."""

from __future__ import annotations

from architect_testing.conformance.channel_broker import BrokerChecks
from architect_testing.conformance.channel_messages import MessageChecks


class EventChannelSuite(MessageChecks, BrokerChecks, abstract=True):
    """Checks a channel that keeps events, such as that of a broker.

        class TestRabbitmqChannel(EventChannelSuite):
            channel = "events.amqp"
            capabilities = Capabilities(orders=True)

            @pytest.fixture
            def broker(self):
                return "amqp://guest:guest@127.0.0.1:5672"

    A subclass defines `channel` and `capabilities`, and the fixture `broker`: the value of `ARCHITECT_EVENTS` for a
    broker that runs, a URL or an object. Each check has events and subscribers of its own, which are left at the
    broker, unless the fixture deletes `self.topics` afterwards. Override the methods `at`, `address` and `with_secret`
    if `broker` is no URL with its host and port.

    Attributes:
        channel: the plugin's name, which is its entry point's.
        capabilities: what the plugin says that it can do.
        timeout: seconds for whatever a broker does that answers.
        redelivery: seconds until what a closed consumer held is delivered again.
        quiet: seconds after which nothing is expected to arrive any more.
        lease: seconds of the lease, if they are few enough to wait for; None removes its check.
        network: whether the broker is a server at a port, to which connections can be refused or cut.
    """
