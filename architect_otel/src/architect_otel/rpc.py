"""The span of a gRPC call.

OpenTelemetry's instrumentation of gRPC is not used. With it, the server does not see that a call of grpc.aio is
cancelled, a call whose requests are written one by one hangs, and a response stream is a generator without `cancel()`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from architect_otel.spans import SERVICE, tracer

if TYPE_CHECKING:
    from collections.abc import Callable

    from architect_core.contract import Outcome

# https://github.com/grpc/grpc/blob/master/doc/statuscodes.md, in the order of their numbers
_STATUSES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)


class RpcCall:
    """A call that has begun, with a span as in https://opentelemetry.io/docs/specs/semconv/rpc/grpc/.

    Attributes:
        headers: the trace's context, to be sent with the call.
    """

    def __init__(self, service: str, rpc: str, record: Callable[[Outcome], None]) -> None:
        """Start the span.

        Args:
            service: the dependency's name.
            rpc: the rpc's path, such as "/acme.v1.Payments/Pay".
            record: is called with the outcome when the call has ended.
        """
        name = rpc.removeprefix("/")
        package, _, method = name.rpartition("/")
        attributes = {"rpc.system": "grpc", "rpc.service": package, "rpc.method": method, SERVICE: service}
        self._span = tracer().start_span(name, kind=SpanKind.CLIENT, attributes=attributes)
        self._record = record
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
        self._record(outcome)
