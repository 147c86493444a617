"""What a call's span is told, beside what OpenTelemetry's instrumentation of its library tells it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.trace import SpanKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.trace import Span

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


class NamedTracerProvider(trace.TracerProvider):
    """The application's provider, whose spans get a service's name as well."""

    def __init__(self, service: str) -> None:
        self._service = service

    def get_tracer(self, *arguments: Any, **named: Any) -> trace.Tracer:
        """As the application's."""
        return _NamedTracer(trace.get_tracer_provider().get_tracer(*arguments, **named), self._service)


class _NamedTracer(trace.Tracer):
    def __init__(self, tracer: trace.Tracer, service: str) -> None:
        self._tracer = tracer
        self._service = service

    def start_span(self, *arguments: Any, **named: Any) -> Span:
        span = self._tracer.start_span(*arguments, **named)
        span.set_attribute(SERVICE, self._service)
        return span

    @contextmanager
    def start_as_current_span(self, *arguments: Any, **named: Any) -> Iterator[Span]:  # type: ignore[override] # no decorator
        with self._tracer.start_as_current_span(*arguments, **named) as span:
            span.set_attribute(SERVICE, self._service)
            yield span
