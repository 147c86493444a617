"""What a caller sees of servers that misbehave, after how long, and how often such a server is asked."""

from __future__ import annotations

import resource
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
import urllib3
from faults import SCRIPT, free_port

from architect_core.deadline import deadline
from architect_rest import AnswerTooLargeError, DeadlineError
from architect_rest.policy.limits import REMAINING_HEADER


def outcome(call: Callable[[], Any]) -> Any:
    """The status of an answer, or the type of what was raised."""
    try:
        return call().status_code
    except requests.RequestException as problem:
        return type(problem)


# for those that never answer
ENDLESS = {"hangs", "drips", "endless-header"}
FAST = {"read_timeout": 0.1, "total_timeout": 20}

# kind, its argument -> how a GET ends, how often it was asked; how a POST does
FAULTS: dict[str, tuple[str, str, Any, int, Any, int]] = {
    "resets before the request": ("resets-before", "", requests.ConnectionError, 0, requests.ConnectionError, 0),
    "resets after the request": ("resets", "", requests.ConnectionError, 3, requests.ConnectionError, 1),
    "resets once": ("resets-first", "", 200, 2, requests.ConnectionError, 1),
    "answers half": (
        "half",
        "",
        requests.exceptions.ChunkedEncodingError,
        3,
        requests.exceptions.ChunkedEncodingError,
        1,
    ),
    "hangs": ("hangs", "", requests.ReadTimeout, 3, requests.ReadTimeout, 1),
    "drips": ("drips", "", requests.ConnectionError, 3, requests.ConnectionError, 1),
    "is unavailable": ("unavailable", "", 503, 3, 503, 1),
    "is unavailable once": ("unavailable-first", "1", 200, 2, 503, 1),
    "asks for a long pause with Retry-After": ("unavailable", "3600", 503, 1, 503, 1),
    "does not understand": ("invalid", "", 400, 1, 400, 1),
    "has an endless header": ("endless-header", "", requests.ConnectionError, 3, requests.ConnectionError, 1),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that(fault, method, start, resolve):
    kind, argument, of_get, gets, of_post, posts = FAULTS[fault]
    server = start(kind, argument)
    client = resolve(host="127.0.0.1", port=server.port, options=FAST if kind in ENDLESS else {})
    began = time.monotonic()
    found = outcome(lambda: client.request(method, "/x", data=b"10" if method == "POST" else None))
    taken = time.monotonic() - began
    wanted, times = (of_get, gets) if method == "GET" else (of_post, posts)
    assert found is wanted if isinstance(wanted, type) else found == wanted
    assert len(server.wait(times)) == times
    if kind == "unavailable-first" and method == "GET":
        assert taken > 1  # as the server has asked


def test_a_server_that_refuses_is_tried_again_whatever_the_method_because_nothing_was_sent(resolve):
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler, bind_and_activate=False) as server:
        server.server_bind()  # refuses until it listens
        client = resolve(host="127.0.0.1", port=server.server_port, options={"retries": 4})
        refused = threading.Timer(0.03, lambda: (server.server_activate(), server.handle_request()))
        refused.start()
        assert client.post("/x", data=b"10").status_code == 501  # an answer: it has no do_POST
        refused.join()


def test_a_server_that_refuses_to_the_end_is_a_connection_error(resolve):
    client = resolve(host="127.0.0.1", port=free_port())
    assert outcome(lambda: client.get("/x")) is requests.ConnectionError


def test_a_post_with_an_idempotency_key_is_sent_again(start, resolve):
    server = start("resets-first")
    client = resolve(host="127.0.0.1", port=server.port)
    assert client.post("/x", json={"amount": 10}, headers={"Idempotency-Key": "1"}).status_code == 200
    asked = server.stop()
    assert len(asked) == 2
    assert all("Idempotency-Key: 1" in each for each in asked)


def test_a_file_is_sent_again_from_where_it_began_and_a_generator_is_not(start, resolve, tmp_path):
    (tmp_path / "file").write_bytes(b"0123456789")
    server = start("resets-first")
    client = resolve(host="127.0.0.1", port=server.port)
    with (tmp_path / "file").open("rb") as file:
        file.seek(4)
        response = client.put("/x", data=file)
    assert (response.status_code, response.request.headers["Content-Length"]) == (200, "6")
    assert len(server.stop()) == 2
    server = start("resets-first")
    client = resolve(host="127.0.0.1", port=server.port)
    assert outcome(lambda: client.put("/x", data=(each for each in [b"a", b"b"]))) is requests.ConnectionError


def test_without_retries_nothing_is_sent_again(start, resolve):
    server = start("unavailable")
    client = resolve(host="127.0.0.1", port=server.port, options={"retries": 0})
    assert client.get("/x").status_code == 503
    assert len(server.stop()) == 1


