"""The observer of calls, which completes their spans and records their metrics."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from architect_core.contract import ClientObserver, Observer
from architect_otel import instrumentation
from architect_otel.events import EventCall
from architect_otel.metrics import Metrics
from architect_otel.rpc import RpcCall
from architect_otel.spans import complete

if TYPE_CHECKING:
    from architect_core.contract import BegunCall, EventOperation, Health, Message, Outcome


class OtelObserver(Observer):
    """Traces and measures calls with the application's providers, whether they were set before or after."""

    def __init__(self) -> None:
        self._metrics = Metrics()

    def observe(self, service: str, protocol: str) -> ClientObserver:
        """Returns the observer of one client's calls."""
        return OtelClientObserver(service, protocol, self._metrics)


class OtelClientObserver(ClientObserver):
    """Observes the calls of one client."""

    def __init__(self, service: str, protocol: str, metrics: Metrics) -> None:
        self._service = service
        self._protocol = protocol
        self._metrics = metrics

    def made(self, client: Any) -> None:
        """Enable the instrumentation of its library."""
        instrumentation.instrument(client)

    def watch(self, health: Health) -> None:
        """Have the gauges show it."""
        self._metrics.watch(self._service, self._protocol, health)

    def begin(self, rpc: str) -> BegunCall | None:
        """Start the call's span; returns None if the application traces gRPC."""
        if instrumentation.is_grpc_traced():
            return None
        return RpcCall(self._service, rpc, partial(self._metrics.count, self._service, self._protocol))

    def begin_event(self, operation: EventOperation, message: Message) -> BegunCall:
        """Start the span of what happens to an event."""
        return EventCall(operation, message, partial(self._metrics.count_event, operation, message.event))

    def backlog(self, pending: int, oldest: float, dead: int) -> None:
        """Record the events that are not delivered yet."""
        self._metrics.backlog(self._service, pending, oldest, dead)

    def ended(self, outcome: Outcome) -> None:
        """Complete the call's span, and record the call."""
        complete(self._service, outcome)
        self._metrics.count(self._service, self._protocol, outcome)
