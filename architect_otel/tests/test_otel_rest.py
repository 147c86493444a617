"""Each call of a REST client has a span that names the dependency and the instance, and is measured."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import pytest

pytest.importorskip("architect_rest", reason="architect-rest is not installed")
pytest.importorskip("opentelemetry.instrumentation.requests", reason="the extra rest is not installed")

import requests
from opentelemetry.instrumentation.requests import RequestsInstrumentor

import architect.sdk as architect
from architect_otel import instrumentation

DURATION = "architect.client.call.duration"
RETRIES = "architect.client.call.retries"
EJECTED = "architect.client.instances.ejected"
OPEN = "architect.client.circuit.open"


@pytest.fixture(autouse=True)
def uninstrumented():
    yield
    if RequestsInstrumentor().is_instrumented_by_opentelemetry:
        RequestsInstrumentor().uninstrument()


def get(path: str) -> requests.Response:
    return architect.service("acme/billing").client.get(path)


@pytest.fixture(params=["client", "aio.client"])
def call(request):
    """Requests a path of acme/billing; returns the response, or raises the error of the client's library."""
    if request.param == "client":
        yield get
        return
    pytest.importorskip("httpx2", reason="the extra aio is not installed")
    with asyncio.Runner() as runner:

        async def aio_get(path: str) -> Any:
            return await architect.service("acme/billing").aio.client.get(path)

        yield lambda path: runner.run(aio_get(path), context=copy_context())


def configure(*ports: int, **options: Any) -> None:
    instances = [{"host": "127.0.0.1", "port": port} for port in ports]
    place = {"instances": instances} if len(ports) > 1 else instances[0]
    architect.configure({"acme/billing": {"api": "rest", "options": options, **place}})


def raised(call: Callable[[str], Any], path: str) -> str | None:
    """The name of the exception that a call raises."""
    try:
        call(path)
    except Exception as problem:
        return type(problem).__name__
    return None


def test_a_call_has_one_span_that_names_the_dependency_and_its_instance(call, spans, port):
    architect.observe("otel")
    configure(port)
    assert call("/x").status_code == 200
    (span,) = spans()
    assert span.attributes["service.peer.name"] == "acme/billing"
    assert (span.attributes["server.address"], span.attributes["server.port"]) == ("127.0.0.1", port)
    assert "http.request.resend_count" not in span.attributes


def test_attempts_at_two_instances_are_one_span_that_counts_them(call, spans, points, port, dead_port):
    architect.observe("otel")
    configure(dead_port, port)
    while not any("http.request.resend_count" in span.attributes for span in spans()):
        assert call("/x").status_code == 200
    resent = spans()[-1]
    assert resent.attributes["http.request.resend_count"] == 1
    assert {span.attributes["server.port"] for span in spans()} == {port}
    measured = points()
    assert sum(point.value for _, point in measured[RETRIES]) == 1
    of_service = {"service.peer.name": "acme/billing", "architect.protocol": "rest"}
    assert [(attributes, point.value) for attributes, point in measured[EJECTED]] == [(of_service, 1)]
    assert [(attributes, point.value) for attributes, point in measured[OPEN]] == [(of_service, 0)]
    assert [(attributes, point.count) for attributes, point in measured[DURATION]] == [(of_service, len(spans()))]


def test_the_trace_reaches_the_service(call, spans, tracer, port):
    architect.observe("otel")
    configure(port)
    with tracer.start_as_current_span("order") as order:
        header = call("/x").json()["traceparent"]
    (span,) = spans()
    assert header.split("-")[1:3] == [f"{order.context.trace_id:032x}", f"{span.context.span_id:016x}"]
    assert span.parent.span_id == order.context.span_id
    assert dict(order.attributes) == {}


def test_a_call_on_an_open_circuit_is_measured_and_not_sent(call, spans, points, dead_port):
    architect.observe("otel")
    configure(dead_port, retries=0)
    errors = [raised(call, "/x") for _ in range(6)]
    assert errors[-1] == "CircuitOpenError"
    assert "server.port" not in spans()[-1].attributes
    assert spans()[-1].attributes["service.peer.name"] == "acme/billing"
    measured = points()
    assert [point.value for _, point in measured[OPEN]] == [1]
    assert [point.value for _, point in measured[EJECTED]] == [1]
    assert {attributes["error.type"]: point.count for attributes, point in measured[DURATION]} == {
        errors[0]: 5,
        "CircuitOpenError": 1,
    }


