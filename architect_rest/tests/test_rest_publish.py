"""An event is posted to all subscribers at once, with one result for each."""

from __future__ import annotations

import json
import multiprocessing
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import date

import pytest

from architect_core.exceptions import NoPluginError, PayloadError
from architect_core.resolver import Resolver


def announce(subscribers, **more):
    """A resolver whose current service announces `order_placed` to subscribers: name -> (entry, subscription)."""
    services = {name: {"api": "rest", **entry} for name, (entry, _) in subscribers.items()}
    subscriptions = {"order_placed": {name: wanted for name, (_, wanted) in subscribers.items()}}
    services["acme/orders"] = {"host": "orders", "port": 1, "api": "rest", "subscriptions": subscriptions}
    return Resolver(services | more, current_service="acme/orders").notification("order_placed")


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
    assert (mail["method"], mail["path"], json.loads(mail["body"])) == ("POST", "/event", {"id": 7})
    assert mail["headers"]["content-type"] == "application/json"
    assert mail["headers"]["x-key"] == "mailer's"
    assert mail["headers"]["x-name"].encode("latin-1").decode() == "nö€"
    assert audit["path"] == "/base/in"
    assert "x-key" not in audit["headers"]


def test_a_subscriber_s_own_content_type_and_authorization_win(server):
    headers = {"content-type": "application/cloudevents+json", "authorization": "Bearer x"}
    announce({"acme/mailer": ({"host": f"http://u:p@127.0.0.1:{server.port}"}, {"headers": headers})}).publish({})
    assert server.asked[0]["headers"]["content-type"] == "application/cloudevents+json"
    assert server.asked[0]["headers"]["authorization"] == "Bearer x"


def test_user_information_of_the_subscriber_s_host_is_basic_authentication(server):
    announce({"acme/mailer": ({"host": f"http://u:p@127.0.0.1:{server.port}"}, {})}).publish({})
    assert server.asked[0]["headers"]["authorization"] == "Basic dTpw"


def test_one_failing_subscriber_hides_no_other(server):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead = listener.getsockname()[1]
    results = announce(
        {
            "acme/dead": ({"host": "127.0.0.1", "port": dead}, {}),
            "acme/slow": ({"host": server.url}, {"uri": "/?hold=1"}),
            "acme/broken": ({"host": server.url}, {"uri": "/?status=500"}),
            "acme/moved": ({"host": server.url}, {"uri": "/?status=302&to=/elsewhere"}),
            "acme/strange": ({"host": server.url, "api": "pigeon"}, {}),
            "acme/mailer": ({"host": server.url}, {"uri": "/event"}),
        }
    ).publish({"id": 7}, timeout=0.5)
    by_name = {each.subscription.name: each for each in results}
    assert [name for name, each in by_name.items() if each.ok] == ["acme/mailer"]
    assert [by_name[name].status for name in ("acme/broken", "acme/moved", "acme/dead")] == [500, 302, None]
    assert by_name["acme/slow"].error is not None
    assert 0.4 < by_name["acme/slow"].elapsed < 10
    assert isinstance(by_name["acme/strange"].error, NoPluginError)
    assert "/elsewhere" not in [asked["path"] for asked in server.asked]


def test_an_event_without_subscribers_is_published_to_nobody():
    assert announce({}).publish({"id": 7}) == []


def test_bytes_are_sent_as_they_are(server):
    announce({"acme/mailer": ({"host": server.url}, {})}).publish(b"\xff\x00raw")
    assert server.asked[0]["body"].encode("latin-1") == b"\xff\x00raw"


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


def test_connections_serve_again(server):
    notification = announce({"acme/mailer": ({"host": server.url}, {})})
    notification.publish({})
    notification.publish({})
    assert len({asked["connection"] for asked in server.asked}) == 1


def test_a_response_without_end_is_not_read():
    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            try:
                while True:
                    connection.sendall(b"1\r\nx\r\n")
                    time.sleep(0.05)
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        notification = announce({"acme/mailer": ({"host": "127.0.0.1", "port": listener.getsockname()[1]}, {})})
        started = time.monotonic()
        assert notification.publish({}, timeout=0.4)[0].ok
        assert time.monotonic() - started < 3
        thread.join(5)
        assert not thread.is_alive()


def drip(listener: socket.socket, start: bytes, piece: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        try:
            connection.sendall(start)
            for _ in range(200):
                connection.sendall(piece)
                time.sleep(0.05)
        except OSError:
            pass


@pytest.mark.parametrize(
    ("start", "piece", "status"),
    [
        (b"HTTP/1.1 200 ", b"O", None),
        (b"HTTP/1.1 200 OK\r\nX-Header: ", b"x", None),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0", 200),
    ],
)
def test_a_subscriber_that_drips_gets_no_more_than_its_timeout(start, piece, status):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener, start, piece))
        thread.start()
        notification = announce({"acme/mailer": ({"host": "127.0.0.1", "port": listener.getsockname()[1]}, {})})
        started = time.monotonic()
        assert notification.publish({}, timeout=0.3)[0].status == status
        assert time.monotonic() - started < 3
        thread.join(5)
        assert not thread.is_alive()


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


@pytest.mark.parametrize("before", ["", "print(event.publish({})[0].ok)"])
def test_publishing_works_while_the_interpreter_ends(server, before):
    services = {name: {"host": server.url, "api": "rest"} for name in ("a", "b")}
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


def test_without_another_thread_each_subscriber_still_gets_the_event_once(server, monkeypatch):
    started = []
    start = threading.Thread.start

    def start_two(thread):
        if thread.name.startswith("architect-publish"):
            started.append(thread)
            if len(started) > 2:
                raise RuntimeError("can't start new thread")
        start(thread)

    notification = announce({f"acme/s{n}": ({"host": server.url}, {"uri": f"/{n}?sleep=0.05"}) for n in range(9)})
    monkeypatch.setattr(threading.Thread, "start", start_two)
    assert [each.status for each in notification.publish({})] == [200] * 9
    assert len(started) == 3
    assert sorted(asked["path"][:2] for asked in server.asked) == [f"/{n}" for n in range(9)]


def test_the_environment_s_proxy_is_used_and_its_exceptions_are_kept(server, other, monkeypatch):
    monkeypatch.setenv("http_proxy", other.url)
    notification = announce({"acme/mailer": ({"host": "http://mailer.invalid", "port": 81}, {"uri": "/event"})})
    assert notification.publish({})[0].ok
    assert other.asked[0]["path"] == "http://mailer.invalid:81/event"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    announce({"acme/mailer": ({"host": server.url}, {"uri": "/event"})}).publish({})
    assert server.asked[0]["path"] == "/event"


def _publish_in_child(notification, queue):
    queue.put([each.ok for each in notification.publish({})])


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12 on fork with threads
def test_publishing_works_in_a_forked_child(server, other):
    notification = announce({"acme/a": ({"host": server.url}, {}), "acme/b": ({"host": other.url}, {})})
    notification.publish({})
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=_publish_in_child, args=(notification, queue))
    child.start()
    child.join(10)
    assert child.exitcode == 0
    assert queue.get() == [True, True]
