"""The attributes of a call's span that OpenTelemetry's instrumentation of its library does not set."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
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


@cache
def tracer() -> trace.Tracer:
    """The tracer of architect's own spans."""
    return trace.get_tracer("architect", version("architect-otel"))


def complete(service: str, outcome: Outcome) -> None:
    """Set the dependency and the instance in the current span, unless it is no client span and so the application's."""
    span = trace.get_current_span()
    if not span.is_recording() or getattr(span, "kind", None) is not SpanKind.CLIENT:
        return
    span.set_attribute(SERVICE, service)
    if outcome.attempts is not None and outcome.attempts > 1:
        span.set_attribute(RESENT, outcome.attempts - 1)
    if outcome.instance is not None:
        address = urlsplit(outcome.instance)
        # the instrumentations set these too, to those of the URL that the application passed
        for name in ("server", "network.peer"):
            span.set_attribute(f"{name}.address", address.hostname or "")
            span.set_attribute(f"{name}.port", address.port or _PORTS.get(address.scheme, 0))
