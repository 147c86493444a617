"""Architect's own HTTP/1.1: whatever a server does is an answer or an error of httpx2, in time."""

from __future__ import annotations

import asyncio
import multiprocessing
import ssl
import threading
import time
from collections.abc import AsyncIterator

import h11
import httpx2
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from peers import speaking, tunnel

from architect_rest.aio import engine
from architect_rest.aio.connections import Connections
from architect_rest.aio.engine import EngineTransport
from architect_rest.http import pool as pools
from architect_rest.http.answers import MAX_HEAD, Head, read_answer
from architect_rest.http.connection import Connection
from architect_rest.http.errors import MalformedError, RequestError
from architect_rest.http.exchange import Timeouts
from architect_rest.http.requests import framing, head_of
from architect_testing.tools.sockets import left_open, open_sockets

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def no_tls() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def run(use, context=no_tls, **options):
    """What `use` returns for a client of httpx2 over the engine; no socket is left afterwards."""

    async def begin():
        transport = EngineTransport(context)
        async with httpx2.AsyncClient(transport=transport, timeout=5, **options) as client:
            return await use(client)

    before = open_sockets()
    found = asyncio.run(begin())
    assert left_open(before, 10.0) == 0
    return found


def answering(*answers):
    """Serves each request of a connection with the next of the answers, and records connections and requests."""
    seen = []

    def serve(peer, number):
        for answer in answers:
            request = peer.request()
            if not request:
                return
            seen.append((number, request))
            peer.send(answer)
        peer.head()

    return serve, seen


@pytest.mark.parametrize(
    ("answer", "status", "body", "again"),
    [
        (OK, 200, b"{}", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, b"", True),
        (b"HTTP/1.1 200\r\ncontent-length:0\r\n\r\n", 200, b"", True),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}", 200, b"{}", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\n" + OK, 200, b"{}", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\nA: b\r\n\r\n", 200, b"{}", True),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 999999\r\n\r\n" + bytes(999_999), 500, bytes(999_999), True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", 200, b"{}", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}", False),
        (OK + b"more than was asked for", 200, b"{}", False),
        (OK + OK, 200, b"{}", False),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            200,
            b"{}",
            False,
        ),
    ],
)
def test_an_answer_is_read_as_it_is_framed_and_its_connection_serves_again_if_it_can(answer, status, body, again):
    serve, seen = answering(answer, answer)

    async def use(client):
        return [await client.get(f"http://127.0.0.1:{port}/x") for _ in range(2)]

    with speaking(serve) as port:
        found = run(use)
    assert [(each.status_code, each.content) for each in found] == [(status, body)] * 2
    assert [number for number, _ in seen] == [0, 0 if again else 1]


def test_a_body_may_end_with_the_connection():
    with speaking(lambda peer, _: (peer.request(), peer.send(b"HTTP/1.1 200 OK\r\n\r\nto the end"))) as port:
        assert run(lambda client: client.get(f"http://127.0.0.1:{port}/")).content == b"to the end"


def test_the_answer_to_head_has_no_body_whatever_it_says():
    for header in (b"Content-Length: 5", b"Transfer-Encoding: chunked", b"A: b"):
        serve, seen = answering(b"HTTP/1.1 200 OK\r\n" + header + b"\r\n\r\n", OK)

        async def use(client, url):
            return (await client.head(url)).content, (await client.get(url)).content

        with speaking(serve) as port:
            assert run(lambda client, port=port: use(client, f"http://127.0.0.1:{port}/")) == (b"", b"{}")
        assert [number for number, _ in seen] == [0, 0]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Le", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 100 Continue\r\n\r\n", httpx2.RemoteProtocolError),
        (b"HTTP/2 200\r\n\r\n", httpx2.RemoteProtocolError),
        (b"220 mail.example ESMTP\r\n\r\n", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\n: y\r\n\r\n", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1" + b";" * 5000, httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD, httpx2.RemoteProtocolError),
        (b"HTTP/1.1 103 E\r\nX: y\r\n\r\n" * 9000, httpx2.RemoteProtocolError),
    ],
)
def test_what_is_no_answer_is_an_error_of_the_protocol(answer, error):
    with speaking(lambda peer, _: (peer.request(), peer.send(answer))) as port, pytest.raises(error):
        run(lambda client: client.get(f"http://127.0.0.1:{port}/"))


