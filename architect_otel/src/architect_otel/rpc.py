"""The span of a call of an rpc.

OpenTelemetry's own instrumentation is not used for gRPC: with it, a call of grpc.aio that is cancelled goes on at the
server, one that writes its requests waits for ever, and an answer that streams is a generator, which has no `cancel()`.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from architect_otel.spans import SERVICE

if TYPE_CHECKING:
    from collections.abc import Callable

    from architect_core.contract import Outcome

# https://github.com/grpc/grpc/blob/master/doc/statuscodes.md, in the order of their numbers
_STATUSES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)


@cache
def _tracer() -> trace.Tracer:
    return trace.get_tracer("architect", version("architect-otel"))


class RpcCall:
    """A call that began, with its span, as https://opentelemetry.io/docs/specs/semconv/rpc/grpc/ has it.

    Attributes:
        headers: what tells the service of the trace.
    """

    def __init__(self, service: str, rpc: str, told: Callable[[Outcome], None]) -> None:
        """Begin it.

        Args:
            service: the dependency's name.
            rpc: the rpc's path, such as "/acme.v1.Payments/Pay".
            told: is told how it ended.
        """
        name = rpc.removeprefix("/")
        package, _, method = name.rpartition("/")
        attributes = {"rpc.system": "grpc", "rpc.service": package, "rpc.method": method, SERVICE: service}
        self._span = _tracer().start_span(name, kind=SpanKind.CLIENT, attributes=attributes)
        self._told = told
        headers: dict[str, str] = {}
        propagate.inject(headers, trace.set_span_in_context(self._span))
        self.headers = {header.lower(): value for header, value in headers.items()}  # gRPC refuses capitals

    def ended(self, outcome: Outcome) -> None:
        """End the span."""
        error = outcome.error
        if error is None or error in _STATUSES:
            self._span.set_attribute("rpc.grpc.status_code", _STATUSES.index(error or "OK"))
        if error is not None:
            self._span.set_attribute("error.type", error)
            self._span.set_status(Status(StatusCode.ERROR, error))
        self._span.end()
        self._told(outcome)
