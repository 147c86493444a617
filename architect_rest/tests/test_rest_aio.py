"""`aio.client` is an `httpx2.AsyncClient` that is as safe as the synchronous client."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
import trustme
from faults import free_port

import architect.sdk as architect
from architect.testing import Doubles
from architect_core.deadline import deadline
from architect_core.exceptions import ArchitectError, ConfigError, PluginError
from architect_core.resolver import Resolver
from architect_rest.aio import (
    AioRestClient,
    AnswerTooLargeError,
    CircuitOpenError,
    DeadlineError,
    ForeignOriginError,
    PathParameterError,
    transport,
)
from architect_rest.doubles import UnansweredError
from architect_rest.policy.limits import REMAINING_HEADER
from architect_testing.tools.canary import assert_hidden
from architect_testing.tools.sockets import left_open, open_sockets

Use = Callable[[AioRestClient], Awaitable[Any]]


@pytest.fixture
def use():
    """Runs a coroutine function with the client of a service that has the given entry; returns its result."""

    def use_entry(use_client: Use, **entry: Any) -> Any:
        service = Resolver({"acme/billing": {"api": "rest", "host": "127.0.0.1", **entry}}).service("acme/billing")

        async def begin() -> Any:
            return await use_client(service.aio.client)

        return asyncio.run(begin())

    return use_entry


async def outcome(call: Awaitable[httpx2.Response]) -> Any:
    """The status of an answer, or the type of what was raised."""
    try:
        return (await call).status_code
    except (httpx2.HTTPError, httpx2.InvalidURL) as problem:
        return type(problem)


def test_it_is_an_httpx2_client_that_knows_its_base_url(server, use):
    async def call(client):
        assert isinstance(client, httpx2.AsyncClient)
        response = await client.post("invoices/7?a=1", params={"b": "2"}, json={"paid": True}, headers={"X-A": "1"})
        assert (response.status_code, response.http_version) == (200, "HTTP/1.1")
        assert 0 < response.elapsed.total_seconds() < 5
        return response.json()

    echo = use(call, host="http://127.0.0.1/v1/", port=server.port)
    assert (echo["method"], echo["path"]) == ("POST", "/v1/invoices/7?b=2")  # httpx2 has params replace a query
    assert echo["body"] == '{"paid":true}'


@pytest.mark.parametrize("method", ["get", "options", "head", "post", "put", "patch", "delete", "query"])
def test_each_method_fills_placeholders(method, server, use):
    async def call(client):
        response = await getattr(client, method)("/orders/:order_id/lines", path_params={"order_id": "a/b"})
        assert response.status_code in {200, 501}  # what the server makes of QUERY
        async with client.stream(method.upper(), "/orders/:id", path_params={"id": 1}) as streamed:
            await streamed.aread()
        async with client.sse("/orders/:id", path_params={"id": 2}):
            pass

    use(call, port=server.port)
    if method != "query":
        assert [each["path"] for each in server.asked] == ["/orders/a%2Fb/lines", "/orders/1", "/orders/2"]


def test_the_base_path_and_the_host_that_were_configured_are_what_is_asked(start, use):
    server = start("works")

    async def call(client):
        for url in ("/x", "x", "/x?a=1", f"http://127.0.0.1:{server.port}/v1/x"):
            assert (await client.get(url)).status_code == 200

    use(call, host="http://127.0.0.1/v1", port=server.port)
    asked = server.stop()
    assert [each.split()[1] for each in asked] == ["/v1/x", "/v1/x", "/v1/x?a=1", "/v1/x"]
    assert all(f"|Host: 127.0.0.1:{server.port}|" in each for each in asked)


def test_a_client_that_async_with_has_closed_is_made_anew(server):
    service = Resolver({"a": {"api": "rest", "host": "127.0.0.1", "port": server.port}}).service("a")

    async def call():
        for _ in range(2):
            async with service.aio.client as client:
                assert (await client.get("/x")).status_code == 200

    asyncio.run(call())


def test_a_path_with_a_colon_is_no_scheme(server, use):
    async def call(client):
        for url in ("urn:acme:7", "/a:b"):
            await client.get(url)

    use(call, port=server.port)
    assert [each["path"] for each in server.asked] == ["/urn:acme:7", "/a:b"]


@pytest.mark.parametrize(
    "url", ["http://evil.example/x", "https://127.0.0.1/x", "//evil.example/x", "\\\\evil\\x", "http:evil.example/x"]
)
def test_no_url_leads_elsewhere(url, start, use):
    server = start("works")

    async def call(client):
        for method in (client.get, client.delete):
            with pytest.raises(ForeignOriginError, match=r"another service\(\)"):
                await method(url)

    use(call, port=server.port)
    assert not server.stop()


# for those that never answer
ENDLESS = {"hangs", "drips", "endless-header"}
FAST = {"read_timeout": 0.1, "connect_timeout": 0.1, "total_timeout": 20}
# kind, its argument -> how a GET ends, how often it was asked; how a POST does
FAULTS: dict[str, tuple[str, str, Any, int, Any, int]] = {
    "resets before the request": ("resets-before", "", httpx2.TransportError, 0, httpx2.TransportError, 0),
    "resets after the request": ("resets", "", httpx2.TransportError, 3, httpx2.TransportError, 1),
    "resets once": ("resets-first", "", 200, 2, httpx2.TransportError, 1),
    "answers half": ("half", "", httpx2.RemoteProtocolError, 3, httpx2.RemoteProtocolError, 1),
    "hangs": ("hangs", "", httpx2.ReadTimeout, 3, httpx2.ReadTimeout, 1),
    "drips": ("drips", "", httpx2.ReadTimeout, 3, httpx2.ReadTimeout, 1),
    "is unavailable": ("unavailable", "", 503, 3, 503, 1),
    "is unavailable once": ("unavailable-first", "1", 200, 2, 503, 1),
    "asks for a long pause with Retry-After": ("unavailable", "3600", 503, 1, 503, 1),
    "does not understand": ("invalid", "", 400, 1, 400, 1),
    "has an endless header": ("endless-header", "", httpx2.TransportError, 3, httpx2.TransportError, 1),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that(fault, method, start, use):
    kind, argument, of_get, gets, of_post, posts = FAULTS[fault]
    server = start(kind, argument)

    async def call(client):
        began = time.monotonic()
        found = await outcome(client.request(method, "/x", content=b"10" if method == "POST" else None))
        return found, time.monotonic() - began

    found, taken = use(call, port=server.port, options=FAST if kind in ENDLESS else {})
    wanted, times = (of_get, gets) if method == "GET" else (of_post, posts)
    assert issubclass(found, wanted) if isinstance(wanted, type) else found == wanted
    assert len(server.wait(times)) == times
    if kind == "unavailable-first" and method == "GET":
        assert taken > 1  # as the server has asked


def test_what_was_not_sent_is_sent_again_whatever_the_method(start, use):
    port = free_port()

    async def call(client):
        posted = asyncio.create_task(client.post("/x", content=b"10"))
        await asyncio.sleep(0.2)
        await asyncio.to_thread(start, "works", "", port)
        return (await posted).status_code

    assert use(call, port=port, options={"retries": 10, "circuit_breaker": False}) == 200


def test_a_post_with_an_idempotency_key_is_sent_again_and_what_is_read_once_is_not(start, use):
    server = start("resets-first")

    async def with_key(client):
        return await outcome(client.post("/x", json={"amount": 10}, headers={"Idempotency-Key": "1"}))

    assert use(with_key, port=server.port) == 200
    assert len(server.stop()) == 2
    server = start("resets-first")

    async def parts() -> AsyncIterator[bytes]:
        yield b"a"

    async def put(client):
        return await outcome(client.put("/x", content=parts(), headers={"Content-Length": "1"}))

    assert issubclass(use(put, port=server.port), httpx2.TransportError)
    assert len(server.stop()) == 1


def test_nothing_is_sent_again_without_retries_or_with_another_transport(start, use):
    server = start("unavailable")
    assert use(lambda client: outcome(client.get("/x")), port=server.port, options={"retries": 0}) == 503

    async def with_own(client):
        client.send_through(httpx2.AsyncHTTPTransport())
        return await outcome(client.get("/x"))

    assert use(with_own, port=server.port) == 503
    assert len(server.stop()) == 2


@pytest.mark.parametrize(
    ("options", "stated", "least", "most"),
    [
        ({"total_timeout": 0.3}, {}, 0.25, 9),
        ({"read_timeout": 0.1, "connect_timeout": 0.1, "retries": 0}, {}, 0.08, 9),
        ({"retries": 0}, {"timeout": 0.1}, 0.08, 9),
        ({"retries": 0, "total_timeout": 0.1}, {"timeout": 0.3}, 0.25, 9),
    ],
)
def test_a_call_ends_in_time(options, stated, least, most, start, use):
    server = start("hangs")

    async def call(client):
        began = time.monotonic()
        found = await outcome(client.get("/x", **stated))
        return found, time.monotonic() - began

    found, taken = use(call, port=server.port, options=options)
    assert issubclass(found, httpx2.TimeoutException)
    assert least < taken < most


def test_a_call_ends_with_its_deadline_and_sends_the_remaining_time_to_the_server(start, use):
    server = start("hangs")

    async def call(client):
        began = time.monotonic()
        with deadline(0.3):
            found = await outcome(client.get("/x", timeout=None))
            assert await outcome(client.get("/x")) is DeadlineError
        return found, time.monotonic() - began

    found, taken = use(call, port=server.port)
    assert found is httpx2.ReadTimeout
    assert 0.25 < taken < 9  # it would wait for ever
    (asked,) = server.stop()
    (sent,) = [line for line in asked.split("|") if line.lower().startswith(REMAINING_HEADER)]
    assert 200 < int(sent.partition(":")[2]) < 300


def test_the_remaining_time_is_sent_to_the_server(start, use):
    server = start("works")

    async def call(client):
        response = await client.get("/x", headers={"X-Mine": "1"})
        assert REMAINING_HEADER not in response.request.headers

    use(call, port=server.port, options={"read_timeout": 2, "connect_timeout": 1})
    (asked,) = server.stop()
    (sent,) = [line for line in asked.split("|") if line.lower().startswith(REMAINING_HEADER)]
    assert 2900 < int(sent.partition(":")[2]) <= 3000


def test_a_streamed_answer_may_take_as_long_as_it_keeps_coming(start, use):
    server = start("drips")

    async def call(client):
        began, size = time.monotonic(), 0
        async with client.stream("GET", "/x") as response:
            async for part in response.aiter_bytes():
                size += len(part)
                if time.monotonic() - began > 0.6:
                    return size
        return 0

    assert use(call, port=server.port, options={"read_timeout": 0.3, "total_timeout": 0.4}) > 3


def test_a_compressed_response_above_the_limit_raises_an_error_unless_it_is_streamed(start, use):
    server = start("bomb", "20000000")

    async def call(client):
        assert await outcome(client.get("/x")) is AnswerTooLargeError
        async with client.stream("GET", "/x") as response:
            size = 0
            async for part in response.aiter_bytes():
                size += len(part)
        return size

    assert use(call, port=server.port, options={"max_answer_bytes": 1_000_000}) == 20_000_000


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_to_another_origin_gets_no_credentials(status, start, use, authority, tmp_path):
    elsewhere = start("works")
    server = start("redirects" if status == 302 else "redirects-307", f"http://127.0.0.1:{elsewhere.port}/y")

    async def call(client):
        client.cookies.set("session", "c00kie", domain="127.0.0.1")
        found = await outcome(client.post("/x", content=b"b0dy", follow_redirects=True))
        assert (await client.get("/x")).status_code == status  # httpx2 follows none by default
        return found

    found = use(call, port=server.port, options={"auth": {"bearer": "t0ken", "headers": {"X-Api-Key": "k3y"}}})
    assert found == (200 if status == 302 else ForeignOriginError)
    first = server.stop()[0]
    assert "Authorization: Bearer t0ken" in first
    assert "X-Api-Key: k3y" in first
    asked = "".join(elsewhere.stop())
    assert (asked == "") == (status == 307)
    assert not any(word in asked.lower() for word in ("authorization", "x-api-key", "cookie", "x-envoy", "b0dy"))


def test_a_redirect_back_from_another_origin_gets_no_credentials(start, use):
    own = start("works")
    elsewhere = start("redirects", f"http://127.0.0.1:{own.port}/admin")
    first = start("redirects", f"http://127.0.0.1:{elsewhere.port}/y")
    instances = [{"host": "127.0.0.1", "port": each.port} for each in (first, own)]

    async def call(client):
        client.cookies.set("session", "c00kie", domain="127.0.0.1")
        for _ in range(10):
            assert (await client.get("/x", follow_redirects=True)).status_code == 200

    use(call, instances=instances, options={"auth": {"bearer": "t0ken", "headers": {"X-Api-Key": "k3y"}}})
    back = [each for each in own.stop() if each.startswith("GET /admin ")]
    assert back
    assert not any(word in each for each in back for word in ("t0ken", "k3y", "c00kie"))


def test_a_hang_over_tls_is_a_time_out_like_any_other(start, use, authority, tmp_path):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    server = start("hangs", str(tmp_path / "server.pem"))
    options = {"tls": {"ca": str(tmp_path / "ca.crt")}, "read_timeout": 0.1, "connect_timeout": 0.2}

    async def call(client):
        assert await outcome(client.get("/x")) is httpx2.ReadTimeout
        for _ in range(4):
            await outcome(client.post("/x"))
        return await outcome(client.get("/x"))

    assert use(call, host="https://127.0.0.1", port=server.port, options=options) is CircuitOpenError
    assert len(server.stop()) == 7


@pytest.mark.parametrize("problem", [httpx2.ConnectError("of another service"), TimeoutError("of the body")])
def test_what_a_body_raises_is_no_fault_of_the_service(problem, start, use):
    server = start("works")

    async def body() -> AsyncIterator[bytes]:
        yield b"part"
        raise problem

    async def call(client):
        for _ in range(6):
            with pytest.raises(type(problem)) as caught:
                await client.post("/x", content=body(), timeout=None)
            assert caught.value is problem
        return await outcome(client.get("/x"))

    assert use(call, port=server.port, options={"total_timeout": None}) == 200


def test_a_connection_that_breaks_in_the_tls_handshake_is_retried_at_another_instance(start, use, authority, tmp_path):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    closing, server = start("closes-before"), start("works", str(tmp_path / "server.pem"))
    instances = [{"host": "https://127.0.0.1", "port": each.port} for each in (closing, server)]

    async def call(client):
        for _ in range(10):
            assert (await client.post("/x", content=b"1")).status_code == 200

    for _ in range(3):
        use(call, instances=instances, options={"tls": {"ca": str(tmp_path / "ca.crt")}})


def test_a_client_outlives_its_resolver(server):
    async def call():
        client = Resolver({"a": {"api": "rest", "host": "127.0.0.1", "port": server.port}}).service("a").aio.client
        gc.collect()
        await asyncio.sleep(0.01)
        return (await client.get("/x")).status_code

    assert asyncio.run(call()) == 200


def test_what_one_event_ends_counts_once(start, use):
    server = start("resets-first-dozen")

    async def call(client):
        found = await asyncio.gather(*(outcome(client.post("/x")) for _ in range(12)))
        assert all(issubclass(each, httpx2.TransportError) for each in found)
        return await outcome(client.get("/x"))

    assert use(call, port=server.port) == 200


def test_an_upload_that_was_not_begun_goes_to_another_instance(start, use):
    server = start("works")
    instances = [{"host": "127.0.0.1", "port": port} for port in (free_port(), server.port)]

    async def parts() -> AsyncIterator[bytes]:
        yield b"a"

    async def call(client):
        for _ in range(10):
            assert (await client.post("/x", files={"file": b"content"})).status_code == 200
            assert (await client.post("/x", content=parts())).status_code == 200

    for _ in range(3):
        use(call, instances=instances)


def test_a_client_that_is_closed_under_a_call_opens_no_more_connections(start):
    server = start("unavailable-first", "1")
    service = Resolver({"a": {"api": "rest", "host": "127.0.0.1", "port": server.port}}).service("a")

    async def call():
        calling = asyncio.create_task(service.aio.client.get("/x"))
        while not server.asked:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        await service.aio.close()
        with pytest.raises(RuntimeError, match="closed"):
            await calling

    asyncio.run(call())
    assert len(server.stop()) == 1


def test_a_streamed_call_s_way_to_its_answer_is_within_the_deadline(start, use):
    server = start("redirects-dripping")

    async def call(client):
        began = time.monotonic()
        with pytest.raises(httpx2.TimeoutException):
            async with client.stream("GET", "/x", follow_redirects=True):
                pass
        return time.monotonic() - began

    assert use(call, port=server.port, options={"total_timeout": 0.3, "retries": 0}) < 9


def test_a_redirect_to_another_instance_keeps_the_credentials(start, use):
    servers = [start("works"), start("works")]
    first = start("redirects", f"http://127.0.0.1:{servers[1].port}/y")
    instances = [{"host": "127.0.0.1", "port": each.port} for each in (first, servers[1])]

    async def call(client):
        for _ in range(20):
            assert (await client.get("/x", follow_redirects=True)).status_code == 200

    use(call, instances=instances, options={"auth": {"bearer": "t0ken"}})
    asked = servers[1].stop()
    assert any(each.startswith("GET /y ") for each in asked)
    assert all("Authorization: Bearer t0ken" in each for each in asked)


def test_an_instance_may_have_an_ipv6_address(start_server, use):
    servers = [start_server("::1"), start_server("127.0.0.1")]

    async def call(client):
        return {(await client.get("/x")).status_code for _ in range(20)}

    hosts = ["http://[::1]", "http://127.0.0.1"]
    instances = [{"host": host, "port": server.port} for host, server in zip(hosts, servers, strict=True)]
    assert use(call, instances=instances) == {200}
    assert all(server.asked for server in servers)
    assert all(each["headers"]["host"] == f"[::1]:{servers[0].port}" for each in servers[0].asked)


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ({"bearer": "t0ken"}, "Authorization: Bearer t0ken"),
        ({"username": "app", "password": "日"}, "Authorization: Basic YXBwOuaXpQ=="),
        ({"headers": {"X-Api-Key": "k3y"}}, "X-Api-Key: k3y"),
        ({"bearer": "tökén"}, "Authorization: Bearer tökén"),
        ({"headers": {"X-Api-Key": "kéy"}}, "X-Api-Key: kéy"),
    ],
)
def test_credentials_are_sent_unless_a_call_has_its_own(auth, header, start, use):
    server = start("works")

    async def call(client):
        await client.get("/x")
        await client.get("/x", headers={"Authorization": "mine"}, auth=None if "username" in auth else client.auth)

    use(call, port=server.port, options={"auth": auth})
    first, second = server.stop()
    assert header in first
    assert "Authorization: mine" in second


@pytest.mark.parametrize("of_host", [True, False])
def test_a_login_of_any_language_is_sent_in_utf_8_by_all_clients(of_host, start, use, resolve):
    server = start("works")
    login = {} if of_host else {"options": {"auth": {"username": "app", "password": "日é"}}}
    entry = {"host": "http://app:日é@127.0.0.1" if of_host else "127.0.0.1", "port": server.port, **login}
    use(lambda client: client.get("/x"), **entry)
    resolve(**entry).get("/x")
    encoded = b64encode("app:日é".encode()).decode()
    assert [f"Basic {encoded}" in asked for asked in server.stop()] == [True, True]


def test_no_secret_shows_in_what_is_printed_logged_or_raised(caplog):
    secret = "s3cret/t0ken"
    for auth in ({"bearer": secret}, {"username": "app", "password": secret}, {"headers": {"X-Key": secret}}):
        entry = {"api": "rest", "host": "127.0.0.1", "port": free_port(), "options": {"auth": auth}}
        service = Resolver({"a": entry}).service("a")

        async def call(service=service):
            client = service.aio.client
            with caplog.at_level(logging.DEBUG), pytest.raises(httpx2.ConnectError) as caught:
                await client.get("/x")
            assert_hidden(secret, client=client, auth=client.auth, error=caught.value, aio=service.aio)

        asyncio.run(call())
    assert_hidden(secret, logs=caplog.records)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.mark.parametrize(
    ("certificate", "tls", "expected"),
    [
        ("127.0.0.1", {"ca": True}, 200),
        ("127.0.0.1", {}, httpx2.ConnectError),
        ("other.example", {"ca": True}, httpx2.ConnectError),
        ("other.example", {"ca": True, "server_name": "other.example"}, 200),
        ("127.0.0.1", {"ca": True, "server_name": "other.example"}, httpx2.ConnectError),
    ],
)
def test_a_certificate_is_checked_as_configured(certificate, tls, expected, start, use, authority, tmp_path):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    authority.issue_cert(certificate).private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    server = start("works", str(tmp_path / "server.pem"))
    if "ca" in tls:
        tls = {**tls, "ca": str(tmp_path / "ca.crt")}
    found = use(
        lambda client: outcome(client.get("/x")), host="https://127.0.0.1", port=server.port, options={"tls": tls}
    )
    assert found == expected
    assert len(server.stop()) == (expected == 200)


@pytest.mark.parametrize(("option", "wrong"), [("ca", "has no certificate in PEM"), ("certificate", "must be")])
def test_the_error_for_a_malformed_certificate_has_the_option_s_path(option, wrong, use, resolve, tmp_path):
    path = tmp_path / "file.pem"
    entry = {"host": "127.0.0.1", "port": 1, "options": {"tls": {option: str(path)}}}
    for reason in (r"cannot be read \(No such file", wrong):
        for ask in (lambda: use(lambda client: outcome(client.get("/x")), **entry), lambda: resolve(**entry)):
            with pytest.raises(ConfigError, match=rf"options\.tls\.{option}: {reason}"):
                ask()
        path.write_bytes(b"canary")


@pytest.mark.parametrize("host", ["é;a", "é" + "a" * 70, "é..a"])
def test_a_host_that_idna_does_not_allow_is_an_error(use, host):
    with pytest.raises(ConfigError, match=r"host: is no host name"):
        use(lambda client: outcome(client.get("/x")), host=f"http://{host}")


def test_a_call_whose_client_is_closed_fails_as_one_whose_connection_breaks(start, use):
    async def call(client):
        asked = asyncio.create_task(client.get("/x"))
        await asyncio.sleep(0.2)
        await client.aclose()
        with pytest.raises(httpx2.TransportError):
            await asked

    server = start("hangs")
    use(call, host="127.0.0.1", port=server.port)
    assert len(server.stop()) == 1


def test_a_pipe_instead_of_a_certificate_is_an_error_at_once(resolve, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(ConfigError, match=r"options\.tls\.ca: is no file"):
            resolve(host="127.0.0.1", port=1, options={"tls": {"ca": str(path)}})


def test_no_call_fails_while_each_instance_is_killed_and_started_again(start, use):
    servers = [start("works") for _ in range(3)]
    results: Counter[Any] = Counter()

    async def call(client):
        done = asyncio.Event()

        async def keep_calling():
            while not done.is_set():
                results[await outcome(client.get("/x"))] += 1

        async def calls(count):
            wanted = results.total() + count
            async with asyncio.timeout(20):
                while results.total() < wanted:
                    await asyncio.sleep(0.01)

        tasks = [asyncio.create_task(keep_calling()) for _ in range(16)]
        for server in servers:
            await calls(50)
            await asyncio.to_thread(server.stop)
            await calls(50)
            again = await asyncio.to_thread(start, "works", "", server.port)
            async with asyncio.timeout(20):
                while not again.asked:
                    await asyncio.sleep(0.01)
        done.set()
        await asyncio.gather(*tasks)

    use(call, instances=[{"host": "http://127.0.0.1/v1", "port": server.port} for server in servers])
    assert set(results) == {200}


def test_calls_are_spread_over_the_instances_each_with_its_own_host(start, use):
    servers = [start("works") for _ in range(3)]

    async def call(client):
        statuses = await asyncio.gather(*(outcome(client.get("/x")) for _ in range(300)))
        assert set(statuses) == {200}

    use(call, instances=[{"host": "http://127.0.0.1/v1", "port": server.port} for server in servers])
    for server in servers:
        asked = server.stop()
        assert len(asked) > 50
        assert all(each.startswith("GET /v1/x ") and f"|Host: 127.0.0.1:{server.port}|" in each for each in asked)


def test_a_caller_who_waits_less_than_is_configured_opens_the_circuit_for_nobody(start, use):
    server = start("hangs-for-impatient")

    async def call(client):
        for timeout in [0.05] * 6 + [httpx2.Timeout(10, read=0.05)]:
            found = await outcome(client.get("/x", timeout=timeout))
            assert issubclass(found, httpx2.TimeoutException)  # on a busy machine even that to connect
        return await outcome(client.get("/patient"))

    assert use(call, port=server.port, options={"retries": 0}) == 200


def test_the_circuit_opens_for_a_service_that_hangs(start, use):
    server = start("hangs")

    async def call(client):
        assert {await outcome(client.get("/x")) for _ in range(5)} == {httpx2.ReadTimeout}
        assert {await outcome(client.get("/x")) for _ in range(50)} == {CircuitOpenError}

    use(call, port=server.port, options={"read_timeout": 0.05, "connect_timeout": 0.05, "retries": 0})
    assert len(server.wait(5)) == 5


def test_a_service_that_fails_as_a_whole_gets_at_most_a_fifth_more_than_is_offered(start, use):
    server = start("unavailable", "0")

    async def call(client):
        assert {await outcome(client.get("/x")) for _ in range(100)} == {503}

    use(call, port=server.port)
    assert 100 <= len(server.stop()) <= 120


def test_no_more_than_256_calls_are_sent_at_a_time_and_one_that_cannot_be_in_time_raises_deadline_error(
    start, use, monkeypatch
):
    assert transport._MOST_CALLS == 256
    monkeypatch.setattr(transport, "_MOST_CALLS", 16)  # so that the test is fast
    server = start("works")

    async def call(client):
        statuses = await asyncio.gather(*(outcome(client.get("/x")) for _ in range(40)))
        assert set(statuses) == {200}

    use(call, port=server.port)
    hanging = start("hangs")

    async def call_too_late(client):
        under_way = [asyncio.create_task(outcome(client.get("/x"))) for _ in range(16)]
        while len(hanging.asked) < 16:
            await asyncio.sleep(0.01)
        with deadline(0.1):
            found = await outcome(client.get("/x"))
        for task in under_way:
            task.cancel()
        await asyncio.wait(under_way)
        return found

    assert use(call_too_late, port=hanging.port, options={"retries": 0, "connect_timeout": 60}) is DeadlineError
    assert len(hanging.stop()) == 16


def test_no_socket_is_left_when_a_loop_has_ended_or_a_client_is_closed(start):
    servers = [start("works", process=True) for _ in range(2)]
    entry = {"api": "rest", "instances": [{"host": "127.0.0.1", "port": server.port} for server in servers]}
    service = Resolver({"a": entry}).service("a")

    async def call():
        async with service.aio.client.stream("GET", "/x") as response:
            await response.aread()
        await asyncio.gather(*(service.aio.client.get("/x") for _ in range(50)))

    async def call_and_close():
        await call()
        await service.aio.close()
        return left_open(before, 1)

    before = open_sockets()
    asyncio.run(call())
    assert left_open(before, 1) == 0
    assert asyncio.run(call_and_close()) <= 3  # the loop's own


def test_a_call_that_is_cancelled_leaves_the_client_as_it_was(start, use):
    server = start("hangs-first")

    async def call(client):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.get("/x")
        return await outcome(client.get("/x"))

    assert use(call, port=server.port) == 200


def test_retries_and_ejections_are_logged(start, use, caplog):
    caplog.set_level("INFO", logger="architect.rest")
    server = start("works")
    instances = [{"host": "127.0.0.1", "port": free_port()}, {"host": "127.0.0.1", "port": server.port}]

    async def call(client):
        for _ in range(20):
            assert (await client.get("/x")).status_code == 200

    use(call, instances=instances)
    assert "is ejected" in caplog.text
    assert "ConnectError; retrying in" in caplog.text


def test_without_httpx2_the_error_says_what_to_install(monkeypatch, use):
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(PluginError, match=r"pip install 'architect-rest\[aio\]'"):
        use(lambda client: client.get("/x"), port=1)


def test_path_params_that_do_not_fit_are_an_invalid_url_of_httpx2(use):
    async def call(client):
        for named in ({"url": "/a/:b", "path_params": {}}, {"url": "/a", "path_params": {"b": 1}}):
            with pytest.raises(PathParameterError, match=":b"):
                await client.get(**named)

    use(call, port=1)
    assert issubclass(PathParameterError, ArchitectError)
    assert issubclass(PathParameterError, httpx2.InvalidURL)


def test_errors_are_of_both_families():
    for error in (AnswerTooLargeError, CircuitOpenError, DeadlineError):
        assert issubclass(error, ArchitectError)
        assert issubclass(error, httpx2.RequestError)
    assert issubclass(ForeignOriginError, httpx2.InvalidURL)


def test_a_proxy_of_the_environment_is_used_as_requests_uses_it(start, use, monkeypatch):
    proxy = start("works")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    assert use(lambda client: outcome(client.get("/x")), host="http://billing.invalid", port=80) == 200
    assert proxy.stop()[0].startswith("GET http://billing.invalid/x ")
    monkeypatch.setenv("NO_PROXY", "billing.invalid")
    found = use(
        lambda client: outcome(client.get("/x")), host="http://billing.invalid", port=80, options={"retries": 0}
    )
    assert found is httpx2.ConnectError


def test_a_double_answers_the_client_and_keeps_what_was_asked():
    table = {
        "GET /invoices/7": {"paid": False},
        "POST /invoices": (303, "", {"Location": "/invoices/7"}),
        "GET /broken": httpx2.ConnectTimeout("gone"),
        "PUT /invoices/7": lambda request: {"had": request.body.decode()},
    }

    async def use_double():
        async with architect.service("acme/billing").aio.client as client:
            assert (await client.get("/invoices/7")).json() == {"paid": False}
            assert (await client.post("/invoices", json=[1], follow_redirects=True)).json() == {"paid": False}
            assert (await client.put("/invoices/:id", path_params={"id": 7}, content=b"x")).json() == {"had": "x"}
            with pytest.raises(httpx2.ConnectTimeout):
                await client.get("/broken")
            with pytest.raises(UnansweredError):
                await client.get("/unknown")
            async with client.stream("GET", "/invoices/7") as response:
                assert await response.aread() == b'{"paid": false}'

    with Doubles() as doubles:
        double = doubles.service("acme/billing", "rest", table)
        asyncio.run(use_double())
    assert [each.method for each in double.requests[:3]] == ["GET", "POST", "GET"]
    assert double.requests[1].body == b"[1]"