def test_a_field_may_go_on_in_the_next_line_and_comes_with_its_own_letters_and_order():
    head = b"HTTP/1.1 200 Fine  indeed\r\nX-b: one\r\n  two\r\nSet-Cookie: a=1\r\nset-cookie: b=2 \r\nA:\r\n"
    head += b"Content-Length: 0\r\n\r\n"
    with speaking(answering(head)[0]) as port:
        found = run(lambda client: client.get(f"http://127.0.0.1:{port}/"))
    assert found.headers.raw[:4] == [
        (b"X-b", b"one two"), (b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"A", b"")
    ]  # fmt: skip
    assert (found.reason_phrase, found.http_version) == ("Fine  indeed", "HTTP/1.1")


async def parts(count: int, size: int = 1000) -> AsyncIterator[bytes]:
    for number in range(count):
        await asyncio.sleep(0)
        yield b"%d" % (number % 10) * size


def test_a_body_that_is_made_while_it_is_sent_comes_in_chunks_or_in_the_length_that_was_stated():
    heads, bodies = [], []

    def serve(peer, number):
        while head := peer.head():
            heads.append(head)
            reader = h11.Connection(h11.SERVER)
            reader.receive_data(head)
            body = b""
            while not isinstance(event := reader.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    reader.receive_data(peer.part())
                elif isinstance(event, h11.Data):
                    body += event.data
            bodies.append(body)
            peer.send(OK)

    async def use(client):
        url = f"http://127.0.0.1:{port}/"
        await client.post(url, content=parts(3))
        await client.post(url, content=parts(2), headers={"Content-Length": "2000"})
        await client.post(url, content=b"x", headers={"Transfer-Encoding": "chunked"})

    with speaking(serve) as port:
        run(use)
    assert bodies == [b"0" * 1000 + b"1" * 1000 + b"2" * 1000, b"0" * 1000 + b"1" * 1000, b"x"]
    assert [b"chunked" in head for head in heads] == [True, False, True]


@pytest.mark.parametrize("length", ["1999", "2001", "0"])
def test_a_body_of_another_length_than_stated_is_an_error_of_the_caller(length):
    async def use(client):
        with pytest.raises(httpx2.LocalProtocolError, match="Content-Length"):
            await client.post(f"http://127.0.0.1:{port}/", content=parts(2), headers={"Content-Length": length})

    def serve(peer, _):
        while peer.part():
            pass

    with speaking(serve) as port:
        run(use)


@pytest.mark.parametrize(
    "wrong",
    [
        {"headers": {"X": "a\r\nEvil: 1"}},
        {"headers": {"X": "a\nEvil: 1"}},
        {"headers": {"X": "a\x00"}},
        {"headers": {"X": " a"}},
        {"headers": {"X Y": "a"}},
        {"headers": {"": "a"}},
        {"headers": {"Content-Length": "x"}, "content": b"1"},
        {"headers": [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")], "content": b"1"},
        {"headers": [("Content-Length", "1"), ("Content-Length", "2")], "content": b"1"},
        {"method": "GE T"},
        {"method": "GET / HTTP/1.1\r\nEvil: 1\r\n\r\n"},
        {"extensions": {"target": b"/a b"}},
        {"extensions": {"target": b"/a\r\nEvil: 1"}},
    ],
)
def test_nothing_can_be_smuggled_into_a_request(wrong):
    serve, seen = answering(OK)

    async def use(client):
        with pytest.raises(httpx2.LocalProtocolError):
            await client.request(**{"method": "GET", "url": f"http://127.0.0.1:{port}/", **wrong})

    with speaking(serve) as port:
        run(use)
    assert not seen


@pytest.mark.parametrize("is_made", [True, False])
def test_a_body_in_chunks_has_no_length_as_well(is_made):
    headers = {"Transfer-Encoding": "chunked", "Content-Length": "3"}

    async def made():
        yield b"abc"

    async def use(client):
        content = made() if is_made else b"abc"
        return await client.post(f"http://127.0.0.1:{port}/", headers=headers, content=content)

    def serve(peer, _):
        seen.append(peer.head())
        for part in iter(peer.part, b""):
            seen[0] += part
            if seen[0].endswith(b"0\r\n\r\n"):
                peer.send(OK)

    seen = []
    with speaking(serve) as port:
        assert run(use).status_code == 200
    assert b"content-length" not in seen[0].lower()
    assert seen[0].endswith(b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")


@pytest.mark.parametrize("is_made", [True, False])
def test_an_answer_that_refuses_the_body_is_got_before_all_of_it_was_sent(is_made):
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig"
    ended = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield bytes(100_000)
                await asyncio.sleep(0)
        finally:
            ended.append(True)

    def serve(peer, _):
        peer.connection.recv(10)
        peer.send(refusal)

    async def use(client):
        content = endless() if is_made else bytes(50_000_000)
        response = await client.post(f"http://127.0.0.1:{port}/", content=content)
        return response.status_code, response.content

    with speaking(serve) as port:
        for _ in range(5):
            assert run(use) == (413, b"big")
    assert len(ended) == (5 if is_made else 0)


def test_an_answer_that_accepts_the_body_early_leaves_it_to_be_sent():
    had = []

    def serve(peer, _):
        peer.head()
        peer.send(OK)
        while b"0\r\n\r\n" not in b"".join(had):
            had.append(peer.part())
        if b"GET" in had[-1] or peer.head():
            peer.send(OK)

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(5):
            await asyncio.sleep(0.02)
            yield b"part"

    async def use(client):
        url = f"http://127.0.0.1:{port}/"
        return [(await client.post(url, content=slowly())).content, (await client.get(url)).content]

    with speaking(serve) as port:
        assert run(use) == [b"{}", b"{}"]
    assert b"".join(had).count(b"part") == 5


def test_a_server_that_sends_faster_than_is_read_has_to_wait():
    sent = []

    def serve(peer, _):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(1000):
            peer.send(bytes(100_000))
            sent.append(100_000)

    async def use(client):
        size = 0
        async with client.stream("GET", f"http://127.0.0.1:{port}/") as response:
            iterator = response.aiter_raw()
            size += len(await anext(iterator))
            while not sent or sent[-1] != sum(sent):  # until it sends no more
                before = sum(sent)
                await asyncio.sleep(0.1)
                if before == sum(sent):
                    break
            waited_at = sum(sent)
            async for part in iterator:
                size += len(part)
        return waited_at, size

    with speaking(serve) as port:
        waited_at, size = run(use)
    assert waited_at < 30_000_000  # in the buffers of both systems
    assert size == 100_000_000


def test_a_body_is_made_no_faster_than_the_server_takes_it_and_that_has_a_time_out():
    made = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            made.append(100_000)
            yield bytes(100_000)

    async def use(client):
        with pytest.raises(httpx2.WriteTimeout):
            await client.post(f"http://127.0.0.1:{port}/", content=endless(), timeout=httpx2.Timeout(9, write=0.2))
        done.set()

    done = threading.Event()
    with speaking(lambda peer, _: done.wait(9)) as port:
        run(use)
    assert sum(made) < 30_000_000


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
def test_a_server_that_falls_silent_is_a_read_time_out(start):
    def serve(peer, _):
        peer.request()
        peer.send(start)
        peer.head()

    async def use(client):
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(httpx2.ReadTimeout):
                await client.get(f"http://127.0.0.1:{port}/", timeout=0.2)
            assert 0.15 < time.monotonic() - began < 3

    with speaking(serve) as port:
        run(use)


def test_a_connection_that_was_closed_while_the_loop_was_blocked_is_not_used():
    serve, seen = answering(OK)

    def once(peer, number):
        serve(peer, number) if number else (peer.request(), seen.append((0, b"")), peer.send(OK))

    async def use(client):
        url = f"http://127.0.0.1:{port}/"
        await client.post(url)
        time.sleep(0.1)
        return (await client.post(url)).status_code

    with speaking(once) as port:
        assert run(use) == 200
    assert [number for number, _ in seen] == [0, 1]


def test_what_comes_without_being_asked_for_ends_an_idle_connection():
    def serve(peer, number):
        peer.request()
        peer.send(OK)
        if not number:
            time.sleep(0.05)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
        elif peer.request():
            peer.send(OK)

    async def use(client):
        url = f"http://127.0.0.1:{port}/"
        await client.get(url)
        await asyncio.sleep(0.2)
        return (await client.get(url)).content

    with speaking(serve) as port:
        assert run(use) == b"{}"


def test_idle_connections_are_few_and_closed_after_a_while(monkeypatch):
    monkeypatch.setattr(engine, "_IDLE_SECONDS", 0.1)
    monkeypatch.setattr(engine, "_MAX_IDLE", 2)
    together, ended = threading.Barrier(5), []

    def serve(peer, _):
        peer.request()
        together.wait(5)
        peer.send(OK)
        assert not peer.head()
        ended.append(time.monotonic())

    async def use(client):
        url = f"http://127.0.0.1:{port}/"
        began = time.monotonic()
        await asyncio.gather(*(client.get(url) for _ in range(5)))
        while len(ended) < 5:
            await asyncio.sleep(0.01)
        return [each - began for each in sorted(ended)]

    with speaking(serve) as port:
        times = run(use)
    assert times[3] > 0.08  # two were kept


def test_a_connection_to_a_name_is_used_for_half_a_minute_and_one_to_an_address_for_longer(monkeypatch):
    assert engine._MAX_AGE == 30
    assert engine._route("http", b"billing", 80, None, None).max_age == 30
    assert engine._route("http", b"127.0.0.1", 80, None, None).max_age is None
    monkeypatch.setattr(engine, "_MAX_AGE", 0.1)
    monkeypatch.setattr(engine, "is_address", lambda host: False)
    engine._route.cache_clear()
    serve, seen = answering(OK, OK, OK)

    async def use(client):
        url = f"http://127.0.0.1:{port}/"
        await client.get(url)
        await client.get(url)
        await asyncio.sleep(0.15)
        await client.get(url)  # after which it is not kept
        await client.get(url)

    with speaking(serve) as port:
        run(use)
    engine._route.cache_clear()
    assert [number for number, _ in seen] == [0, 0, 0, 1]


def test_a_client_works_in_one_loop_after_another_and_in_a_forked_child():
    serve, seen = answering(*[OK] * 9)
    transport = EngineTransport(no_tls)

    async def use():
        client = httpx2.AsyncClient(transport=transport)
        return (await client.get(f"http://127.0.0.1:{port}/")).status_code

    def child():
        assert asyncio.run(use()) == 200

    with speaking(serve) as port, asyncio.Runner() as first:
        assert first.run(use()) == 200
        with asyncio.Runner() as second:
            assert second.run(use()) == 200
            second.run(transport.aclose())
        assert first.run(use()) == 200
        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        process.join(10)
        assert process.exitcode == 0
        assert first.run(use()) == 200
        first.run(transport.aclose())
    assert [number for number, _ in seen] == [0, 1, 0, 2, 0]  # the parent's connection is the parent's


def test_many_requests_at_a_time_leave_each_other_alone():
    def serve(peer, _):
        while request := peer.request():
            path = request.split()[1]
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))

    async def ask(client, number):
        for turn in range(10):
            response = await client.get(f"http://127.0.0.1:{port}/{number}/{turn}")
            assert response.content == b"/%d/%d" % (number, turn)

    async def use(client):
        await asyncio.gather(*(ask(client, number) for number in range(40)))

    with speaking(serve) as port:
        run(use)


def test_a_name_has_one_time_to_connect_whatever_the_number_of_its_addresses(monkeypatch):
    addresses = [(2, 1, 6, "", (f"127.0.0.{number}", 1)) for number in range(1, 6)]

    async def look_up(self, *args, **kwargs):
        return addresses

    async def connect(self, *args):
        await asyncio.sleep(60)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", look_up)
    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", connect)

    async def use(client):
        began = time.monotonic()
        with pytest.raises(httpx2.ConnectTimeout):
            await client.get("http://billing.example/", timeout=httpx2.Timeout(9, connect=0.4))
        return time.monotonic() - began

    assert 0.3 < run(use) < 3


# TLS, proxies, and what is httpx2's own


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def of_server(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def of_client(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def over_tls(authority, answers):
    """Serves over TLS."""
    serve, seen = answering(*answers)
    context = of_server(authority)

    def handshake(peer, number):
        peer.begin_tls(context)
        serve(peer, number)

    return handshake, seen


def test_a_large_answer_comes_over_tls_and_its_connection_serves_again(authority):
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000)
    serve, seen = over_tls(authority, [large, OK])

    async def use(client):
        url = f"https://localhost:{port}/"
        return len((await client.get(url)).content), (await client.post(url, content=bytes(9))).content

    with speaking(serve) as port:
        assert run(use, lambda: of_client(authority)) == (3_000_000, b"{}")
    assert [number for number, _ in seen] == [0, 0]


def test_a_certificate_that_is_not_trusted_is_a_connect_error_whose_cause_says_why(authority):
    async def use(client):
        with pytest.raises(httpx2.ConnectError) as caught:
            await client.get(f"https://localhost:{port}/")
        return caught.value.__cause__

    with speaking(over_tls(authority, [OK])[0]) as port:
        assert isinstance(run(use, ssl.create_default_context), ssl.SSLCertVerificationError)


def through(proxy, use, authority):
    """What `use` returns for a client whose requests go through a proxy."""

    async def begin():
        connections = Connections(proxy, lambda: of_client(authority))
        async with httpx2.AsyncClient(transport=connections._engine, timeout=5) as client:
            return await use(client)

    return asyncio.run(begin())


def test_tls_goes_through_a_tunnel_of_the_proxy_that_serves_again(authority):
    heads = []

    def proxy(peer, number):
        heads.append(peer.head())
        peer.send(b"HTTP/1.1 200 Connected\r\nContent-Length: 7\r\n\r\n")
        tunnel(peer, port)

    async def use(client):
        return [(await client.get(f"https://localhost:{port}/")).status_code for _ in range(2)]

    serve, seen = over_tls(authority, [OK, OK])
    with speaking(serve) as port, speaking(proxy) as at:
        assert through(f"http://me:p%40ss@127.0.0.1:{at}", use, authority) == [200, 200]
    (head,) = heads
    assert head.startswith(f"CONNECT localhost:{port} HTTP/1.1\r\nHost: localhost:{port}\r\n".encode())
    assert b"\r\nProxy-Authorization: Basic bWU6cEBzcw==\r\n" in head
    assert b"Proxy-Authorization" not in seen[0][1]


@pytest.mark.parametrize("answer", [b"HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\nno!", b"", b"SSH-2.0\r\n\r\n"])
def test_a_proxy_that_opens_no_tunnel_is_an_error_and_nothing_is_sent_to_it(authority, answer):
    async def use(client):
        with pytest.raises(httpx2.TransportError) as caught:
            await client.get("https://localhost:1/", headers={"Authorization": "s3cret"})
        return caught.value

    got = []

    def serve(peer, _):
        got.append(peer.head())
        peer.send(answer)
        if answer:
            got.append(peer.head())

    with speaking(serve) as at:
        error = through(f"http://me:c4nary@127.0.0.1:{at}", use, authority)
    assert b"s3cret" not in b"".join(got)
    assert "c4nary" not in str(error)


def test_a_peer_that_leaves_before_tls_is_an_error_that_says_so():
    async def use(client):
        with pytest.raises(httpx2.ConnectError, match="ended before TLS"):
            await client.get(f"https://127.0.0.1:{port}/")

    with speaking(lambda peer, _: peer.part()) as port:
        run(use)


def test_a_plain_request_to_a_proxy_has_the_whole_url_and_the_proxy_s_login(authority):
    serve, seen = answering(OK)
    with speaking(serve) as at:
        url = "http://billing.invalid:81/x?a=b"
        assert through(f"http://me:pw@127.0.0.1:{at}", lambda client: client.get(url), authority).status_code == 200
    (_, asked) = seen[0]
    assert asked.startswith(b"GET http://billing.invalid:81/x?a=b HTTP/1.1\r\nHost: billing.invalid:81\r\n")
    assert b"\r\nProxy-Authorization: Basic bWU6cHc=\r\n" in asked


def test_a_web_socket_and_a_traced_request_go_through_httpx2_s_own_transport():
    def serve(peer, _):
        head = peer.request()
        if b"upgrade" in head.lower():
            peer.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
            peer.send(peer.part())
        else:
            peer.send(OK)

    async def use():
        connections = Connections(None, no_tls)
        request = httpx2.Request("GET", url, headers={"Upgrade": "echo", "Connection": "Upgrade"})
        transport = connections.transport_for(request)
        response = await transport.handle_async_request(request)
        stream = response.extensions["network_stream"]
        await stream.write(b"hello")
        assert await stream.read(100) == b"hello"
        await response.aclose()
        events = []

        async def trace(name, info):
            events.append(name)

        request = httpx2.Request("GET", url, extensions={"trace": trace})
        response = await connections.transport_for(request).handle_async_request(request)
        await response.aread()
        await connections.aclose()
        return events

    with speaking(serve) as port:
        url = f"http://127.0.0.1:{port}/"
        assert "connection.connect_tcp.started" in asyncio.run(use())


def test_a_request_that_is_cancelled_once_it_was_answered_leaves_the_connection_to_the_next_one():
    serve, seen = answering(OK, OK)

    async def use():
        loop, following = asyncio.get_running_loop(), []

        def idle(connection):
            if not following:
                first.cancel()
                following.append(loop.create_task(connection.request(b"GET /2 HTTP/1.1\r\n\r\n", Timeouts())))

        _, connection = await loop.create_connection(lambda: Connection(idle, lambda _: None), "127.0.0.1", port)
        first = loop.create_task(connection.request(b"GET /1 HTTP/1.1\r\n\r\n", Timeouts()))
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await following[0]).head.status == 200
        connection.abort()

    with speaking(serve) as port:
        asyncio.run(use())
    assert [number for number, _ in seen] == [0, 0]


def test_two_threads_forget_the_pools_of_ended_loops_at_a_time():
    shared = pools.Pools(no_tls, no_tls, idle_seconds=5, max_idle=5)
    meanwhile = []

    class Ended(asyncio.SelectorEventLoop):
        def is_closed(self):
            while meanwhile:
                meanwhile.pop()()
            return super().is_closed()

    async def begin():
        shared.current()

    def in_a_thread():
        thread = threading.Thread(target=asyncio.run, args=(begin(),))
        thread.start()
        thread.join()

    with asyncio.Runner(loop_factory=Ended) as runner:
        runner.run(begin())
    meanwhile.append(in_a_thread)
    asyncio.run(begin())
    assert not meanwhile


# the parser


def parsed(pieces):
    """What the reader makes of the pieces: the heads and the body, how it ended, and what is left."""
    buffer, found, body = bytearray(), [], b""
    reading = read_answer(buffer)
    for piece in pieces:
        buffer += piece
        try:
            for part in reading:
                if part is None:
                    break
                if isinstance(part, Head):
                    found.append((part.status, part.fields))
                else:
                    body += part
            else:
                return found, body, "ended"
        except MalformedError:
            return found, body, "failed"
    return found, body, "waits"


PARTS = [
    b"HTTP/1.1 ", b"HTTP/1.0 ", b"200 OK", b"100 Continue", b"204 N", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"0\r\n\r\n",
    b"Content-Length: ", b"2", b"99999999999999999999", b"-1", b"Transfer-Encoding: chunked\r\n", b"a", b"0", b";",
    b":", b"Connection: close\r\n", b"\x00", b"\xff", b" ", b"X: y\r\n",
]  # fmt: skip
ANSWERS = st.builds(
    lambda start, parts: start + b"".join(parts),
    st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]),
    st.lists(st.sampled_from(PARTS) | st.binary(max_size=3), max_size=20),
)


