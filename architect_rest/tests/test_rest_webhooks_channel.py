"""The channel "events.rest" copes with every way in which a subscriber can answer, or not."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import trustme
from peers import speaking, tunnel
from standardwebhooks import Webhook
from webhook_servers import recording

from architect_core.contract import Message, Subscription
from architect_rest.webhooks import channel as channels
from architect_rest.webhooks.channel import WebhookChannel
from architect_testing.tools.canary import SECRET, assert_hidden
from architect_testing.tools.sockets import left_open, open_sockets

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
SIGNING = "whsec_YW4gZXhhbXBsZSBvZiBhIHNlY3JldA=="
OLDER = "whsec_YW4gb2xkZXIgc2VjcmV0IG9mIGEgcGVlcg=="
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def message(port, uri="/event", host="http://127.0.0.1", body=b'{"id": 7}', **more):
    headers = more.pop("of_message", {})
    to = Subscription("acme/mailer", host, port, uri, **more)
    return Message("m1", "placed", "acme/orders", datetime(2026, 1, 2, tzinfo=UTC), body, headers=headers, to=to)


def send(*batches, timeout=5.0):
    """The receipts of the batches, sent one after another by one channel."""

    async def run():
        channel = WebhookChannel()
        receipts = []
        for batch in batches:
            if callable(batch):
                await asyncio.to_thread(batch)
            else:
                receipts += await channel.send(batch if isinstance(batch, list) else [batch], timeout)
        await channel.close()
        await asyncio.sleep(0)  # what was closed ends in the next round of the loop
        return receipts

    before = open_sockets()
    receipts = asyncio.run(run())
    assert left_open(before, 10.0) == 0
    return receipts if len(receipts) != 1 else receipts[0]


def answering(*answers):
    """Serves each request of a connection with the next of the answers, and records connections."""
    seen = []

    def serve(peer, number):
        for answer in answers:
            if not peer.request():
                return
            seen.append(number)
            peer.send(answer)
        peer.head()

    return serve, seen


@pytest.mark.parametrize(
    ("answer", "status", "again"),
    [
        (OK, 200, True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, True),
        (b"HTTP/1.1 200\r\ncontent-length:0\r\n\r\n", 200, True),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}", 200, True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\n" + OK, 200, True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\nA: b\r\n\r\n", 200, True),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 65536\r\n\r\n" + bytes(65536), 500, True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", 200, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200, False),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n", 200, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 200, True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 200, False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 200, False),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 101, False),
        (OK + b"more than was asked for", 200, False),
        (OK + OK, 200, False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 20000, 200, False),
    ],
)
def test_an_answer_counts_by_its_status_and_its_connection_serves_again_if_it_can(answer, status, again):
    serve, seen = answering(answer, answer)
    with speaking(serve) as port:
        first, second = send(message(port), lambda: time.sleep(0.02), message(port))
    assert (first.status, second.status, first.error, second.error) == (status, status, None, None)
    assert seen == [0, 0 if again else 1]


@pytest.mark.parametrize("split", [1, 3, 20])
def test_an_answer_may_come_in_pieces(split):
    chunks = b"3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n"
    answer = b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 202 A\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    seen = []

    def serve(peer, number):
        while peer.request():
            seen.append(number)
            for start in range(0, len(answer), split):
                peer.send(answer[start : start + split])
                time.sleep(0.0005)

    with speaking(serve) as port:
        receipts = send(message(port), lambda: time.sleep(0.1), message(port))
    assert [each.status for each in receipts] == [202, 202]
    assert seen == [0, 0]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"220 mail.example ESMTP\r\n\r\n",
        b"HTTP/1.1 999999\r\n\r\n",
        b"\x16\x03\x01\x00\x00\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000,
    ],
)
def test_what_is_no_answer_is_an_error_that_can_be_retried(answer):
    with speaking(lambda peer, _: (peer.request(), peer.send(answer))) as port:
        receipt = send(message(port))
    assert isinstance(receipt.error, ConnectionError)
    assert (receipt.status, receipt.permanent, receipt.ok) == (None, False, False)


def test_a_subscriber_that_answers_and_closes_has_accepted_and_gets_a_new_connection():
    serve, seen = answering(OK)

    def once(peer, number):
        serve(peer, number) if number else (peer.request(), seen.append(0), peer.send(OK))

    with speaking(once) as port:
        assert [each.status for each in send(message(port), lambda: time.sleep(0.02), message(port))] == [200, 200]
    assert seen == [0, 1]


def test_a_request_on_a_connection_that_ends_before_an_answer_is_sent_again_once():
    seen = []

    def serve(peer, number):
        seen.append((number, peer.request()))
        peer.send(OK)
        if second := peer.request():
            seen.append((number, second))  # and does not answer

    with speaking(serve) as port:
        first, second = send(message(port, secrets=(SIGNING,)), message(port, secrets=(SIGNING,)))
    assert (first.status, second.error) == (200, None)
    assert [number for number, _ in seen] == [0, 0, 1]
    assert seen[1][1] == seen[2][1]  # the same bytes, with the same id and signature


def test_a_request_on_a_new_connection_is_sent_once():
    seen = []
    with speaking(lambda peer, number: (peer.request(), seen.append(number))) as port:
        assert isinstance(send(message(port)).error, ConnectionError)
    assert seen == [0]


def test_a_request_that_was_answered_in_part_is_not_sent_again():
    seen = []

    def serve(peer, number):
        peer.request()
        peer.send(OK)
        seen.append(peer.request())
        peer.send(b"HTTP/1.1 2")

    with speaking(serve) as port:
        _, second = send(message(port), message(port))
    assert isinstance(second.error, ConnectionError)
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("start", "piece", "status"),
    [
        (b"HTTP/1.1 200 ", b"O", None),
        (b"HTTP/1.1 200 OK\r\nX-Header: ", b"x", None),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0", 200),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x", 200),
    ],
)
def test_a_subscriber_that_drips_gets_no_more_than_the_timeout(start, piece, status):
    ended = threading.Event()

    def drip(peer, number):
        peer.request()
        try:
            peer.send(start)
            while True:
                peer.send(piece)
                time.sleep(0.02)
        except OSError:
            ended.set()

    async def run():
        channel = WebhookChannel()
        (receipt,) = await channel.send([message(port)], 0.3)
        assert await asyncio.to_thread(ended.wait, 3)  # the connection, too, is given up
        return receipt

    with speaking(drip) as port:
        receipt = asyncio.run(run())
    assert receipt.status == status
    assert receipt.elapsed < 2
    assert isinstance(receipt.error, TimeoutError) is (status is None)


def test_the_timeout_includes_sending():
    body = bytes(32 << 20)  # more than the buffers between here and there hold
    with speaking(lambda peer, _: time.sleep(1)) as port:
        receipt = send(message(port, body=body), timeout=0.2)
    assert isinstance(receipt.error, TimeoutError)
    assert "0.2 seconds" in str(receipt.error)
    assert receipt.elapsed < 5


def test_cancelling_ends_the_requests():
    ended = threading.Event()
    asked = threading.Event()

    def serve(peer, number):
        peer.request()
        asked.set()
        assert not peer.head()
        ended.set()

    async def run():
        task = asyncio.create_task(WebhookChannel().send([message(port)], 20))
        await asyncio.to_thread(asked.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(ended.wait, 5)

    with speaking(serve) as port:
        asyncio.run(run())


def test_gone_is_permanent_and_other_statuses_are_not():
    with recording() as server:
        receipts = send([message(server.port, f"/?status={status}") for status in (410, 404, 301, 429, 500)])
    assert [(each.status, each.permanent, each.ok) for each in receipts] == [
        (410, True, False),
        (404, False, False),
        (301, False, False),
        (429, False, False),
        (500, False, False),
    ]


def test_how_long_to_wait_is_taken_from_retry_after():
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True).replace(" ", "%20")
    given = ["7", "0", "99999999", later, "Wed,%2021%20Oct%202015%2007:28:00%20GMT", "soon", "-1", "1.5", "%C2%B2"]
    with recording() as server:
        receipts = send([message(server.port, f"/?status=503&Retry-After={each}") for each in given])
        others = send([message(server.port, f"/?status={status}&Retry-After=7") for status in (429, 500, 200)])
    waits = [each.retry_after for each in receipts]
    assert 90 < waits.pop(3) <= 100
    assert waits == [7, 0, 86400, 0, None, None, None, None]
    assert [each.retry_after for each in others] == [7, None, None]


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": "ftp://127.0.0.1"},
        {"host": "127.0.0.1"},
        {"host": "http://"},
        {"host": "http://a b"},
        {"host": "http://u@h"},
        {"host": "http://" + "ü" * 70},
        {"port": 0},
        {"port": 65536},
        {"secrets": ("whsec_" + SECRET,)},
        {"secrets": ("whsec_",)},
        {"headers": {"x-key": f"{SECRET}\r\nx-other: 1"}},
        {"headers": {"x-key": f"{SECRET}\x00"}},
        {"headers": {"x-key": f"{SECRET}\udc80"}},
        {"headers": {f"x key{SECRET}": "1"}},
        {"headers": {"": SECRET}},
        {"auth": ("me", f"{SECRET}\udc80")},
        {"uri": f"/{SECRET}\udc80"},
        {"consumes": True, "host": "", "port": 0},
    ],
)
def test_what_can_never_be_sent_is_a_permanent_error_that_shows_no_secret(wrong):
    with recording() as server:
        given = message(**{"port": server.port, **wrong})
        receipt, good = send([given, message(server.port)])
        assert len(server.asked) == 1
    assert isinstance(receipt.error, ValueError)
    assert receipt.permanent
    assert good.ok
    assert_hidden(SECRET, error=receipt.error, receipt=receipt)


def test_a_message_for_nobody_is_a_permanent_error():
    receipt = send(replace(message(1), to=None))
    assert isinstance(receipt.error, ValueError)
    assert receipt.permanent


def test_nothing_can_be_smuggled_in_by_an_event_s_own_attributes():
    odd = {"key": "a\r\nx-evil: 1", "headers": {"traceparent": "a\r\nx-evil: 1"}}
    with recording() as server:
        encoded = send(replace(message(server.port), key=odd["key"]))
        refused = send(replace(message(server.port), headers=odd["headers"]))
        assert "x-evil" not in server.asked[0]["headers"]
        assert server.asked[0]["headers"]["ce-partitionkey"] == "a%0D%0Ax-evil:%201"
    assert encoded.ok
    assert refused.permanent


def test_a_subscriber_s_headers_never_take_the_place_of_what_describes_the_event_and_its_signature():
    own = {
        "Content-Length": "1",
        "transfer-encoding": "chunked",
        "ce-id": "mine",
        "CE-Extra": "x",
        "Webhook-Id": "mine",
        "webhook-signature": "v1,forged",
        "traceparent": "mine",
    }
    with recording() as server:
        send([message(server.port, headers=own, secrets=(SIGNING,), of_message={"traceparent": TRACE})])
        send([message(server.port, headers={"webhook-id": "mine"})])
        signed, plain = (asked["headers"] for asked in server.asked)
        Webhook(SIGNING).verify(server.asked[0]["body"], signed)
    assert (signed["ce-id"], signed["webhook-id"], signed["content-length"]) == ("m1", "m1", "9")
    assert "transfer-encoding" not in signed
    assert "ce-extra" not in signed
    assert signed["traceparent"] == "mine"
    assert plain["webhook-id"] == "mine"  # of a delivery that is not signed


def test_the_trace_and_extensions_of_an_event_travel_and_other_headers_do_not():
    headers = {"traceparent": TRACE, "tracestate": "a=1", "ce-subject": "s 1", "authorization": SECRET}
    with recording() as server:
        send(message(server.port, of_message=headers))
        found = server.asked[0]["headers"]
    assert (found["traceparent"], found["tracestate"], found["ce-subject"]) == (TRACE, "a=1", "s%201")
    assert "authorization" not in found


def test_a_request_has_a_signature_for_each_secret_and_none_without():
    with recording() as server:
        send([message(server.port, secrets=(SIGNING, OLDER)), message(server.port)])
        signed, plain = sorted(server.asked, key=lambda asked: "webhook-id" not in asked["headers"])
    for secret in (SIGNING, OLDER):
        Webhook(secret).verify(signed["body"], signed["headers"])
    assert signed["headers"]["webhook-id"] == signed["headers"]["ce-id"]
    assert len(signed["headers"]["webhook-signature"].split()) == 2
    assert not [name for name in plain["headers"] if name.startswith("webhook")]


@pytest.mark.parametrize(
    ("uri", "path"), [("", "/"), ("?a=b c", "/?a=b%20c"), ("/ü?x=ü#y", "/%C3%BC?x=%C3%BC"), ("/%41", "/%41")]
)
def test_a_path_is_sent_percent_encoded(uri, path):
    with recording() as server:
        assert send(message(server.port, uri)).ok
        assert server.asked[0]["path"] == path


def test_an_ipv6_address_is_reached():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    with recording("::1") as server:
        assert send(message(server.port, host="http://[::1]")).ok
        assert server.asked[0]["headers"]["host"] == f"[::1]:{server.port}"


def test_a_host_that_does_not_exist_is_an_error_that_can_be_retried():
    receipt = send(message(80, host="http://mailer.invalid"))
    assert isinstance(receipt.error, OSError)
    assert not receipt.permanent


def test_idle_connections_are_closed_after_a_while(monkeypatch):
    monkeypatch.setattr(channels, "_IDLE_SECONDS", 0.05)
    ended = threading.Event()

    def serve(peer, number):
        peer.request()
        peer.send(OK)
        assert not peer.head()
        ended.set()

    async def run():
        channel = WebhookChannel()
        await channel.send([message(port)], 5)
        assert await asyncio.to_thread(ended.wait, 5)

    with speaking(serve) as port:
        asyncio.run(run())


# TLS and proxies


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def trusted(authority, tmp_path, monkeypatch):
    """The context of a server whose certificate is trusted."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    return context_of(authority)


