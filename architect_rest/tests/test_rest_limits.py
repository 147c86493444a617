"""No call takes longer than its limits, whatever it is made of and whatever it is sent through."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
import trustme
from requests.adapters import HTTPAdapter
from requests.auth import HTTPDigestAuth

from architect_core.deadline import deadline, remaining
from architect_rest import DeadlineError

SIZE = 20_000_000  # bytes, more than the sockets of both sides hold


@contextmanager
def taking(least: float, most: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert least <= time.monotonic() - began < most


def generated() -> Iterator[bytes]:
    for _ in range(SIZE // 10_000):
        yield bytes(10_000)


class File(io.BytesIO):
    """A body that requests sends part by part, and can send again."""


class Endless:
    """A file without a length."""

    def read(self, size: int = -1) -> bytes:
        return bytes(10_000)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.read, b"")


BODIES: dict[str, Callable[[], Any]] = {
    "bytes": lambda: bytes(SIZE),
    "a file": lambda: File(bytes(SIZE)),
    "a generator": generated,
    "an endless file": Endless,
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    authority, folder = trustme.CA(), tmp_path_factory.mktemp("tls")
    authority.cert_pem.write_to_path(str(folder / "ca.crt"))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    return folder


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_read_timeout_bounds_sending(start, resolve, certificate, scheme, body):
    server = start("reads-slowly", str(certificate / "server.pem") if scheme == "https" else "")
    options = {"read_timeout": 0.4, "retries": 0, "tls": {"ca": str(certificate / "ca.crt")}}
    client = resolve(host=f"{scheme}://127.0.0.1", port=server.port, options=options)
    with taking(0.3, 2), pytest.raises(requests.ConnectionError):
        client.put("/x", data=BODIES[body]())


@pytest.mark.parametrize("limit", ["timeout", "total_timeout", "deadline"])
def test_every_limit_bounds_sending(start, resolve, limit):
    options = {"retries": 0} | ({"total_timeout": 0.4} if limit == "total_timeout" else {})
    client = resolve(host="127.0.0.1", port=start("reads-slowly").port, options=options)
    more = {"timeout": 0.4} if limit == "timeout" else {}
    with deadline(0.4 if limit == "deadline" else 60), taking(0.3, 2), pytest.raises(requests.ConnectionError):
        client.put("/x", data=generated(), **more)


def test_sending_and_reading_share_the_read_timeout(start, resolve):
    def slowly():
        for _ in range(4):
            yield b"x"
            time.sleep(0.1)

    client = resolve(host="127.0.0.1", port=start("hangs").port, options={"read_timeout": 0.6, "retries": 0})
    with taking(0.5, 0.95), pytest.raises(requests.ReadTimeout):
        client.put("/x", data=slowly())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", ["challenges-dripping", "redirects-dripping", "drips"])
def test_no_answer_on_the_way_outlasts_the_total_timeout(start, resolve, kind, stream):
    client = resolve(host="127.0.0.1", port=start(kind).port, options={"total_timeout": 0.4, "retries": 0})
    with taking(0, 2):
        try:
            client.get("/x", auth=HTTPDigestAuth("a", "b"), stream=stream)
        except requests.RequestException:
            pass
        else:
            assert (kind, stream) == ("drips", True)


def test_a_streamed_answer_is_not_limited_once_the_caller_has_it(start, resolve):
    with resolve(host="127.0.0.1", port=start("drips").port, options={"total_timeout": 0.3}).get(
        "/x", stream=True
    ) as response:
        assert len(response.raw.read(12)) == 12


@pytest.mark.parametrize("inner", ["same", "other"])
def test_a_body_that_calls_another_client_leaves_the_limits_of_its_own_call(start, server, resolve, inner):
    hangs = start("hangs")
    client = resolve(host="127.0.0.1", port=hangs.port, options={"total_timeout": 0.5, "read_timeout": 5, "retries": 0})
    other = resolve(host="127.0.0.1", port=server.port)

    def body():
        assert 0 < remaining() <= 0.5
        yield b"a"
        assert (client if inner == "same" else other).get(f"{server.url}/x" if inner == "other" else "/x")
        yield b"b"

    with taking(0.4, 2), pytest.raises(requests.RequestException):
        client.post("/x", data=body())
    assert remaining() is None


def test_a_call_within_a_body_ends_with_the_call_that_sends_it(start, resolve):
    outer = resolve(host="127.0.0.1", port=start("hangs").port, options={"total_timeout": 0.4, "retries": 0})
    inner = resolve(host="127.0.0.1", port=start("hangs").port)

    def body():
        yield b"a"
        inner.get("/x", timeout=10)

    with taking(0.3, 3), pytest.raises(requests.RequestException):
        outer.post("/x", data=body())


def test_a_body_s_call_does_not_take_its_caller_s_header_or_instance(start, server, other, resolve):
    instances = [{"host": "127.0.0.1", "port": each.port} for each in (server, other)]
    client, third = resolve(instances=instances), resolve(host="127.0.0.1", port=start("works").port)

    def body():
        yield b"a"
        third.get("/x")
        yield b"b"

    for _ in range(4):
        assert client.post("/x", data=body()).json()["headers"]["x-envoy-expected-rq-timeout-ms"]


class Counting(HTTPAdapter):
    """Another adapter."""

    sent = 0

    def send(self, *args: Any, **named: Any) -> requests.Response:
        self.sent += 1
        return super().send(*args, **named)


@pytest.mark.parametrize("kind", ["hangs", "drips", "reads-slowly", "redirects-dripping"])
@pytest.mark.parametrize("limit", ["total_timeout", "deadline", "timeout"])
def test_a_mounted_adapter_keeps_every_limit(start, resolve, kind, limit):
    options = {"total_timeout": 0.4} if limit == "total_timeout" else {}
    client = resolve(host="127.0.0.1", port=start(kind).port, options=options)
    adapter = Counting()
    client.mount("http://", adapter)
    more = {"timeout": 0.4} if limit == "timeout" else {}
    with deadline(0.4 if limit == "deadline" else 60), taking(0.3, 2), pytest.raises(requests.RequestException):
        client.put("/x", data=generated() if kind == "reads-slowly" else b"1", **more)
    assert adapter.sent == 1


def test_a_mounted_adapter_gets_nothing_to_send_once_no_time_is_left(server, resolve):
    client = resolve(host="127.0.0.1", port=server.port)
    client.mount("http://", Counting())
    with deadline(0), pytest.raises(DeadlineError):
        client.get("/x")
    assert not server.asked


def test_a_mounted_adapter_streams_as_long_as_it_comes(start, resolve):
    client = resolve(host="127.0.0.1", port=start("drips").port, options={"read_timeout": 0.3, "total_timeout": 0.3})
    client.mount("http://", HTTPAdapter())
    with client.get("/x", stream=True) as response:
        assert len(response.raw.read(12)) == 12


def test_an_adapter_that_a_plain_session_has_too_is_as_before_there(start, resolve):
    adapter, drips = HTTPAdapter(), start("drips")
    client = resolve(host="127.0.0.1", port=drips.port)
    client.mount("http://", adapter)
    with pytest.raises(requests.RequestException):
        client.get("/x", timeout=0.2)
    with requests.Session() as session:
        session.mount("http://", adapter)
        with session.get(f"http://127.0.0.1:{drips.port}/x", timeout=0.3, stream=True) as response:
            assert len(response.raw.read(12)) == 12


def test_an_adapter_of_another_prefix_is_no_matter_for_the_service(server, resolve):
    client = resolve(host="127.0.0.1", port=server.port)
    client.mount("http://other.example/", Counting())
    assert client.get("/x").status_code == 200
    done = threading.Event()
    with deadline(5):
        assert client.get("/x").json()["headers"]["x-envoy-expected-rq-timeout-ms"]
    assert not done.is_set()