def test_a_failed_call_is_measured_with_its_status(call, points, port):
    architect.observe("otel")
    configure(port, retries=0)
    for path in ("/404", "/500", "/x"):
        call(path)
    measured = points()
    assert {attributes.get("error.type") for attributes, _ in measured[DURATION]} == {"404", "500", None}
    assert RETRIES not in measured


def test_the_metrics_of_instances_end_with_the_client(call, points, port):
    architect.observe("otel")
    configure(port)
    call("/x")
    assert len(points()[OPEN]) == 1
    if call is get:
        architect.reset()
        assert points().get(OPEN, []) == []


def test_no_login_header_or_query_of_architect_is_in_a_span_s_attributes(call, spans, points, port):
    architect.observe("otel")
    entry = {"api": "rest", "host": "http://ada:s3cret-canary@127.0.0.1", "port": port}
    architect.configure({"acme/billing": {**entry, "options": {"auth": {"headers": {"x-key": "s3cret-canary"}}}}})
    call("/x")
    assert len(spans()) == 1
    assert "s3cret-canary" not in str([dict(span.attributes) for span in spans()])
    assert "s3cret-canary" not in str(points())


def test_the_environment_variable_enables_it(call, monkeypatch, spans, points, port):
    monkeypatch.setenv("ARCHITECT_OBSERVER", "otel")
    configure(port)
    call("/x")
    assert len(spans()) == 1
    assert points()[DURATION][0][1].count == 1


def test_without_an_observer_nothing_is_traced_or_measured(call, spans, points, port):
    configure(port)
    call("/x")
    assert (spans(), [name for name in points() if "client" in name]) == ([], [])


def test_spans_of_an_instrumentation_that_the_application_has_enabled_are_completed(spans, port):
    asked = []
    RequestsInstrumentor().instrument(request_hook=lambda span, request: asked.append(request.url))
    architect.observe("otel")
    configure(port)
    get("/x")
    assert asked == [f"http://127.0.0.1:{port}/x"]
    (span,) = spans()
    assert span.attributes["service.peer.name"] == "acme/billing"


def test_a_span_of_the_application_that_is_no_client_span_is_not_changed(tracer, spans, port):
    from architect_core.contract import Outcome
    from architect_otel.observer import OtelObserver

    observer = OtelObserver().observe("acme/billing", "pigeon")
    with tracer.start_as_current_span("order") as order:
        observer.ended(Outcome(0.1, None, 1, "http://127.0.0.1:1"))
    assert dict(order.attributes) == {}


def test_an_instrumentation_of_httpx2_that_the_application_has_enabled_is_not_changed(spans, points, port):
    httpx2 = pytest.importorskip("httpx2", reason="the extra aio is not installed")
    from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor

    async def use() -> None:
        await architect.service("acme/billing").aio.client.get("/x")
        async with httpx2.AsyncClient() as other:
            await other.get(f"http://127.0.0.1:{port}/x")

    HTTPX2ClientInstrumentor().instrument()
    try:
        architect.observe("otel")
        configure(port)
        asyncio.run(use())
    finally:
        HTTPX2ClientInstrumentor().uninstrument()
    assert len(spans()) == 2
    assert sum(point.count for _, point in points()[DURATION]) == 1


def test_without_the_instrumentation_calls_are_measured_and_the_missing_package_is_logged_once(
    call, monkeypatch, caplog, spans, points, port
):
    for name in ("requests", "httpx"):
        monkeypatch.setitem(sys.modules, f"opentelemetry.instrumentation.{name}", None)
    monkeypatch.setattr(instrumentation, "_missing", set())
    architect.observe("otel")
    with caplog.at_level("INFO", "architect.otel"):
        for _ in range(2):
            configure(port)
            call("/x")
    assert spans() == []
    assert sum(point.count for _, point in points()[DURATION]) == 2
    (message,) = [record.getMessage() for record in caplog.records if record.name == "architect.otel"]
    assert "pip install 'architect-otel[" in message
