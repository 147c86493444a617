"""What a test puts in place of urllib3's classes, of `http.client` or of sockets is in our client, too."""

from __future__ import annotations

import asyncio
import http.client
import io
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import requests
import trustme
import urllib3
import vcr
from mocket import Mocketizer
from mocket.mocks.mockhttp import Entry
from urllib3.connection import HTTPConnection

from architect_core.deadline import deadline
from architect_core.resolver import Resolver
from architect_rest import RestClient

recorder = vcr.VCR(match_on=["method", "uri", "body"])


@pytest.fixture
def cassette(tmp_path):
    return tmp_path / "cassette.yaml"


@pytest.fixture
def authority(tmp_path):
    """The files of a certificate authority, and of a server that it trusts."""
    authority, ca, server = trustme.CA(), tmp_path / "ca.pem", tmp_path / "server.pem"
    authority.cert_pem.write_to_path(ca)
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(server)
    return SimpleNamespace(ca=str(ca), server=str(server))


def redirected(client):
    return [each.status_code for each in client.get("/x?status=302&to=/y").history]


CALLS = {
    "GET": lambda client: client.get("/x").json(),
    "POST": lambda client: client.post("/x", json={"a": 1}).json(),
    "a file": lambda client: client.post("/x", data=iter([b"a", b"b"])).status_code,
    "a streamed response": lambda client: list(client.get("/x", stream=True).iter_content(1_000_000)),
    "a redirect": redirected,
    "an error": lambda client: client.delete("/x?status=404").status_code,
}


@pytest.mark.parametrize("call", CALLS)
def test_vcrpy_records_a_call_and_plays_it_back(server, cassette, call):
    with RestClient(server.url) as client:
        with recorder.use_cassette(cassette) as recorded:
            live = CALLS[call](client)
            assert recorded.play_count == 0
            assert len(recorded) == len(server.asked)
        del server.asked[:]
        with recorder.use_cassette(cassette) as recorded:
            assert CALLS[call](client) == live
            assert recorded.all_played
            with pytest.raises(vcr.errors.CannotOverwriteExistingCassetteException):
                client.get("/another")
        assert server.asked == []


def test_vcrpy_plays_back_for_each_instance(start_server, cassette):
    servers = [start_server(), start_server()]
    with RestClient(servers[0].url, instances=[each.url for each in servers]) as client:
        with vcr.use_cassette(cassette, allow_playback_repeats=True, record_mode="new_episodes"):
            while not all(each.asked for each in servers):
                assert client.get("/x").ok
        asked = [len(each.asked) for each in servers]
        with vcr.use_cassette(cassette, allow_playback_repeats=True):
            assert [client.get("/x").status_code for _ in range(10)] == [200] * 10
        assert [len(each.asked) for each in servers] == asked


def test_vcrpy_plays_back_over_tls(start, cassette, authority):
    server = start("works", authority.server)
    with RestClient(f"https://localhost:{server.port}", ca=authority.ca) as client:
        with recorder.use_cassette(cassette):
            assert client.get("/x").text == "ok"
        server.stop()
        with recorder.use_cassette(cassette):
            assert client.get("/x").text == "ok"


def test_an_open_connection_is_no_way_around_a_cassette_and_a_cassette_s_connection_is_not_kept(server, cassette):
    with RestClient(server.url) as client:
        client.get("/x")
        for _ in range(2):
            with recorder.use_cassette(cassette):
                assert client.get("/x").ok
        assert len(server.asked) == 2
        assert client.get("/x").ok
        assert len(server.asked) == 3


