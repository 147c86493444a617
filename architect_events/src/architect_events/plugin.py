"""The entry point "events": the runtime that publishes and consumes, and the command `architect events`."""

from __future__ import annotations

from typing import Any

from architect_core import contract
from architect_core.contract import Command, EventRuntime, EventTarget, Message, Once, Sender, hookimpl

ARCHITECT_CONTRACT = 2


class Runtime(contract.EventRuntime):
    """Publishes and consumes."""

    def sender(self, target: EventTarget) -> Sender:
        """Returns what publishes the event."""
        from architect_events.publishing import EventSender, channels

        return EventSender(target, channels())

    def inbox(self, connection: Any, event: Message | str, consumer: str) -> Once:
        """See `architect.inbox`."""
        from architect_events.outbox.inbox import Inbox

        return Inbox(connection, event, consumer)

    def consume(self, resolver: Any, concurrency: int) -> None:
        """See `architect.consume`."""
        from architect_events.consuming.run import consume
        from architect_events.publishing import channels

        consume(resolver, channels(), concurrency)


@hookimpl
def architect_event_runtime() -> EventRuntime:
    return Runtime()


@hookimpl
def architect_command() -> Command:
    from architect_events.commands.events import EventsCommand

    return EventsCommand()
