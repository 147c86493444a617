"""The suite of plugins that keep events until their subscribers have them."""

from __future__ import annotations

from typing import ClassVar

from architect_core.contract import Capabilities, EventChannel
from architect_testing.conformance.suite import Suite


class EventChannelSuite(Suite, abstract=True):
    """Checks a channel that keeps events, such as that of a broker.

    Attributes:
        channel: the plugin's name, which is its entry point's: "events.amqp".
        capabilities: what the plugin says that it can do.
    """

    _kind = EventChannel
    _named_by = "channel"
    _required = ("channel", "capabilities")

    channel: ClassVar[str]
    capabilities: ClassVar[Capabilities]

    def test_the_capabilities_are_as_stated(self) -> None:
        """The plugin has the capabilities that the suite's subclass states."""
        found = self._provided().capabilities
        assert found == self.capabilities, f"the plugin must have the {self.capabilities}, and has the {found}"
