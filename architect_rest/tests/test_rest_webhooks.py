"""An event without a broker is posted to all of its subscribers at once, with one result for each."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import date

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from freezegun import freeze_time
from webhook_servers import recording

from architect_core.exceptions import NoPluginError, PayloadError
from architect_core.resolver import Resolver
from architect_testing.tools.canary import SECRET, assert_hidden
from architect_testing.tools.forking import can_fork, in_child
from architect_testing.tools.sockets import refusing, silent


@pytest.fixture
def server():
    with recording() as started:
        yield started


@pytest.fixture
def other():
    with recording() as started:
        yield started


def announce(subscribers, **more):
    """A notification to subscribers: name -> (entry, subscription)."""
    services = {name: {"api": "rest", **entry} for name, (entry, _) in subscribers.items()}
    subscriptions = {"order_placed": {name: wanted for name, (_, wanted) in subscribers.items()}}
    services["acme/orders"] = {"host": "orders", "port": 1, "api": "rest", "subscriptions": subscriptions}
    return Resolver(services | more, current_service="acme/orders").notification("order_placed")


@pytest.mark.parametrize("is_slow", [False, True], ids=["five addresses that do not answer", "a slow look-up"])
def test_publishing_ends_with_its_timeout_however_a_host_is_connected(monkeypatch, is_slow):
    found, real = threading.Event(), socket.getaddrinfo

    def look_up(host, *args, **named):
        if host not in {"many.example", b"many.example"}:
            return real(host, *args, **named)
        if is_slow:
            found.wait(20)
        return [each for number in range(1, 6) for each in real(f"127.0.0.{number}", *args, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with ExitStack() as stack:
        port = 0
        for number in range(1, 6):  # a listener whose queue is full answers no connection
            listener = stack.enter_context(socket.socket())
            listener.bind((f"127.0.0.{number}", port))
            port = listener.getsockname()[1]
            listener.listen(0)
            for _ in range(3):
                filler = stack.enter_context(closing(socket.socket()))
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
        notification = announce({"acme/mailer": ({"host": f"http://many.example:{port}"}, {})})
        for publish in (
            notification.publish,
            lambda *args, **named: asyncio.run(notification.aio.publish(*args, **named)),
        ):
            began = time.monotonic()
            (delivery,) = publish({}, timeout=0.5)
            assert time.monotonic() - began < 2
            assert isinstance(delivery.error, TimeoutError)
        found.set()


def test_publishing_in_frozen_time_ends_with_its_timeout(server):
    with freeze_time("2012-01-14"):
        (delivery,) = announce({"acme/mailer": ({"host": server.url}, {"uri": "/?hold=1"})}).publish({}, timeout=0.2)
    assert isinstance(delivery.error, TimeoutError)
    assert 0.1 < delivery.elapsed < 9


def test_every_subscriber_gets_the_payload_and_its_own_headers_only(server, other):
    results = announce(
        {
            "acme/mailer": ({"host": server.url}, {"uri": "/event", "headers": {"x-key": "mailer's", "x-name": "nö€"}}),
            "acme/audit": ({"host": "http://127.0.0.1/base", "port": other.port}, {"uri": "/in"}),
        }
    ).publish({"id": 7})
    assert [(each.subscription.name, each.status, each.ok) for each in results] == [
        ("acme/mailer", 200, True),
        ("acme/audit", 200, True),
    ]
    assert all(0 < each.elapsed < 5 for each in results)
    mail, audit = server.asked[0], other.asked[0]
    assert (mail["path"], json.loads(mail["body"])) == ("/event", {"id": 7})
    assert mail["headers"]["host"] == f"127.0.0.1:{server.port}"
    assert mail["headers"]["content-type"] == "application/json"
    assert mail["headers"]["user-agent"].startswith("architect-rest/")
    assert mail["headers"]["x-key"] == "mailer's"
    assert mail["headers"]["x-name"].encode("latin-1").decode() == "nö€"
    assert audit["path"] == "/base/in"
    assert "x-key" not in audit["headers"]


def test_a_coroutine_publishes_likewise(server):
    notification = announce({"acme/mailer": ({"host": server.url}, {"uri": "/event"})})
    (delivery,) = asyncio.run(notification.aio.publish({"id": 7}))
    assert delivery.ok
    assert json.loads(server.asked[0]["body"]) == {"id": 7}


def test_cloudevents_parse_the_request(server):
    announce({"acme/mailer": ({"host": server.url}, {"uri": "/event"})}).publish({"id": 7}, key='Ada "ü" 100%')
    asked = server.asked[0]
    event = from_http_event(HTTPMessage(headers=asked["headers"], body=asked["body"]))
    assert (event.get_type(), event.get_source(), event.get_data()) == ("order_placed", "acme/orders", {"id": 7})
    assert event.get_attributes()["partitionkey"] == 'Ada "ü" 100%'
    assert event.get_attributes()["datacontenttype"] == "application/json"
    assert asked["headers"]["ce-partitionkey"] == "Ada%20%22%C3%BC%22%20100%25"
    assert abs(event.get_time().timestamp() - time.time()) < 60
    assert event.get_id()


def test_a_subscriber_s_own_content_type_agent_and_authorization_win(server):
    headers = {"content-type": "application/x", "authorization": "Bearer x", "User-agent": "me", "host": "mailer"}
    announce({"acme/mailer": ({"host": f"http://u:p@127.0.0.1:{server.port}"}, {"headers": headers})}).publish({})
    found = server.asked[0]["headers"]
    assert {name: found[name.lower()] for name in headers} == headers


def test_user_information_of_the_subscriber_s_host_is_basic_authentication(server):
    announce({"acme/mailer": ({"host": f"http://u:p@127.0.0.1:{server.port}"}, {})}).publish({})
    assert server.asked[0]["headers"]["authorization"] == "Basic dTpw"


def test_one_failing_subscriber_hides_no_other(server):
    with refusing() as dead, silent() as mute:
        results = announce(
            {
                "acme/dead": ({"host": "127.0.0.1", "port": dead}, {}),
                "acme/mute": ({"host": "127.0.0.1", "port": mute}, {}),
                "acme/slow": ({"host": server.url}, {"uri": "/?hold=1"}),
                "acme/broken": ({"host": server.url}, {"uri": "/?status=500"}),
                "acme/moved": ({"host": server.url}, {"uri": "/?status=302&Location=/elsewhere"}),
                "acme/strange": ({"host": server.url, "api": "pigeon"}, {}),
                "acme/mailer": ({"host": server.url}, {"uri": "/event"}),
            }
        ).publish({"id": 7}, timeout=0.5)
    by_name = {each.subscription.name: each for each in results}
    assert [name for name, each in by_name.items() if each.ok] == ["acme/mailer"]
    assert [by_name[name].status for name in ("acme/broken", "acme/moved", "acme/dead")] == [500, 302, None]
    assert isinstance(by_name["acme/dead"].error, ConnectionRefusedError)
    for name in ("acme/slow", "acme/mute"):
        assert isinstance(by_name[name].error, TimeoutError)
        assert 0.4 < by_name[name].elapsed < 5
    assert isinstance(by_name["acme/strange"].error, NoPluginError)
    assert "/elsewhere" not in [asked["path"] for asked in server.asked]


def test_an_event_without_subscribers_is_published_to_nobody():
    assert announce({}).publish({"id": 7}) == []


def test_bytes_are_sent_as_they_are(server):
    announce({"acme/mailer": ({"host": server.url}, {})}).publish(b"\xff\x00raw")
    assert server.asked[0]["body"] == b"\xff\x00raw"


def test_a_large_payload_arrives_whole(server):
    body = os.urandom(1 << 20) * 8
    assert announce({"acme/mailer": ({"host": server.url}, {})}).publish(body)[0].ok
    assert server.asked[0]["body"] == body


def test_dates_and_dataclasses_are_written_as_json(server):
    @dataclass
    class Order:
        placed: date

    announce({"acme/mailer": ({"host": server.url}, {})}).publish({"order": Order(date(2026, 1, 2))})
    assert json.loads(server.asked[0]["body"]) == {"order": {"placed": "2026-01-02"}}


@pytest.mark.parametrize("payload", [float("nan"), {"a": object()}, {("s3cret",): 1}])
def test_a_payload_that_json_cannot_express_is_refused_and_nothing_is_sent(server, payload):
    with pytest.raises(PayloadError) as caught:
        announce({"acme/mailer": ({"host": server.url}, {})}).publish(payload)
    assert "s3cret" not in str(caught.value)
    assert server.asked == []


def test_a_payload_that_holds_itself_is_refused():
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(PayloadError):
        announce({}).publish(endless)


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), True])
def test_a_timeout_that_is_no_positive_number_is_refused(timeout):
    with pytest.raises(ValueError, match="positive number of seconds"):
        announce({}).publish({}, timeout=timeout)


def test_a_hundred_subscribers_wait_at_the_same_time(server):
    subscribers = {f"acme/s{n}": ({"host": server.url}, {"uri": "/?sleep=0.2"}) for n in range(100)}
    notification = announce(subscribers)
    started = time.monotonic()
    assert all(each.ok for each in notification.publish({}, timeout=8))
    assert time.monotonic() - started < 5  # one after another they take 20


def test_all_connections_to_one_host_serve_again(server):
    subscribers = {f"acme/s{n}": ({"host": server.url}, {"uri": "/?sleep=0.05"}) for n in range(50)}
    notification = announce(subscribers)
    notification.publish({})
    notification.publish({})
    assert len(server.asked) == 100
    assert len({asked["connection"] for asked in server.asked}) == 50


def test_subscribers_that_hang_do_not_delay_another_publication(server, other):
    services = {f"acme/s{n}": {"host": server.url, "api": "rest"} for n in range(200)}
    services |= {name: {"host": other.url, "api": "rest"} for name in ("acme/a", "acme/b")}
    hanging, quick = {f"acme/s{n}": {"uri": "/?hold=1"} for n in range(200)}, {"acme/a": {}, "acme/b": {}}
    services["acme/orders"] = {"subscriptions": {"hanging": hanging, "quick": quick}}
    resolver = Resolver(services, current_service="acme/orders")
    thread = threading.Thread(target=resolver.notification("hanging").publish, args=({},))
    thread.start()
    while len(server.asked) < 100:
        time.sleep(0.01)
    assert all(each.ok for each in resolver.notification("quick").publish({}, timeout=5))
    server.released.set()
    thread.join(20)
    assert not thread.is_alive()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])  # the latter is looked up
@pytest.mark.parametrize("before", ["", "print(event.publish({})[0].ok)"])
def test_publishing_works_while_the_interpreter_ends(server, before, host):
    services = {name: {"host": host, "port": server.port, "api": "rest"} for name in ("a", "b")}
    services["c"] = {"subscriptions": {"stopped": {"a": {}, "b": {}}}}
    program = f"""
