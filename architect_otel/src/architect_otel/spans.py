"""What a call's span is told, beside what OpenTelemetry's instrumentation of its library tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.trace import SpanKind

if TYPE_CHECKING:
    from architect_core.contract import Outcome

# https://opentelemetry.io/docs/specs/semconv/registry/attributes/
SERVICE = "service.peer.name"
RESENT = "http.request.resend_count"
_PORTS = {"http": 80, "https": 443}


def complete(service: str, outcome: Outcome) -> None:
    """Tell the current span what its instrumentation does not know: whose call it was, and where it ended.

    A span of another kind than a client's is the application's own, and left alone.
    """
    span = trace.get_current_span()
    if not span.is_recording() or getattr(span, "kind", None) is not SpanKind.CLIENT:
        return
    span.set_attribute(SERVICE, service)
    if outcome.attempts is not None and outcome.attempts > 1:
        span.set_attribute(RESENT, outcome.attempts - 1)
    if outcome.instance is not None:
        place = urlsplit(outcome.instance)
        # what the instrumentations say too, of the URL that the application stated
        for name in ("server", "network.peer"):
            span.set_attribute(f"{name}.address", place.hostname or "")
            span.set_attribute(f"{name}.port", place.port or _PORTS.get(place.scheme, 0))