@pytest.mark.parametrize(("stated", "asked"), [([], 1), (["GET"], 1), (["DELETE"], 2)])
def test_a_service_states_which_methods_are_retried(start, resolve, stated, asked):
    server = start("resets-first")
    client = resolve(host="127.0.0.1", port=server.port, options={"retries_for": stated})
    assert outcome(lambda: client.delete("/x")) == (200 if asked == 2 else requests.ConnectionError)
    assert len(server.stop()) == asked


def test_another_adapter_sends_without_retries(start, resolve):
    server = start("unavailable")
    client = resolve(host="127.0.0.1", port=server.port)
    client.mount("http://", requests.adapters.HTTPAdapter())
    assert client.get("/x").status_code == 503
    assert len(server.stop()) == 1


def test_the_total_time_out_ends_the_attempts(start, resolve):
    server = start("hangs")
    client = resolve(host="127.0.0.1", port=server.port, options={"read_timeout": 0.2, "total_timeout": 0.4})
    began = time.monotonic()
    assert outcome(lambda: client.get("/x")) is requests.ReadTimeout
    assert 0.35 < time.monotonic() - began < 9
    assert len(server.wait(2)) == 2


@pytest.mark.parametrize(("timeout", "most"), [(0.1, 9), ((1, 0.1), 9)])
def test_a_call_s_own_time_out_is_each_attempt_s(start, resolve, timeout, most):
    server = start("hangs")
    client = resolve(host="127.0.0.1", port=server.port)
    began = time.monotonic()
    assert outcome(lambda: client.get("/x", timeout=timeout)) is requests.ReadTimeout
    assert 0.3 < time.monotonic() - began < most
    assert len(server.wait(3)) == 3


def test_a_call_ends_with_its_deadline_and_sends_the_remaining_time_to_the_server(start, resolve):
    server = start("hangs")
    client = resolve(host="127.0.0.1", port=server.port)
    began = time.monotonic()
    with deadline(0.3):
        assert outcome(lambda: client.get("/x", timeout=None)) is requests.ReadTimeout
        with pytest.raises(DeadlineError, match="no time is left"):
            client.get("/x")
    assert time.monotonic() - began < 9  # it would wait for ever
    (asked,) = server.stop()
    sent = next(part for part in asked.split("|") if part.lower().startswith("x-envoy-expected-rq-timeout-ms:"))
    assert 200 <= int(sent.split(":")[1]) <= 300


def test_a_streamed_answer_may_take_as_long_as_it_keeps_coming(start, resolve):
    server = start("drips")
    client = resolve(host="127.0.0.1", port=server.port, options={"read_timeout": 0.3, "total_timeout": 0.5})
    began, read = time.monotonic(), b""
    with client.get("/x", stream=True) as response:
        while time.monotonic() - began < 0.7:
            read += response.raw.read(1)
    assert len(read) >= 3


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
def test_a_compressed_response_above_the_limit_is_not_read_into_memory(start, resolve):
    server = start("bomb", "100000000")
    client = resolve(host="127.0.0.1", port=server.port, options={"max_answer_bytes": 1_000_000})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(AnswerTooLargeError, match="max_answer_bytes"):
        client.get("/x")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kilobytes
    assert len(server.stop()) == 1


def test_an_answer_may_be_as_large_as_stated_and_a_streamed_one_is_not_limited(start, resolve):
    server = start("bomb", "20000000")
    client = resolve(host="127.0.0.1", port=server.port, options={"max_answer_bytes": 20_000_000})
    assert len(client.get("/x").content) == 20_000_000
    limited = resolve(host="127.0.0.1", port=server.port, options={"max_answer_bytes": 1})
    with limited.get("/x", stream=True) as response:
        assert sum(map(len, response.iter_content(1_000_000))) == 20_000_000


def test_elapsed_ends_with_the_answer_s_head_as_requests_says(start, resolve):
    server = start("slow-body")
    response = resolve(host="127.0.0.1", port=server.port).get("/x")
    assert response.elapsed < timedelta(seconds=0.5)  # when the body comes
    assert response.text == "slow"


def test_a_redirect_is_within_the_deadline_and_the_largest_answer_wherever_it_leads(start, resolve):
    for kind, of_slow in (("hangs", requests.ReadTimeout), ("big", AnswerTooLargeError)):
        elsewhere = start(kind)
        server = start("redirects", f"http://127.0.0.1:{elsewhere.port}/y")
        client = resolve(
            host="127.0.0.1", port=server.port, options={"total_timeout": 0.4, "max_answer_bytes": 100, "retries": 0}
        )
        assert outcome(lambda client=client: client.get("/x")) is of_slow


