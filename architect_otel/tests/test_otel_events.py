"""What happens to an event is one trace from its publication to its handlers, and is measured."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

import architect.sdk as architect
from architect_core.contract import Message, Outcome
from architect_core.resolver.observing import client_observer

PLACED = Message("7", "order_placed", "acme/orders", datetime(2026, 1, 2, tzinfo=UTC), b'{"card": "s3cret"}', key="ada")


@pytest.fixture
def observer():
    architect.observe("otel")
    found = client_observer("acme/orders", "events")
    assert found is not None
    return found


def test_publication_relay_and_handling_are_one_trace(observer, finished):
    published = observer.begin_event("publish", PLACED)
    sent = replace(PLACED, headers=dict(published.headers))
    published.ended(Outcome(0.1))
    relayed = observer.begin_event("relay", sent)
    arrived = replace(sent, headers={**sent.headers, **relayed.headers})
    relayed.ended(Outcome(0.1))
    handled = observer.begin_event("handle", arrived)
    with trace.get_tracer("application").start_as_current_span("letter"):
        pass
    handled.ended(Outcome(0.1))
    publish, relay, letter, handle = finished()
    assert [each.name for each in (publish, relay, handle)] == [
        "publish order_placed",
        "relay order_placed",
        "handle order_placed",
    ]
    assert [each.kind for each in (publish, relay, handle)] == [SpanKind.PRODUCER, SpanKind.PRODUCER, SpanKind.CONSUMER]
    assert (relay.parent.span_id, handle.parent.span_id) == (publish.context.span_id, relay.context.span_id)
    assert letter.parent.span_id == handle.context.span_id
    assert {each.context.trace_id for each in (publish, relay, letter, handle)} == {publish.context.trace_id}
    assert not trace.get_current_span().is_recording()


def test_a_publication_belongs_to_the_trace_of_its_caller(observer, finished):
    with trace.get_tracer("application").start_as_current_span("checkout"):
        observer.begin_event("publish", PLACED).ended(Outcome(0.1))
    publish, checkout = finished()
    assert publish.parent.span_id == checkout.context.span_id


def test_a_span_names_the_event_and_shows_neither_payload_nor_key(observer, finished):
    observer.begin_event("publish", PLACED).ended(Outcome(0.1, "PublishError"))
    (span,) = finished()
    assert span.attributes["messaging.destination.name"] == "order_placed"
    assert span.attributes["messaging.message.id"] == "7"
    assert span.attributes["service.peer.name"] == "acme/orders"
    assert (span.attributes["error.type"], span.status.status_code) == ("PublishError", StatusCode.ERROR)
    assert "s3cret" not in span.to_json()
    assert "ada" not in span.to_json()


def test_operations_and_the_backlog_are_measured(observer, points):
    observer.begin_event("handle", PLACED).ended(Outcome(0.25, "ValueError"))
    observer.backlog(12, 3.5, 2)
    found = points()
    ((attributes, duration),) = found["architect.event.operation.duration"]
    assert attributes == {
        "messaging.operation.name": "handle",
        "messaging.destination.name": "order_placed",
        "error.type": "ValueError",
    }
    assert (duration.count, duration.sum) == (1, 0.25)
    for name, value in (("pending", 12), ("pending.age", 3.5), ("dead", 2)):
        ((attributes, point),) = found[f"architect.event.{name}"]
        assert (attributes, point.value) == ({"service.peer.name": "acme/orders"}, value)
