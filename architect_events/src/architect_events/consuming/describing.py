"""What logs call a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from architect_core.contract import Message


def described(message: Message) -> str:
    """Returns the event's name, source, subscriber, id and trace, but nothing of its body."""
    to = f" to {message.to.name}" if message.to else ""
    trace = message.headers.get("traceparent")
    traced = f", traceparent {trace}" if trace else ""
    return f"event {message.event!r} of {message.source}{to} ({message.id}{traced})"