def test_a_url_of_the_service_is_its_own_in_every_spelling(start, resolve):
    server = start("unavailable-first")
    client = resolve(host="localhost", port=server.port)
    assert client.get(f"http://u:p@LOCALHOST:{server.port}?a=1").status_code == 200
    assert len(server.stop()) == 2


def test_a_body_that_fails_while_it_is_sent_is_sent_once(start, resolve):
    def body():
        yield b"first half"
        raise urllib3.exceptions.NewConnectionError(None, "upstream is down")

    server = start("works")
    client = resolve(host="127.0.0.1", port=server.port)
    assert outcome(lambda: client.post("/x", data=body())) is requests.ConnectionError
    assert "first half" not in "".join(server.stop())


def test_an_upload_ends_with_the_deadline_and_may_take_longer_than_connecting(start, resolve):
    def slowly():
        for _ in range(8):
            yield b"x"
            time.sleep(0.1)

    client = resolve(host="127.0.0.1", port=start("hangs").port, options={"connect_timeout": 0.3})
    began = time.monotonic()
    with deadline(0.3):
        assert issubclass(outcome(lambda: client.post("/x", data=slowly())), requests.ConnectionError)
    assert time.monotonic() - began < 9
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow = resolve(host="127.0.0.1", port=listener.getsockname()[1], options={"connect_timeout": 0.3, "retries": 0})

        def take():
            connection, _ = listener.accept()
            time.sleep(0.4)  # in which nothing is read
            with connection:
                taken = 0
                while taken < 8_000_000:
                    taken += len(connection.recv(1_000_000))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=take)
        thread.start()
        assert slow.put("/x", data=bytes(8_000_000)).status_code == 200
        thread.join()


def test_a_redirect_whose_body_cannot_be_decoded_is_followed_as_requests_does(start, resolve):
    second = start("works")
    server = start("redirects-broken", f"http://127.0.0.1:{second.port}/y")
    assert resolve(host="127.0.0.1", port=server.port).get("/x").status_code == 200


def test_a_time_out_of_urllib3_is_one_too(start, resolve):
    server = start("hangs")
    client = resolve(host="127.0.0.1", port=server.port, options={"retries": 0})
    began = time.monotonic()
    assert outcome(lambda: client.get("/x", timeout=urllib3.Timeout(connect=1, read=0.2))) is requests.ReadTimeout
    with deadline(0.2):
        assert outcome(lambda: client.get("/x", timeout=urllib3.Timeout(5))) is requests.ReadTimeout
    assert time.monotonic() - began < 5


def test_one_prepared_request_is_sent_by_many_threads(server, client):
    request = client.prepare_request(requests.Request("GET", "/x"))
    with ThreadPoolExecutor(8) as threads:
        assert {each.status_code for each in threads.map(lambda _: client.send(request), range(200))} == {200}
    assert all(REMAINING_HEADER in each["headers"] for each in server.asked)
    assert REMAINING_HEADER not in request.headers


@pytest.mark.parametrize(
    "retry_after",
    ["soon", "-5", "1e9", "Mon, 01 Jan 2024 00:00:00 GMT", "Fri, 01 Dec 99999 10:00:00 GMT", "9" * 5000],
    ids=lambda value: value[:20],
)
def test_whatever_retry_after_says_the_answer_is_got_in_time(start, resolve, retry_after):
    server = start("unavailable", retry_after)
    client = resolve(host="127.0.0.1", port=server.port)
    began = time.monotonic()
    assert client.get("/x").status_code == 503
    assert time.monotonic() - began < 20


def test_a_service_that_fails_as_a_whole_gets_at_most_a_fifth_more_than_is_offered(start, resolve):
    server = start("unavailable", "0")
    client = resolve(host="127.0.0.1", port=server.port)
    assert all(client.get("/x").status_code == 503 for _ in range(100))
    assert 100 <= len(server.stop()) <= 120


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def issue(authority: trustme.CA, tmp_path: Path) -> Callable[..., str]:
    """Makes a server's certificate; returns its file."""

    def issue_one(name: str, **validity: Any) -> str:
        path = tmp_path / f"{name}.pem"
        authority.issue_cert(name, **validity).private_key_and_cert_chain_pem.write_to_path(str(path))
        return str(path)

    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    return issue_one


YESTERDAY = datetime.now(UTC) - timedelta(days=1)
EXPIRED = {"not_before": YESTERDAY - timedelta(days=2), "not_after": YESTERDAY}


