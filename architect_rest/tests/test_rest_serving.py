"""What a service calls does not outlive the request that it calls it for."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import requests

from architect_core.deadline import remaining
from architect_rest import AsgiDeadlineMiddleware, DeadlineMiddleware, RestClient
from architect_rest.policy.limits import REMAINING_HEADER


class Quiet(WSGIRequestHandler):
    """Logs nothing."""

    def log_message(self, *_):
        """Stay quiet."""


@pytest.fixture
def serve():
    """Serves a WSGI application; returns its URL."""
    servers = []

    def start(app):
        server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_service_stops_calling_when_its_own_caller_stops_waiting(start, serve):
    hanging = start("hangs")
    inner = RestClient(f"http://127.0.0.1:{hanging.port}")
    ended = []

    def app(_, start_response):
        began = time.monotonic()
        try:
            inner.get("/x")
        except requests.Timeout:
            ended.append(time.monotonic() - began)
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    outer = RestClient(serve(DeadlineMiddleware(app)), total_timeout=0.4, retries=0)
    with inner, outer, suppress(requests.Timeout):  # an answer that comes in the last moment is one
        outer.get("/x")
    ends = time.monotonic() + 20
    while not ended and time.monotonic() < ends:
        time.sleep(0.01)
    assert 0.1 < ended[0] < 9  # its own read timeout is 10


@pytest.mark.parametrize(
    ("value", "most"),
    [("250", 0.25), ("0", 0), ("9" * 30, 86400), (None, None), ("-1", None), ("1.5", None), ("²", None)],
)
def test_what_the_header_says_is_the_deadline_of_wsgi_and_asgi_applications(value, most):
    seen = []

    def app(*_):
        seen.append(remaining())
        return []

    async def asgi(*_):
        seen.append(remaining())

    DeadlineMiddleware(app)({} if value is None else {"HTTP_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS": value}, print)
    headers = [] if value is None else [(REMAINING_HEADER.encode(), value.encode("utf-8"))]
    for scope in ({"type": "http", "headers": headers}, {"type": "lifespan"}):
        asyncio.run(AsgiDeadlineMiddleware(asgi)(scope, None, None))
    assert seen.pop() is None
    for found in seen:
        assert found is None if most is None else most - 1 < found <= most
    assert remaining() is None