@given(ANSWERS, st.integers(1, 7))
def test_whatever_comes_in_whatever_pieces_is_an_answer_or_malformed(data, size):
    whole = parsed([data])
    pieces = parsed([data[start : start + size] for start in range(0, len(data), size)])
    assert pieces == whole or (whole[2], pieces[2]) == ("failed", "failed")


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        (b"X:%b\x00\r\n", "failed"),
        (b"X: y%b\x00\r\n", "failed"),
        (b"X: y\r\n z\r\nA: b%bc\r\n", "ended"),
        (b"X: y%b\r\n z\r\n", "ended"),
        (b"X: y\r\n%bz\r\n", "ended"),
    ],
)
def test_a_run_of_white_space_in_a_head_takes_no_longer_than_other_bytes(fields, end):
    began = time.process_time()
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + fields % (b" " * 50_000) + b"\r\n"
    assert parsed([data])[2] == end
    assert time.process_time() - began < 1


def by_h11(data):
    """The same of h11; None if it takes the data for no answer."""
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(data)
    found, body = [], b""
    try:
        while True:
            event = reader.next_event()
            if isinstance(event, h11.Response):
                found.append((event.status_code, event.headers.raw_items()))
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return found, body, "ended"
            elif event is h11.NEED_DATA or event is h11.PAUSED:
                return found, body, "waits"
    except h11.RemoteProtocolError:
        return None


