"""Connecting takes no longer than its limits, however many addresses a host has and however slowly they are found."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import ExitStack, closing, contextmanager

import httpx2
import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter

from architect_core.deadline import deadline
from architect_core.resolver import Resolver

HOST = "many.example"


@contextmanager
def taking(least, most):
    began = time.monotonic()
    yield
    assert least <= time.monotonic() - began < most


@pytest.fixture(scope="module")
def unanswering():
    """Five addresses that answer no connection, as their queues are full; returns their port."""
    with ExitStack() as stack:
        port = 0
        for number in range(5):
            address = f"127.0.0.{number + 1}"
            listener = stack.enter_context(socket.socket())
            listener.bind((address, port))
            port = listener.getsockname()[1]
            listener.listen(0)
            for _ in range(3):
                filler = stack.enter_context(closing(socket.socket()))
                filler.setblocking(False)
                filler.connect_ex((address, port))
        time.sleep(0.05)
        yield port


@pytest.fixture
def names(monkeypatch):
    """The addresses of `HOST`, and an event that a look-up of it waits for."""
    addresses, found, real = [], threading.Event(), socket.getaddrinfo
    asked = []

    def look_up(host, port, *args, **named):
        if host not in {HOST, HOST.encode()}:
            return real(host, port, *args, **named)
        asked.append(host)
        found.wait(20)
        return [each for address in addresses for each in real(address, port, *args, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    names = type("Names", (), {"addresses": addresses, "found": found, "asked": asked})
    found.set()
    yield names
    found.set()


FIVE = [f"127.0.0.{number}" for number in range(1, 6)]


@pytest.mark.parametrize("limit", ["connect_timeout", "deadline", "timeout", "total_timeout"])
def test_five_addresses_that_do_not_answer_share_every_limit(unanswering, names, resolve, limit):
    names.addresses.extend(FIVE)
    options = {"retries": 0} | ({limit: 0.5} if limit.startswith(("connect", "total")) else {})
    client = resolve(host=HOST, port=unanswering, options=options)
    more = {"timeout": (0.5, 9)} if limit == "timeout" else {}
    with deadline(0.5 if limit == "deadline" else 60), taking(0.4, 2), pytest.raises(requests.ConnectTimeout):
        client.get("/x", **more)


def test_each_address_is_tried_within_the_limit(start, unanswering, names, resolve):
    names.addresses.extend([*FIVE[1:], "127.0.0.6"])
    with socket.create_server(("127.0.0.6", unanswering)) as listener:
        client = resolve(host=HOST, port=unanswering, options={"connect_timeout": 0.8, "retries": 0, "read_timeout": 9})

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with taking(0, 1.5):
            assert client.get("/x").status_code == 200
        thread.join()


def test_an_address_that_refuses_delays_nothing_and_all_that_refuse_are_one_error(start, names, resolve):
    server = start("works")
    names.addresses.extend(["127.0.0.9", "127.0.0.8", "127.0.0.1"])
    with taking(0, 0.2):
        assert resolve(host=HOST, port=server.port).get("/x").status_code == 200
    server.stop()
    with pytest.raises(requests.ConnectionError) as caught:
        resolve(host=HOST, port=server.port, options={"retries": 0}).get("/x")
    assert not isinstance(caught.value, requests.Timeout)
    assert "Failed to establish a new connection" in str(caught.value)


@pytest.mark.parametrize("limit", ["connect_timeout", "deadline"])
def test_a_slow_look_up_is_within_the_limits_and_shared_by_all_calls(start, names, resolve, limit):
    server = start("works")
    names.addresses.append("127.0.0.1")
    names.found.clear()
    options = {"retries": 0, "circuit_breaker": False} | (
        {"connect_timeout": 0.2} if limit == "connect_timeout" else {}
    )
    client = resolve(host=HOST, port=server.port, options=options)
    for _ in range(3):
        with deadline(0.2 if limit == "deadline" else 60), taking(0.1, 1.5), pytest.raises(requests.ConnectTimeout):
            client.get("/x")
    assert len(names.asked) == 1
    assert len([each for each in threading.enumerate() if each.name == "architect-dns"]) == 1
    names.found.set()
    assert client.get("/x").status_code == 200
    assert not [each for each in threading.enumerate() if each.name == "architect-dns"]


def test_a_name_without_an_address_is_a_connection_error(names, resolve):
    assert names.addresses == []
    with pytest.raises(requests.ConnectionError, match="no address"):
        resolve(host=HOST, port=80, options={"retries": 0}).get("/x")


def test_a_name_that_does_not_exist_is_a_connection_error(resolve):
    with pytest.raises(requests.ConnectionError, match="Failed to resolve"):
        resolve(host="nowhere.invalid", port=1, options={"retries": 0}).get("/x")


@pytest.mark.parametrize("host", [HOST, "127.0.0.1", "localhost"])
def test_the_limit_to_connect_includes_the_tls_handshake(start, names, resolve, host):
    names.addresses.append("127.0.0.1")
    options = {"connect_timeout": 0.4, "read_timeout": 9, "retries": 0}
    client = resolve(host=f"https://{host}", port=start("hangs").port, options=options)
    with taking(0.3, 2), pytest.raises(requests.RequestException):
        client.get("/x")


@pytest.mark.parametrize("kind", ["hangs", "drips", "works"])
def test_a_proxy_and_the_tls_handshake_behind_it_are_within_the_limits(start, resolve, monkeypatch, kind):
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{start(kind).port}")
    client = resolve(host="https://billing.example", port=443, options={"read_timeout": 9, "retries": 0})
    with deadline(0.5), taking(0, 2), pytest.raises(requests.RequestException):
        client.get("/x")


def test_a_mounted_adapter_connects_within_the_limits(unanswering, names, resolve):
    names.addresses.extend(FIVE)
    client = resolve(host=HOST, port=unanswering)
    client.mount("http://", HTTPAdapter())
    with deadline(0.5), taking(0.4, 2), pytest.raises(requests.ConnectTimeout):
        client.get("/x")


def test_what_a_test_puts_in_place_of_urllib3_s_connecting_is_used(start, resolve, monkeypatch):
    server, real, asked = start("works"), urllib3.util.connection.create_connection, []

    def elsewhere(address, *args, **named):
        asked.append(address)
        return real(("127.0.0.1", server.port), *args, **named)

    monkeypatch.setattr(urllib3.util.connection, "create_connection", elsewhere)
    assert resolve(host=HOST, port=80).get("/x").status_code == 200
    assert asked == [(HOST, 80)]


def test_an_option_of_the_socket_and_its_own_address_are_kept(start, names, resolve):
    class Bound(HTTPAdapter):
        def init_poolmanager(self, *args, **named):
            options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
            super().init_poolmanager(*args, source_address=("127.0.0.7", 0), socket_options=options, **named)

    names.addresses.append("127.0.0.1")
    server = start("works")
    client = resolve(host=HOST, port=server.port)
    client.mount("http://", Bound())
    with client.get("/x", stream=True) as response:
        sock = response.raw.connection.sock
        assert sock.getsockname()[0] == "127.0.0.7"
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def aio_get(port, limit, **options):
    """The name of the error of a call in an event loop of its own."""
    entry = {"api": "rest", "host": HOST, "port": port, "options": {"retries": 0, **options}}
    service = Resolver({"acme/billing": entry}).service("acme/billing")

    async def get():
        with deadline(limit):
            try:
                return (await service.aio.client.get("/x")).status_code
            except Exception as problem:
                return type(problem).__name__

    return asyncio.run(get())


@pytest.mark.parametrize(
    ("limit", "options"), [(0.5, {}), (60, {"connect_timeout": 0.5}), (60, {"total_timeout": 0.5})]
)
def test_asyncio_five_addresses_that_do_not_answer_share_every_limit(unanswering, names, limit, options):
    names.addresses.extend(FIVE)
    with taking(0.4, 2):
        assert aio_get(unanswering, limit, **options) in {"ConnectTimeout", "ReadTimeout", "DeadlineError"}


def test_asyncio_a_slow_look_up_is_within_the_limits(start, names):
    names.addresses.append("127.0.0.1")
    names.found.clear()
    threading.Timer(1.5, names.found.set).start()
    began = time.monotonic()
    entry = {"api": "rest", "host": HOST, "port": start("works").port, "options": {"retries": 0}}
    service = Resolver({"acme/billing": entry}).service("acme/billing")

    async def get():
        with deadline(0.3), pytest.raises(httpx2.TimeoutException):
            await service.aio.client.get("/x")
        return time.monotonic() - began

    assert asyncio.run(get()) < 1.2
