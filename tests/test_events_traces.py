"""An event carries its trace from the publication through the outbox to its subscriber."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from programs import COMMAND
from workspace import clean_environ

PUBLISH = """
import sqlite3
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
import architect.sdk as architect

trace.set_tracer_provider(TracerProvider())
connection = sqlite3.connect(architect.datastore("db").name)
with trace.get_tracer("test").start_as_current_span("checkout") as span:
    architect.notification("placed").publish({"order": 7}, outbox=connection)
    connection.commit()
    print(format(span.get_span_context().trace_id, "032x"))
"""


@pytest.fixture
def subscriber() -> Iterator[tuple[int, list[dict[str, str]]]]:
    """A subscriber's port, and the headers of what it receives."""
    received: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            received.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Stay quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_address[1], received
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_subscriber_gets_the_trace_of_the_transaction_that_published(subscriber, run_program, tmp_path):
    port, received = subscriber
    services = {
        "a": {
            "datastores": {"db": {"type": "sqlite", "name": str(tmp_path / "a.db")}},
            "subscriptions": {"placed": {"b": {"uri": "/placed"}}},
        },
        "b": {"host": "127.0.0.1", "port": port, "api": "rest"},
    }
    environ = {"ARCHITECT": json.dumps(services), "ARCHITECT_CURRENT_SERVICE": "a", "ARCHITECT_OBSERVER": "otel"}
    own = clean_environ(**environ)
    subprocess.run([COMMAND, "events", "init"], env=own, check=True, timeout=60, stdout=subprocess.DEVNULL)
    trace = run_program(PUBLISH, **environ).strip()
    subprocess.run([COMMAND, "relay", "--until-empty"], env=own, check=True, timeout=60, stderr=subprocess.DEVNULL)
    (headers,) = received
    assert headers["traceparent"].split("-")[1] == trace
    assert headers["ce-type"] == "placed"