import atexit
from architect_core.resolver import Resolver
event = Resolver({services!r}, current_service="c").notification("stopped")
atexit.register(lambda: print([each.ok for each in event.publish({{}})]))
{before}
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.splitlines()[-1] == "[True, True]", done.stderr
    assert len(server.asked) == (4 if before else 2)


@pytest.mark.skipif(not can_fork(), reason="this system has no os.fork")
def test_publishing_works_in_a_forked_child_and_afterwards_in_its_parent(server, other):
    notification = announce({"acme/a": ({"host": server.url}, {}), "acme/b": ({"host": other.url}, {})})

    def publish() -> None:
        assert [each.ok for each in notification.publish({}, timeout=5)] == [True, True]

    publish()
    in_child(publish, 10)
    publish()
    assert len(server.asked) == 3
    connections = [asked["connection"] for asked in server.asked]
    assert connections[0] == connections[2] != connections[1]


def test_what_is_secret_shows_in_no_result_and_no_log(server, caplog):
    wanted = {
        "uri": f"/event?token={SECRET}",
        "headers": {"x-key": SECRET, "authorization": f"Bearer {SECRET}", "x-beyond-latin-1": f"✓{SECRET}"},
    }
    with refusing() as refused, silent() as mute, caplog.at_level("DEBUG"):
        hosts = {"acme/a": server.port, "acme/b": refused, "acme/c": mute}
        notification = announce({name: ({"host": "127.0.0.1", "port": p}, wanted) for name, p in hosts.items()})
        results = notification.publish({}, timeout=0.3)
    assert [each.ok for each in results] == [True, False, False]
    assert server.asked[0]["headers"]["x-key"] == SECRET
    assert_hidden(SECRET, results=results, errors=[each.error for each in results], logs=caplog.records)


def test_nothing_is_imported_before_it_is_needed():
    program = """
import sys
import architect_events, architect_rest.webhooks, architect_rest.webhooks.plugin
print(sorted(name for name in ("asyncio", "ssl", "certifi") if name in sys.modules))
architect_rest.webhooks.verify, architect_rest.webhooks.SignatureMiddleware
print([name for name in sys.modules if name.startswith("architect_rest.webhooks.c")])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "[]\n[]\n"
