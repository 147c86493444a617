"""OpenTelemetry's SDK with exporters in memory, and real servers."""

from __future__ import annotations

import gc
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import architect.sdk as architect

EXPORTER = InMemorySpanExporter()
READER = InMemoryMetricReader(dict.fromkeys((Counter, Histogram), AggregationTemporality.DELTA))


@pytest.fixture(scope="session", autouse=True)
def providers() -> None:
    """The providers of an application; OpenTelemetry accepts them once in a process."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(EXPORTER))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([READER]))


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith(("ARCHITECT", "OTEL")) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    yield
    architect.observe(None)
    architect.reset()
    gc.collect()
    EXPORTER.clear()
    READER.get_metrics_data()


@pytest.fixture
def tracer() -> trace.Tracer:
    """The application's tracer."""
    return trace.get_tracer("application")


@pytest.fixture
def spans() -> Callable[[], list[ReadableSpan]]:
    """The client spans that have ended."""
    return lambda: [each for each in EXPORTER.get_finished_spans() if each.kind is trace.SpanKind.CLIENT]


@pytest.fixture
def finished() -> Callable[[], tuple[ReadableSpan, ...]]:
    """All spans that have ended."""
    return EXPORTER.get_finished_spans


@pytest.fixture
def points() -> Callable[[], dict[str, list[tuple[dict[str, Any], Any]]]]:
    """Returns the measurements of the meter "architect" since the last call: name -> attributes and point."""

    def collect() -> dict[str, list[tuple[dict[str, Any], Any]]]:
        data = READER.get_metrics_data()
        scopes = [each for resource in data.resource_metrics for each in resource.scope_metrics] if data else []
        return {
            metric.name: [(dict(point.attributes or {}), point) for point in metric.data.data_points]
            for scope in scopes
            if scope.scope.name == "architect"
            for metric in scope.metrics
        }

    return collect


class Handler(BaseHTTPRequestHandler):
    """Responds with the request's headers, and with the status that is its path, such as /503."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status = self.path.strip("/")
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(int(status) if status.isdigit() else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    """The port of an HTTP server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield int(server.server_address[1])
    server.shutdown()
    server.server_close()


@pytest.fixture
def dead_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