@given(ANSWERS)
def test_what_h11_takes_for_an_answer_is_the_same_one_here(data):
    theirs = by_h11(data)
    if theirs is not None and theirs[2] == "ended":
        assert parsed([data]) == theirs


@given(
    st.lists(st.tuples(st.from_regex(rb"[A-Za-z-]{1,9}", fullmatch=True), st.binary(max_size=9)), max_size=4),
    st.binary(max_size=9),
)
def test_a_request_is_what_h11_reads_or_is_refused(fields, target):
    fields = [(b"Host", b"a"), *[each for each in fields if each[0].lower() not in {b"host", b"content-length"}]]
    try:
        framing(fields)
        head = head_of(b"POST", b"/" + target, fields)
    except RequestError:
        return
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(head)
    try:
        event = reader.next_event()
    except h11.RemoteProtocolError:
        assert any(byte > 126 for byte in target)  # which h11 refuses here
        return
    assert isinstance(event, h11.Request)
    assert (event.target, event.headers.raw_items()) == (b"/" + target, fields)


def test_a_pool_is_closed_while_a_connection_is_opened():
    async def use():
        pool = pools.Pool(no_tls, no_tls, 5, 5, asyncio.get_running_loop())
        route = engine._route("http", b"127.0.0.1", port, None, None)
        opening = asyncio.create_task(pool.connect(route))
        await asyncio.sleep(0)
        pool.close()
        connection = await opening
        return connection.transport.is_closing()

    with speaking(lambda peer, _: peer.head()) as port:
        assert asyncio.run(use())
