"""Metrics of calls, and of the instances of a service."""

from __future__ import annotations

import weakref
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING

from opentelemetry import metrics
from opentelemetry.metrics import Observation

from architect_otel.spans import SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.metrics import CallbackOptions

    from architect_core.contract import Health, Outcome

_PROTOCOL = "architect.protocol"
_ERROR = "error.type"
# OpenTelemetry's advice for the duration of HTTP requests
_BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]


class Metrics:
    """The instruments of the meter "architect", once in a process."""

    def __init__(self) -> None:
        meter = metrics.get_meter("architect", version("architect-otel"))
        self._duration = meter.create_histogram(
            "architect.client.call.duration",
            unit="s",
            description="How long calls to a service took, with all attempts.",
            explicit_bucket_boundaries_advisory=_BOUNDARIES,
        )
        self._retries = meter.create_counter(
            "architect.client.call.retries",
            unit="{retry}",
            description="How many attempts followed the first of a call.",
        )
        meter.create_observable_gauge(
            "architect.client.instances.ejected",
            callbacks=[self._ejected],
            unit="{instance}",
            description="How many instances of a service are ejected: they failed, and get no calls now.",
        )
        meter.create_observable_gauge(
            "architect.client.circuit.open",
            callbacks=[self._open],
            unit="1",
            description="1 while the circuit is open, so that nothing is sent to the service; else 0.",
        )
        self._events = meter.create_histogram(
            "architect.event.operation.duration",
            unit="s",
            description="How long publishing, relaying or handling an event took.",
            explicit_bucket_boundaries_advisory=_BOUNDARIES,
        )
        self._pending = meter.create_gauge(
            "architect.event.pending", unit="{event}", description="How many events are to be delivered."
        )
        self._oldest = meter.create_gauge(
            "architect.event.pending.age", unit="s", description="The age of the oldest event that is to be delivered."
        )
        self._dead = meter.create_gauge(
            "architect.event.dead", unit="{event}", description="How many events are delivered no more."
        )
        self._watched: list[tuple[tuple[str, str], weakref.ref[Health]]] = []

    def watch(self, service: str, protocol: str, health: Health) -> None:
        """Have the gauges show `health` until its client no longer exists."""
        self._watched.append(((service, protocol), weakref.ref(health)))

    def count(self, service: str, protocol: str, outcome: Outcome) -> None:
        """Record a call that has ended."""
        attributes = {SERVICE: service, _PROTOCOL: protocol}
        if outcome.attempts is not None and outcome.attempts > 1:
            self._retries.add(outcome.attempts - 1, attributes)
        if outcome.error is not None:
            attributes[_ERROR] = outcome.error
        self._duration.record(outcome.seconds, attributes)

    def count_event(self, operation: str, event: str, outcome: Outcome) -> None:
        """Record what happened to an event."""
        attributes = {"messaging.operation.name": operation, "messaging.destination.name": event}
        if outcome.error is not None:
            attributes[_ERROR] = outcome.error
        self._events.record(outcome.seconds, attributes)

    def backlog(self, service: str, pending: int, oldest: float, dead: int) -> None:
        """Record the numbers of a service's events, and the age of the oldest in seconds."""
        attributes = {SERVICE: service}
        self._pending.set(pending, attributes)
        self._oldest.set(oldest, attributes)
        self._dead.set(dead, attributes)

    def _ejected(self, options: CallbackOptions) -> Iterator[Observation]:  # noqa: ARG002 - what OpenTelemetry passes
        for (service, protocol), healths in self._now():
            names = {name for health in healths for name in health.ejected}
            yield Observation(len(names), {SERVICE: service, _PROTOCOL: protocol})

    def _open(self, options: CallbackOptions) -> Iterator[Observation]:  # noqa: ARG002 - as above
        for (service, protocol), healths in self._now():
            is_open = any(health.is_open for health in healths)
            yield Observation(int(is_open), {SERVICE: service, _PROTOCOL: protocol})

    def _now(self) -> Iterator[tuple[tuple[str, str], list[Health]]]:
        """The watched clients' health by service, which may have several clients, such as one for each event loop."""
        found: dict[tuple[str, str], list[Health]] = {}
        for watched in list(self._watched):
            key, kept = watched
            health = kept()
            if health is not None:
                found.setdefault(key, []).append(health)
            else:
                with suppress(ValueError):  # another reader has removed it
                    self._watched.remove(watched)
        yield from found.items()
