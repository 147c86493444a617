"""The entry point "events.rest": events are posted to the subscribers that serve REST."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from architect_core import contract
from architect_core.contract import Broker, Capabilities, EventChannel, hookimpl

if TYPE_CHECKING:
    from architect_rest.webhooks.channel import WebhookChannel

ARCHITECT_CONTRACT = 2


class Webhooks(contract.EventChannel):
    """Posts each message to the URL of its subscriber."""

    capabilities: ClassVar[Capabilities] = Capabilities(keeps=False)

    def open(self, broker: Broker | None) -> WebhookChannel:  # noqa: ARG002 - the subscribers' URLs are in the messages
        """Returns a channel with connections of its own."""
        from architect_rest.webhooks.channel import WebhookChannel

        return WebhookChannel()


@hookimpl
def architect_event_channel() -> EventChannel:
    return Webhooks()
