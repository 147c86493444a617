"""Messages as RabbitMQ carries them: the AMQP binding of CloudEvents 1.0, in binary mode."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pamqp.commands import Basic

from architect_core.contract import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiormq.abc import DeliveredMessage

_PREFIX = "cloudEvents:"
_ATTEMPT = "architect-attempt"  # of the message in the queue, without the deliveries that RabbitMQ counts
_LONGEST_ID = 63  # characters of at most four of 255 bytes
REASON = "architect-reason"  # why a message is a dead letter
_COUNT = "x-delivery-count"  # how often RabbitMQ has delivered it before, in vain
_WHY = "x-first-death-reason"
_OF_RABBITMQ = (_COUNT, "x-acquired-count", "x-death", "x-first-death-", "x-last-death-")


def properties_of(
    message: Message, *, attempt: int = 1, reason: str | None = None, delay: float = 0.0
) -> Basic.Properties:
    """Returns the properties of a message, which RabbitMQ writes to its disk, and lets expire after `delay` seconds."""
    headers: dict[str, Any] = message.to_headers(_PREFIX)
    content_type = headers.pop("content-type")
    if attempt > 1:
        headers[_ATTEMPT] = attempt
    if reason is not None:
        headers[REASON] = reason
    expiration = str(max(1, round(delay * 1000))) if delay > 0 else None
    return Basic.Properties(
        content_type=content_type,
        headers=headers,
        delivery_mode=2,
        message_id=message.id[:_LONGEST_ID],
        expiration=expiration,
    )


def message_of(delivered: DeliveredMessage) -> Message:
    """Returns the message that was delivered; raises ValueError if it is no event."""
    properties = delivered.header.properties
    headers = {name: _text(value) for name, value in _headers(delivered).items() if not _is_internal(name)}
    found = {_canonical(name): value for name, value in headers.items() if value is not None}
    found["content-type"] = properties.content_type or "application/octet-stream"
    return Message.from_headers(found, delivered.body, _PREFIX)


def attempt_of(delivered: DeliveredMessage) -> int:
    """Returns which attempt a delivery is: those before its last retry, and those that nobody has answered since."""
    headers = _headers(delivered)
    earlier, since = headers.get(_ATTEMPT), headers.get(_COUNT)
    return max(1, earlier if isinstance(earlier, int) else 1) + (since if isinstance(since, int) else 0)


def dead_letter_of(delivered: DeliveredMessage) -> tuple[Message, int]:
    """Returns a dead letter, with the reason among its headers, and how often it was attempted.

    What is no event is returned as one too, so that somebody can see it, and discard it.
    """
    headers = _headers(delivered)
    attempt = headers.get(_ATTEMPT)
    attempts = attempt if isinstance(attempt, int) else 1
    reason = headers.get(REASON)
    try:
        message = message_of(delivered)
    except ValueError as problem:
        properties = delivered.header.properties
        id_, content_type = properties.message_id or "unknown", properties.content_type or "application/octet-stream"
        time = properties.timestamp or datetime.now(UTC)
        message = Message(id_, "unknown", "unknown", time, delivered.body, content_type=content_type)
        reason = reason or str(problem)
    if reason is None and headers.get(_WHY) == "delivery_limit":
        reason = "it was delivered again and again, and no consumer has answered"
    return _with_header(message, REASON, str(reason or headers.get(_WHY) or "unknown")), attempts


def _with_header(message: Message, name: str, value: str) -> Message:
    return replace(message, headers={**message.headers, name: value})


def without_reason(message: Message) -> Message:
    """Returns a dead letter as the message that it was."""
    return replace(message, headers={name: value for name, value in message.headers.items() if name != REASON})


def _headers(delivered: DeliveredMessage) -> Mapping[str, Any]:
    return delivered.header.properties.headers or {}


def _is_internal(name: str) -> bool:
    return name == _ATTEMPT or name.startswith(_OF_RABBITMQ)


def _canonical(name: str) -> str:
    """The binding allows "cloudEvents_" too, for what cannot have a colon in a name."""
    lower = name.lower()
    return lower.replace("cloudevents_", _PREFIX.lower(), 1) if lower.startswith("cloudevents_") else lower


def _text(value: Any) -> str | None:
    """A header's value as text; None for one that is no scalar."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode(errors="replace")
    return str(value) if isinstance(value, int | float) else None
