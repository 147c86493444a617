"""Calls through a SOCKS proxy, which runs in a process of its own."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
import trustme

from architect_core.deadline import deadline
from architect_core.resolver import Resolver
from architect_rest import RestClient


class SocksProxy:
    """A process of `socks_server.py`; `read()` returns what it prints for the next connection."""

    def __init__(self, *arguments):
        script = Path(__file__).with_name("socks_server.py")
        self._process = subprocess.Popen([sys.executable, script, *arguments], stdout=subprocess.PIPE, text=True)
        self.address = f"127.0.0.1:{self.read()}"

    def read(self):
        return self._process.stdout.readline().strip()

    def stop(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def proxies():
    """An open proxy, and one with a login, by their scheme-less URLs."""
    started = {"": SocksProxy(), "us er:p@ss": SocksProxy("us er:p@ss")}
    yield started
    for each in started.values():
        each.stop()


@pytest.fixture
def proxy(proxies):
    return proxies[""]


WAYS = {
    "the environment": lambda client, proxy, patch: patch.setenv("HTTP_PROXY", proxy) or {},
    "the environment, for all schemes": lambda client, proxy, patch: patch.setenv("ALL_PROXY", proxy) or {},
    "the session": lambda client, proxy, patch: client.proxies.update(http=proxy) or {},
    "the call": lambda client, proxy, patch: {"proxies": {"http": proxy}},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("scheme", "seen"),
    [
        ("socks5", "5 address 127.0.0.1"),
        ("socks5h", "5 name localhost"),
        ("socks4", "4 address 127.0.0.1"),
        ("socks4a", "4 name localhost"),
    ],
)
def test_a_call_goes_through_the_proxy(server, proxy, monkeypatch, scheme, seen, way):
    with RestClient(f"http://localhost:{server.port}/v1") as client:
        call = WAYS[way](client, f"{scheme}://{proxy.address}", monkeypatch)
        for body in ("1", "2"):
            answer = client.post("/x", data=body, **call).json()
            assert (answer["path"], answer["body"]) == ("/v1/x", body)
    assert proxy.read() == f"{seen}:{server.port}"  # once, because the connection is kept
    assert [each["connection"] for each in server.asked] == [server.asked[0]["connection"]] * 2


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_login_of_the_proxy_is_sent_to_it_and_to_nobody_else(server, proxies, scheme):
    proxy = proxies["us er:p@ss"]
    with RestClient(server.url) as client:
        client.proxies["http"] = f"{scheme}://us%20er:p%40ss@{proxy.address}"
        answer = client.get("/x").json()
        assert {"authorization", "proxy-authorization"}.isdisjoint(answer["headers"])
    assert proxy.read().endswith(f"{server.port} us er")


def test_a_user_of_socks4_is_sent(server, proxy):
    with RestClient(server.url) as client:
        client.proxies["http"] = f"socks4://me:unused@{proxy.address}"
        assert client.get("/x").ok
    assert proxy.read().endswith(f"{server.port} me")


@pytest.mark.parametrize("login", ["", "me:wrong@"])
def test_a_login_that_is_refused_is_the_error_of_requests_without_the_password(server, proxies, login):
    url = f"socks5h://{login}{proxies['us er:p@ss'].address}"
    with RestClient(server.url, retries=0) as ours, requests.Session() as theirs:
        with pytest.raises(requests.ConnectionError) as found:
            ours.get("/x", proxies={"http": url})
        with pytest.raises(requests.ConnectionError) as wanted:
            theirs.get(f"{server.url}/x", proxies={"http": url})
    assert type(found.value) is type(wanted.value)
    assert "wrong" not in str(found.value)
    assert server.asked == []


def test_a_service_that_the_proxy_cannot_reach_is_tried_again_because_nothing_was_sent(proxy):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with RestClient(f"http://127.0.0.1:{port}", retries=1) as client, pytest.raises(requests.ConnectionError):
        client.post("/x", json={}, proxies={"http": f"socks5://{proxy.address}"})
    assert [proxy.read(), proxy.read()] == [f"5 address 127.0.0.1:{port}"] * 2


def test_tls_is_spoken_with_the_service_behind_the_proxy(start, proxy, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    server = start("works", str(tmp_path / "server.pem"))
    with RestClient(f"https://localhost:{server.port}", ca=str(tmp_path / "ca.pem")) as client:
        client.proxies["https"] = f"socks5h://{proxy.address}"
        assert client.get("/x").text == "ok"
    assert proxy.read() == f"5 name localhost:{server.port}"


def test_a_deadline_ends_a_dripping_answer_through_the_proxy(start, proxy):
    server = start("drips", process=True)
    with RestClient(f"http://127.0.0.1:{server.port}", retries=0) as client:
        client.proxies["http"] = f"socks5://{proxy.address}"
        began = time.monotonic()
        with pytest.raises(requests.ConnectionError), deadline(0.3):
            client.get("/x")
        assert time.monotonic() - began < 2
    assert proxy.read()
    assert "x-envoy-expected-rq-timeout-ms" in server.stop()[0]


def test_instances_are_reached_through_the_proxy(start_server, proxy):
    servers = [start_server(), start_server()]
    with RestClient(servers[0].url, instances=[each.url for each in servers]) as client:
        client.proxies["http"] = f"socks5://{proxy.address}"
        while not all(each.asked for each in servers):
            assert client.get("/x").ok
    assert {proxy.read(), proxy.read()} == {f"5 address 127.0.0.1:{each.port}" for each in servers}


@pytest.mark.parametrize("login", ["", "us er:p@ss"])
def test_a_call_from_a_coroutine_goes_through_the_proxy(server, proxies, monkeypatch, login):
    pytest.importorskip("httpx2", reason="the extra aio is not installed")
    user = "us%20er:p%40ss@" if login else ""
    monkeypatch.setenv("ALL_PROXY", f"socks5h://{user}{proxies[login].address}")

    async def call():
        resolver = Resolver({"acme/billing": {"api": "rest", "host": f"http://localhost:{server.port}"}})
        return (await resolver.service("acme/billing").aio.client.get("/x")).json()

    assert asyncio.run(call())["path"] == "/x"
    assert proxies[login].read() == f"5 name localhost:{server.port} {login.partition(':')[0]}".rstrip()


def test_without_pysocks_the_error_says_what_is_missing_as_that_of_requests(server, monkeypatch):
    program = f"""
import sys
sys.modules["socks"] = None
import requests
from architect_core.resolver import Resolver
from architect_rest import RestClient
errors = []
for session, url in ((RestClient({server.url!r}), "/x"), (requests.Session(), {server.url!r} + "/x")):
    try:
        session.get(url, proxies={{"http": "socks5://127.0.0.1:9"}})
    except requests.exceptions.InvalidSchema as problem:
        errors.append(str(problem))
print(errors[0] == errors[1], errors[0])
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "True Missing dependencies for SOCKS support.\n"
    assert server.asked == []