def context_of(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


def test_tls_is_verified_with_the_authorities_of_the_environment(trusted, monkeypatch, tmp_path):
    with recording(context=trusted) as server:
        assert [each.status for each in send(*[message(server.port, host="https://127.0.0.1")] * 3)] == [200] * 3
        assert len({asked["connection"] for asked in server.asked}) == 1
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        refused = send(message(server.port, host="https://127.0.0.1"))
        monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path / "ca.pem"))
        assert send(message(server.port, host="https://localhost")).ok
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
        missing = send(message(server.port, host="https://127.0.0.1"))
        assert len(server.asked) == 4
    assert isinstance(refused.error, ssl.SSLCertVerificationError)
    assert not refused.permanent
    assert isinstance(missing.error, FileNotFoundError)
    assert "none.pem" in str(missing.error)


def test_a_certificate_for_another_host_is_refused(authority, trusted):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("mailer.example").configure_cert(context)
    with recording(context=context) as server:
        receipt = send(message(server.port, host="https://127.0.0.1"))
    assert isinstance(receipt.error, ssl.SSLCertVerificationError)


@pytest.mark.parametrize("host", ["http", "https"])
def test_speaking_tls_to_a_server_without_it_and_the_other_way_round_is_an_error(trusted, host):
    with recording(context=trusted if host == "http" else None) as server:
        receipt = send(message(server.port, host=f"{host}://127.0.0.1"), timeout=2)
        assert not server.asked
    assert isinstance(receipt.error, OSError)