@pytest.mark.parametrize(
    ("certificate", "tls", "expected"),
    [
        (("127.0.0.1", {}), {"ca": True}, 200),
        (("127.0.0.1", {}), {}, requests.exceptions.SSLError),
        (("127.0.0.1", EXPIRED), {"ca": True}, requests.exceptions.SSLError),
        (("other.example", {}), {"ca": True}, requests.exceptions.SSLError),
        (("other.example", {}), {"ca": True, "server_name": "other.example"}, 200),
        (("127.0.0.1", {}), {"ca": True, "server_name": "other.example"}, requests.exceptions.SSLError),
    ],
)  # fmt: skip
def test_a_certificate_is_checked_as_configured(
    start, resolve, issue, tmp_path, monkeypatch, certificate, tls, expected
):
    name, validity = certificate
    server = start("works", issue(name, **validity))
    if "ca" in tls:
        tls = {**tls, "ca": str(tmp_path / "ca.crt")}
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(SCRIPT))  # which would replace a session's own
    client = resolve(host="https://127.0.0.1", port=server.port, options={"tls": tls})
    by_hand = client.prepare_request(requests.Request("GET", "/x"))
    for call in (lambda: client.get("/x"), lambda: client.send(by_hand)):
        found = outcome(call)
        assert found is expected if isinstance(expected, type) else found == expected
    assert len(server.stop()) == 2 * (expected == 200)


def test_a_connection_that_breaks_in_the_tls_handshake_is_retried_at_another_instance(start, resolve, issue, tmp_path):
    closing, server = start("closes-before"), start("works", issue("127.0.0.1"))
    instances = [{"host": "https://127.0.0.1", "port": each.port} for each in (closing, server)]
    for _ in range(3):
        client = resolve(instances=instances, options={"tls": {"ca": str(tmp_path / "ca.crt")}})
        for _ in range(10):
            assert client.get("/x").status_code == 200


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ({"bearer": "t0ken"}, "Authorization: Bearer t0ken"),
        ({"username": "app", "password": "pä:ss"}, "Authorization: Basic YXBwOnDDpDpzcw=="),
        ({"username": "app", "password": "日"}, "Authorization: Basic YXBwOuaXpQ=="),
        ({"headers": {"X-Api-Key": "k3y"}}, "X-Api-Key: k3y"),
    ],
)
def test_credentials_are_sent_to_the_service_and_not_to_another_origin(start, resolve, auth, header):
    elsewhere = start("works")
    server = start("redirects", f"http://127.0.0.1:{elsewhere.port}/y")
    client = resolve(host="127.0.0.1", port=server.port, options={"auth": auth})
    assert client.get("/x").status_code == 200
    assert header in server.stop()[0]
    (asked,) = elsewhere.stop()
    assert not any(word in asked.lower() for word in ("authorization", "x-api-key", "cookie", "x-envoy"))
    assert "t0ken" not in repr(client.auth)


def test_a_call_s_own_authorization_wins_over_the_configured_one_and_over_a_netrc(
    start, resolve, monkeypatch, tmp_path
):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server = start("works")
    with_token = resolve(host="127.0.0.1", port=server.port, options={"auth": {"bearer": "t0ken"}})
    without = resolve(host="127.0.0.1", port=server.port)
    for client in (with_token, without):
        client.get("/x", headers={"Authorization": "mine"})
    without.get("/x")
    asked = server.stop()
    assert all("Authorization: mine" in each for each in asked[:2])
    assert "Authorization: Basic " in asked[2]  # as requests does


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"tls": {"key": "/k"}}, r"options\.tls"),
        ({"tls": {"ca": "relative"}}, r"options\.tls\.ca"),
        ({"auth": {"bearer": "日"}}, r"options\.auth\.bearer"),
        ({"auth": {"headers": {"X-Key": "日"}}}, r"options\.auth\.headers"),
        ({"auth": {"bearer": "a\nb"}}, r"options\.auth\.bearer"),
        ({"auth": {"bearer": " a"}}, r"options\.auth\.bearer"),
        ({"auth": {"bearer": "a", "username": "b", "password": "c"}}, r"options\.auth"),
        ({"auth": {"username": "b"}}, r"options\.auth"),
        ({"retries": -1}, r"options\.retries"),
        ({"retries_for": ["GTE"]}, r"options\.retries_for.0.: .*'GET'"),
        ({"retries_for": "GET"}, r"options\.retries_for: must be a JSON array"),
        ({"total_timeout": 0}, r"options\.total_timeout"),
    ],
)
def test_the_error_for_an_invalid_option_has_its_path(resolve, options, path):
    from architect_core.exceptions import ConfigError

    with pytest.raises(ConfigError, match=path):
        resolve(host="127.0.0.1", port=1, options=options)
