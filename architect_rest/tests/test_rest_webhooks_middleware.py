"""Middleware verifies signatures before the application sees a request, and leaves the rest to it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from io import BytesIO
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config

from architect_core.resolver import Resolver
from architect_rest.webhooks import AsgiSignatureMiddleware, SignatureMiddleware, sign

SECRET = "whsec_YW4gZXhhbXBsZSBvZiBhIHNlY3JldCBvZiBhIHBlZXI="
OTHER = "whsec_bm9ib2R5IGhlcmUga25vd3MgdGhpcyBzZWNyZXQgb2YgYSBwZWVy"
BODY = b'{"order": 7}'


def signed(body=BODY, secret=SECRET):
    now = int(time.time())
    return {"webhook-id": "m1", "webhook-timestamp": str(now), "webhook-signature": sign("m1", now, body, secret)}


class Wsgi:
    """Calls the middleware around an application that records what it gets."""

    def __init__(self, **options):
        self.seen = []
        self.app = SignatureMiddleware(self._application, options.pop("secrets", SECRET), **options)

    def _application(self, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self.seen.append((body, environ.get("architect.event")))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"done"]

    def call(self, method="POST", path="/event", headers=None, body=BODY, prefix="", **environ):
        names = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (headers or {}).items()}
        given = {"REQUEST_METHOD": method, "SCRIPT_NAME": prefix, "PATH_INFO": path, "wsgi.input": BytesIO(body)}
        given |= {"CONTENT_LENGTH": str(len(body))} | names | environ
        given = {name: value for name, value in given.items() if value is not None}
        setup_testing_defaults(given)
        answers = []
        parts = self.app(given, lambda status, headers: answers.append(status))
        return int(answers[0][:3]), b"".join(parts).decode()


class Asgi:
    def __init__(self, **options):
        self.seen = []
        self.left = []
        self.app = AsgiSignatureMiddleware(self._application, options.pop("secrets", SECRET), **options)

    async def _application(self, scope, receive, send):
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        self.left.append(await receive())
        self.seen.append((body, scope.get("architect.event")))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    def call(self, method="POST", path="/event", headers=None, body=BODY, messages=None, **scope):
        named = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        given = {"type": "http", "method": method, "path": path, "headers": named} | scope
        parts = messages or [{"type": "http.request", "body": body, "more_body": False}]
        waiting, sent = iter([*parts, {"type": "http.disconnect"}]), []

        async def receive():
            return next(waiting)

        async def send(message):
            sent.append(message)

        asyncio.run(self.app(given, receive, send))
        return (sent[0]["status"], sent[1]["body"].decode()) if sent else None


@pytest.fixture(params=[Wsgi, Asgi], ids=["WSGI", "ASGI"])
def kind(request):
    return request.param


def test_a_signed_request_gets_through_with_its_body_and_its_event(kind):
    caller = kind()
    assert caller.call(headers=signed() | {"ce-type": "order_placed", "content-type": "application/json"}) == (
        200,
        "done",
    )
    ((body, event),) = caller.seen
    assert body == BODY
    assert (event.id, event.event, event.payload) == ("m1", "order_placed", {"order": 7})


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "the header webhook-id is missing"),
        (signed(b"other"), "the signature is wrong"),
        (signed(secret=OTHER), "the signature is wrong"),
    ],
)
def test_any_other_request_is_answered_with_401_and_the_reason(kind, headers, reason):
    caller = kind()
    assert caller.call(headers=headers) == (401, reason)
    assert caller.seen == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_methods_that_change_nothing_are_not_covered(kind, method):
    caller = kind()
    assert caller.call(method) == (200, "done")
    assert caller.seen == [(BODY, None)]


@pytest.mark.parametrize(
    ("path", "covered"),
    [
        ("/event", True),
        ("/event/", True),
        ("/event/7", True),
        ("//event", True),
        ("/hooks//in", True),
        ("/events", False),
        ("/", False),
        ("/other/event", False),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_only_the_given_paths_and_what_is_below_them_are_covered(kind, path, covered, method):
    assert kind(paths=["/event", "/hooks/in/"]).call(method, path)[0] == (401 if covered else 200)


def test_the_path_that_an_application_is_mounted_at_counts():
    assert Wsgi(paths=["/api/event"]).call(path="/event", prefix="/api")[0] == 401


def test_secrets_can_be_replaced(kind):
    assert kind(secrets=[OTHER, SECRET]).call(headers=signed())[0] == 200


@pytest.mark.parametrize("options", [{"secrets": []}, {"secrets": "whsec_?"}, {"paths": ["event"]}])
def test_what_would_protect_nothing_is_an_error_at_the_start(kind, options):
    with pytest.raises(ValueError, match=r"secret|path"):
        kind(**options)


def test_a_body_that_is_too_large_is_refused_unread(kind):
    caller = kind(max_bytes=10)
    headers = signed(bytes(11)) | {"content-length": "11"}
    assert caller.call(headers=headers, body=bytes(11)) == (413, "the body has more than 10 bytes")
    assert kind(max_bytes=11).call(headers=headers, body=bytes(11))[0] == 200
    assert caller.seen == []


def test_a_tolerance_can_be_given(kind):
    assert kind(tolerance=-1).call(headers=signed())[0] == 401


def test_wsgi_a_chunked_body_is_read_to_its_end_and_has_a_length_then():
    chunked = {"transfer-encoding": "chunked"}
    caller = Wsgi(max_bytes=len(BODY))
    for environ in ({"wsgi.input_terminated": True}, {"HTTP_TRANSFER_ENCODING": "chunked"}):
        assert caller.call(headers=signed(), CONTENT_LENGTH=None, **environ)[0] == 200
    assert [body for body, _ in caller.seen] == [BODY, BODY]
    assert Wsgi(max_bytes=5).call(headers=signed() | chunked, CONTENT_LENGTH=None)[0] == 413


def test_wsgi_without_a_length_there_is_no_body():
    class Endless:
        def read(self, size):
            raise AssertionError("reading would wait for ever")

    caller = Wsgi()
    assert caller.call(headers=signed(b""), CONTENT_LENGTH=None, **{"wsgi.input": Endless()})[0] == 200
    assert caller.call(headers=signed(b""), CONTENT_LENGTH="")[0] == 200
    assert [body for body, _ in caller.seen] == [b"", b""]


def test_wsgi_a_body_that_ends_early_is_not_what_was_signed():
    assert Wsgi().call(headers=signed(), body=BODY[:-1], CONTENT_LENGTH=str(len(BODY)))[0] == 401


def test_asgi_a_body_comes_in_parts_and_what_follows_reaches_the_application():
    parts = [
        {"type": "http.request", "body": BODY[:5], "more_body": True},
        {"type": "http.request", "more_body": True},
        {"type": "http.request", "body": BODY[5:]},
    ]
    caller = Asgi()
    assert caller.call(headers=signed(), messages=parts)[0] == 200
    assert caller.seen[0][0] == BODY
    assert caller.left == [{"type": "http.disconnect"}]
    assert Asgi(max_bytes=6).call(headers=signed(), messages=parts)[0] == 413


def test_asgi_a_client_that_disconnects_within_the_body_gets_no_answer():
    caller = Asgi()
    parts = [{"type": "http.request", "body": BODY[:5], "more_body": True}]
    assert caller.call(headers=signed(), messages=parts) is None
    assert caller.seen == []


def test_asgi_other_protocols_pass():
    seen = []

    async def application(scope, receive, send):
        seen.append(scope["type"])

    app = AsgiSignatureMiddleware(application, SECRET)
    for kind in ("lifespan", "websocket"):
        asyncio.run(app({"type": kind, "path": "/event"}, None, None))
    assert seen == ["lifespan", "websocket"]


# with real servers, and what architect publishes


def publish(port, secret, uri="/event"):
    services = {
        "acme/mailer": {"host": "127.0.0.1", "port": port, "api": "rest"},
        "acme/orders": {"subscriptions": {"placed": {"acme/mailer": {"uri": uri, "secret": secret}}}},
    }
    event = Resolver(services, current_service="acme/orders").notification("placed")
    return event.publish({"order": 7}, key="ada", timeout=5)[0].status


class Quiet(WSGIRequestHandler):
    def log_message(self, format, *args):
        """Stay quiet."""


def test_what_architect_publishes_gets_through_to_a_wsgi_application():
    caller = Wsgi()
    with make_server("127.0.0.1", 0, validator(caller.app), handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        assert publish(server.server_port, [OTHER, SECRET]) == 200
        assert publish(server.server_port, [OTHER]) == 401
        server.shutdown()
        thread.join()
    ((body, event),) = caller.seen
    assert body == BODY
    assert (event.event, event.source, event.key) == ("placed", "acme/orders", "ada")


def test_what_architect_publishes_gets_through_to_an_asgi_application(tmp_path):
    seen = []

    async def application(scope, receive, send):
        message = await receive()
        seen.append((message["body"], scope["architect.event"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.accesslog = config.errorlog = None

    async def run():
        stop = asyncio.Event()
        middleware = AsgiSignatureMiddleware(application, SECRET, paths=["/event"])
        server = asyncio.create_task(serve(middleware, config, shutdown_trigger=stop.wait))
        statuses = [await asyncio.to_thread(publish, port, secret) for secret in (SECRET, OTHER)]
        stop.set()
        await server
        return statuses

    assert asyncio.run(run()) == [204, 401]
    ((body, event),) = seen
    assert (body, event.event, event.key) == (BODY, "placed", "ada")