def test_a_client_that_is_imported_while_vcrpy_records_is_not_bound_to_the_cassette(server, cassette):
    program = f"""
import vcr
with vcr.use_cassette({str(cassette)!r}):
    from architect_rest import RestClient
    clients = [RestClient({server.url!r}), RestClient({server.url!r})]
    clients[0].get("/x")
for client in clients:
    assert client.get("/x").ok
from architect_rest.sync.connections import TimedConnection
with clients[0].get("/x", stream=True) as response:
    assert isinstance(response.raw.connection, TimedConnection)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert len(server.asked) == 4


def test_vcrpy_records_a_call_from_a_coroutine_and_plays_it_back(server, cassette):
    pytest.importorskip("httpx2", reason="the extra aio is not installed")

    async def call():
        resolver = Resolver({"acme/billing": {"api": "rest", "host": server.url}})
        with recorder.use_cassette(cassette):
            return (await resolver.service("acme/billing").aio.client.post("/x", json={"a": 1})).json()

    live = asyncio.run(call())
    assert asyncio.run(call()) == live
    assert len(server.asked) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_class_of_urllib3_that_is_replaced_is_used_with_our_timeouts(
    start, monkeypatch, authority, scheme
):
    connected = []

    def replacement(known):
        class Connection(known):
            def connect(self):
                connected.append(self.port)
                super().connect()

        return Connection

    server = start("drips", authority.server if scheme == "https" else "")
    with RestClient(f"{scheme}://localhost:{server.port}", ca=authority.ca, retries=0) as client:
        for pool in (urllib3.HTTPConnectionPool, urllib3.HTTPSConnectionPool):
            monkeypatch.setattr(pool, "ConnectionCls", replacement(pool.ConnectionCls))
        began = time.monotonic()
        with pytest.raises(requests.ConnectionError, match="timed out"), deadline(0.2):
            client.get("/x")
        assert time.monotonic() - began < 2
    assert connected == [server.port]


def test_a_connection_class_that_sends_in_its_own_way_is_used_as_it_is(monkeypatch):
    sent = []

    class Connection(HTTPConnection):
        def connect(self):
            pass

        def send(self, data):
            sent.append(data)

        def getresponse(self):
            return urllib3.HTTPResponse(io.BytesIO(b"made up"), status=200, preload_content=False)

    with RestClient("http://billing") as client:
        monkeypatch.setattr(urllib3.HTTPConnectionPool, "ConnectionCls", Connection)
        assert client.get("/x").text == "made up"
    assert sent[0].startswith(b"GET /x HTTP/1.1\r\n")


def test_a_pool_class_of_urllib3_that_is_replaced_is_used(server, monkeypatch):
    asked = []

    class Pool(urllib3.HTTPConnectionPool):
        def urlopen(self, method, url, *args, **named):
            asked.append((method, url))
            return super().urlopen(method, url, *args, **named)

    with RestClient(server.url) as client:
        monkeypatch.setitem(urllib3.poolmanager.pool_classes_by_scheme, "http", Pool)
        assert client.get("/x").ok
        assert client.get("/y", proxies={"http": server.url}).ok
    assert asked == [("GET", "/x"), ("GET", f"{server.url}/y")]


@pytest.mark.parametrize("name", ["request", "putrequest", "putheader", "endheaders", "send", "getresponse", "connect"])
def test_a_method_of_http_client_that_is_replaced_is_called(server, monkeypatch, name):
    called = []
    known = getattr(http.client.HTTPConnection, name)
    if name in {"request", "connect", "getresponse"}:  # urllib3 has its own
        known = getattr(HTTPConnection, name)
        owner = HTTPConnection
    else:
        owner = http.client.HTTPConnection
    monkeypatch.setattr(owner, name, lambda self, *args, **named: called.append(name) or known(self, *args, **named))
    with RestClient(server.url) as client:
        assert client.post("/x", json={}).ok
    assert set(called) == {name}


def test_a_response_class_of_http_client_that_is_replaced_is_used(server, monkeypatch):
    class Response(http.client.HTTPResponse):
        def begin(self):
            super().begin()
            self.headers["X-Seen"] = "1"

    monkeypatch.setattr(http.client.HTTPConnection, "response_class", Response)
    with RestClient(server.url) as client:
        assert client.get("/x").headers["X-Seen"] == "1"


@pytest.mark.parametrize("stream", [False, True])
def test_mocket_answers_in_place_of_the_network(stream):
    Entry.single_register(Entry.GET, "http://billing.example/v1/x", body='{"a": 1}')
    with RestClient("http://billing.example/v1") as client, Mocketizer(strict_mode=True):
        for _ in range(2):
            with client.get("/x", stream=stream) as response:
                assert response.json() == {"a": 1}