def test_plain_requests_go_through_the_proxy_of_the_environment_with_its_login(monkeypatch):
    with recording() as proxy, recording() as server:
        monkeypatch.setenv("http_proxy", f"http://me:p%40ss@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "10.0.0.0/8, 127.0.0.0/8, .internal")
        assert send(message(81, host="http://mailer.invalid", secrets=(SIGNING,))).ok
        assert send(message(server.port)).ok
        asked = proxy.asked[0]
        assert asked["path"] == "http://mailer.invalid:81/event"
        assert asked["headers"]["host"] == "mailer.invalid:81"
        assert asked["headers"]["proxy-authorization"] == "Basic bWU6cEBzcw=="
        assert (len(proxy.asked), len(server.asked)) == (1, 1)
        assert "proxy-authorization" not in server.asked[0]["headers"]


def test_tls_goes_through_a_tunnel_of_the_proxy_that_serves_again(trusted, monkeypatch):
    heads = []

    def proxy(peer, number):
        heads.append(peer.head())
        peer.send(b"HTTP/1.1 200 Connected\r\nX: y\r\n\r\n")
        tunnel(peer, server.port)

    with recording(context=trusted) as server, speaking(proxy) as port:
        monkeypatch.setenv("https_proxy", f"http://me:p%40ss@127.0.0.1:{port}")
        assert [each.status for each in send(*[message(server.port, host="https://localhost")] * 2)] == [200, 200]
        assert "proxy-authorization" not in server.asked[0]["headers"]
    assert len(heads) == 1
    assert heads[0].startswith(
        f"CONNECT localhost:{server.port} HTTP/1.1\r\nHost: localhost:{server.port}\r\n".encode()
    )
    assert b"\r\nProxy-Authorization: Basic " in heads[0]


@pytest.mark.parametrize("answer", [b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", b""])
def test_a_proxy_that_opens_no_tunnel_is_an_error_without_its_password(trusted, monkeypatch, answer, caplog):
    with caplog.at_level("DEBUG"), speaking(lambda peer, _: (peer.head(), peer.send(answer))) as port:
        monkeypatch.setenv("https_proxy", f"http://me:c4nary@127.0.0.1:{port}")
        receipt = send(message(443, host="https://mailer.invalid"))
    assert isinstance(receipt.error, ConnectionError)
    assert_hidden("c4nary", error=receipt.error, logs=caplog.records)


@pytest.mark.parametrize("proxy", ["socks5://me:c4nary@127.0.0.1", "http://me:c4nary@127.0.0.1:port", "http://"])
def test_a_malformed_proxy_is_an_error_without_its_password(monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    receipt = send(message(81, host="http://mailer.invalid"))
    assert isinstance(receipt.error, OSError)
    assert "http://HOST:PORT" in str(receipt.error)
    assert_hidden("c4nary", error=receipt.error)


def test_plain_requests_go_through_a_proxy_that_speaks_tls(trusted, monkeypatch):
    with recording(context=trusted) as proxy:
        monkeypatch.setenv("all_proxy", f"https://localhost:{proxy.port}")
        assert send(message(81, host="http://mailer.invalid")).ok
        assert proxy.asked[0]["path"] == "http://mailer.invalid:81/event"
