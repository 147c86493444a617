"""The span of an event that is published, relayed or handled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import context, propagate, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from architect_otel.spans import SERVICE, tracer

if TYPE_CHECKING:
    from collections.abc import Callable

    from architect_core.contract import EventOperation, Message, Outcome

_KINDS = {"publish": SpanKind.PRODUCER, "relay": SpanKind.PRODUCER, "handle": SpanKind.CONSUMER}
_TYPES = {"publish": "send", "relay": "send", "handle": "process"}


class EventCall:
    """An operation on a message, with a span as in https://opentelemetry.io/docs/specs/semconv/messaging/.

    The span's parent is the one whose context the message carries, so that one trace has the publication and all
    handlers. While an event is handled, the span is the current one.

    Attributes:
        headers: the trace's context, which the message carries on.
    """

    def __init__(self, operation: EventOperation, message: Message, record: Callable[[Outcome], None]) -> None:
        """Start the span; `record` is called with the outcome at the end."""
        attributes = {
            "messaging.system": "architect",
            "messaging.operation.name": operation,
            "messaging.operation.type": _TYPES[operation],
            "messaging.destination.name": message.event,
            "messaging.message.id": message.id,
            "messaging.message.body.size": len(message.body),
            SERVICE: message.source,
        }
        parent = None if operation == "publish" else propagate.extract(message.headers)
        self._span = tracer().start_span(
            f"{operation} {message.event}", parent, kind=_KINDS[operation], attributes=attributes
        )
        self._record = record
        current = trace.set_span_in_context(self._span, parent)
        self.headers: dict[str, str] = {}
        propagate.inject(self.headers, current)
        self._token = context.attach(current) if operation == "handle" else None

    def ended(self, outcome: Outcome) -> None:
        """End the span."""
        if self._token is not None:
            context.detach(self._token)
        if outcome.error is not None:
            self._span.set_attribute("error.type", outcome.error)
            self._span.set_status(Status(StatusCode.ERROR, outcome.error))
        self._span.end()
        self._record(outcome)
