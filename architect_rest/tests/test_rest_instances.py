"""Calls are balanced across instances, and succeed while one of them is down."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
import requests
import urllib3
from faults import free_port

from architect_core.deadline import deadline
from architect_core.exceptions import ConfigError
from architect_rest import CircuitOpenError, RestClient
from architect_rest.policy.attempts import Call, Policy
from architect_rest.policy.endpoints import Endpoints

FDS = Path("/proc/self/fd")


@pytest.fixture
def three(start, resolve):
    """Three instances, and a client of all of them."""
    servers = [start("works") for _ in range(3)]
    client = resolve(instances=[{"host": "http://127.0.0.1/v1", "port": server.port} for server in servers])
    return servers, client


def test_calls_are_spread_over_the_instances(three):
    servers, client = three
    with ThreadPoolExecutor(8) as threads:
        assert {each.status_code for each in threads.map(lambda _: client.get("/x"), range(300))} == {200}
    counts = [len(server.stop()) for server in servers]
    assert sum(counts) == 300
    assert min(counts) > 50


def test_an_instance_gets_its_own_host_and_the_base_path(three):
    servers, client = three
    for _ in range(20):
        client.get("/x?a=1")
    for server in servers:
        for asked in server.stop():
            assert asked.startswith("GET /v1/x?a=1 HTTP/1.1|")
            assert f"|Host: 127.0.0.1:{server.port}|" in asked


def test_no_call_fails_while_each_instance_is_killed_and_started_again(start, three):
    servers, client = three
    stop, results = threading.Event(), Counter()

    def wait(condition):
        ends = time.monotonic() + 20
        while not condition() and time.monotonic() < ends:
            time.sleep(0.01)
        assert condition()

    def wait_for_calls(count):
        wanted = results.total() + count
        wait(lambda: results.total() >= wanted)

    def call():
        while not stop.is_set():
            try:
                results[client.get("/x").status_code] += 1
            except requests.RequestException as problem:
                results[repr(problem)] += 1

    threads = [threading.Thread(target=call) for _ in range(16)]
    for each in threads:
        each.start()
    try:
        for server in servers:
            wait_for_calls(50)
            server.stop()
            wait_for_calls(50)
            again = start("works", "", server.port)
            wait(lambda again=again: again.asked)
    finally:
        stop.set()
        for each in threads:
            each.join()
    assert set(results) == {200}


def test_an_instance_that_came_back_is_used_again(start, resolve):
    port = free_port()
    other = start("works")
    client = resolve(instances=[{"host": "127.0.0.1", "port": port}, {"host": "127.0.0.1", "port": other.port}])
    for _ in range(20):
        assert client.post("/x", data=b"1").status_code == 200  # whatever was refused was not sent
    back = start("works", "", port)
    ends = time.monotonic() + 5
    while time.monotonic() < ends and not back.asked:
        client.get("/x")
        time.sleep(0.02)
    assert back.asked


def test_ejections_and_retries_are_logged_without_secrets(start, resolve, caplog):
    caplog.set_level("INFO", logger="architect.rest")
    well, port = start("works"), free_port()
    client = resolve(instances=[{"host": "127.0.0.1", "port": each} for each in (port, well.port)])
    for _ in range(20):
        client.get("/x?token=s3cret")
    ejected, again = caplog.messages[:2]
    assert ejected == f"http://127.0.0.1:{port} is ejected for 0.5 s: ConnectionError"
    assert again == f"GET at http://127.0.0.1:{port}: ConnectionError; retrying in 0.00 s"
    assert "s3cret" not in caplog.text


def test_instances_that_all_lose_calls_get_no_multiple_of_them(start, resolve):
    servers = [start("resets") for _ in range(2)]
    client = resolve(instances=[{"host": "127.0.0.1", "port": each.port} for each in servers])
    for _ in range(300):
        with pytest.raises(requests.ConnectionError):
            client.get("/x")
    assert sum(len(each.stop()) for each in servers) <= 360


def test_a_short_deadline_ejects_no_instance(start, resolve, caplog):
    servers = [start("hangs") for _ in range(2)]
    client = resolve(instances=[{"host": "127.0.0.1", "port": each.port} for each in servers])
    for _ in range(14):
        with deadline(0.02), pytest.raises(requests.RequestException):
            client.get("/x")
    assert "ejected" not in caplog.text


def test_retry_after_ejects_an_instance_for_30_seconds_at_most(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("architect_rest.policy.endpoints.monotonic", lambda: now[0])
    endpoints = Endpoints(["http://a", "http://b"])
    a = endpoints.all[0]
    a.active += 1
    assert endpoints.failed(a, now[0], unreachable=False, asked=86_400.0)
    assert a.ejection.until <= 130


def test_a_login_in_the_base_url_is_in_no_log(caplog):
    caplog.set_level("INFO", logger="architect.rest")
    with RestClient(f"http://app:s3cret@127.0.0.1:{free_port()}") as client, pytest.raises(requests.ConnectionError):
        client.get("/x")
    assert "retrying" in caplog.text
    assert "s3cret" not in caplog.text + repr(client) + repr(client.adapters["http://"].policy.endpoints.all)


def test_an_unavailable_instance_gets_few_requests(start, resolve):
    ill, well = start("unavailable"), start("works")
    client = resolve(instances=[{"host": "127.0.0.1", "port": each.port} for each in (ill, well)])
    assert Counter(client.get("/x").status_code for _ in range(200)) == {200: 200}
    assert len(ill.stop()) <= 10


def test_a_redirect_to_another_instance_keeps_the_credentials(start, resolve):
    second = start("works")
    first = start("redirects", f"http://127.0.0.1:{second.port}/y")
    client = resolve(
        instances=[{"host": "127.0.0.1", "port": each.port} for each in (first, second)],
        options={"auth": {"bearer": "t0ken"}},
    )
    assert {client.get("/x").status_code for _ in range(10)} == {200}
    assert all("Authorization: Bearer t0ken" in asked for server in (first, second) for asked in server.stop())


@pytest.mark.parametrize(
    ("second", "path"),
    [
        ({"host": "https://b", "port": 1}, r"instances\[1\]\.host"),
        ({"host": "http://b/v2", "port": 1}, r"instances\[1\]\.host"),
        ({"host": "b"}, r"instances\[1\]\.port"),
        ({"port": 1}, r"instances\[1\]\.host"),
    ],
)
def test_instances_that_differ_in_more_than_host_and_port_are_refused(resolve, second, path):
    with pytest.raises(ConfigError, match=path):
        resolve(instances=[{"host": "http://a", "port": 1}, second])


def test_an_instance_of_more_weight_gets_more_calls(start, resolve):
    servers = [start("works") for _ in range(2)]
    instances = [
        {"host": "http://127.0.0.1", "port": server.port, "weight": weight}
        for server, weight in zip(servers, (1, 9), strict=True)
    ]
    client = resolve(instances=instances)
    for _ in range(200):
        client.get("/x")
    few, many = (len(server.stop()) for server in servers)
    assert few + many == 200
    assert few < 50


def test_the_circuit_opens_for_a_closed_port_and_closes_when_the_service_is_back(start, resolve):
    port = free_port()
    client = resolve(host="127.0.0.1", port=port)
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            client.get("/x")
    with pytest.raises(CircuitOpenError, match=rf"http://127\.0\.0\.1:{port}: none .* circuit_breaker: false"):
        client.post("/x", data=b"1")
    server = start("works", port=port)
    ends = time.monotonic() + 3
    while time.monotonic() < ends:
        try:
            assert client.get("/x").status_code == 200
            break
        except CircuitOpenError:
            time.sleep(0.02)
    for _ in range(10):
        assert client.get("/x").status_code == 200
    assert len(server.stop()) == 11


def test_the_circuit_opens_for_a_service_that_hangs(start, resolve):
    server = start("hangs")
    client = resolve(host="127.0.0.1", port=server.port, options={"read_timeout": 0.1, "retries": 0})
    for _ in range(5):
        with pytest.raises(requests.ReadTimeout):
            client.get("/x")
    for _ in range(100):
        with pytest.raises(CircuitOpenError, match="the circuit is open"):
            client.get("/x")
    assert len(server.wait(5)) == 5


@pytest.mark.parametrize("timeout", [0.05, (3, 0.05), urllib3.Timeout(connect=1, read=0.05)])
@pytest.mark.parametrize("kind", ["hangs", "drips"])
def test_a_caller_who_waits_less_than_is_configured_opens_the_circuit_for_nobody(start, resolve, kind, timeout):
    server = start(f"{kind}-for-impatient")
    client = resolve(host="127.0.0.1", port=server.port, options={"retries": 0})
    for _ in range(7):
        with pytest.raises(requests.RequestException) as caught:
            client.get("/x", timeout=timeout)
        assert not isinstance(caught.value, CircuitOpenError)
    assert client.get("/patient").status_code == 200


def test_a_caller_who_waits_less_ejects_no_instance_and_one_who_waits_as_long_does(start, resolve):
    servers = [start("hangs") for _ in range(2)]
    options = {"read_timeout": 0.1, "retries": 0}
    instances = [{"host": "127.0.0.1", "port": each.port} for each in servers]
    client = resolve(instances=instances, options=options)
    endpoints = client.get_adapter("http://x").policy.endpoints
    for timeout, is_counted in ((0.03, False), (0.2, True)):
        seen = set()
        for _ in range(12):
            with pytest.raises(requests.RequestException):
                client.get("/x", timeout=timeout)
            seen.update(endpoints.ejected)
        assert bool(seen) is is_counted


def test_a_refused_connection_counts_however_short_the_caller_would_have_waited(resolve):
    client = resolve(host="127.0.0.1", port=free_port(), options={"retries": 0})
    for _ in range(5):
        with pytest.raises(requests.ConnectionError):
            client.get("/x", timeout=1)
    with pytest.raises(CircuitOpenError):
        client.get("/x")


def test_without_a_circuit_breaker_every_call_is_made(start, resolve):
    server = start("hangs")
    options = {"read_timeout": 0.03, "retries": 0, "circuit_breaker": False}
    client = resolve(host="127.0.0.1", port=server.port, options=options)
    for _ in range(12):
        with pytest.raises(requests.ReadTimeout):
            client.get("/x")
    assert len(server.wait(12)) == 12


def test_what_a_body_raises_is_no_fault_of_the_service(start, resolve):
    server = start("works")
    client = resolve(host="127.0.0.1", port=server.port)

    def body():
        yield b"part"
        raise requests.ConnectionError("of another service")

    for _ in range(6):
        with pytest.raises(requests.ConnectionError, match="of another service"):
            client.post("/x", data=body())
    assert client.get("/x").status_code == 200


def test_what_one_event_ends_counts_once(start, resolve):
    server = start("resets-first-dozen")
    client = resolve(host="127.0.0.1", port=server.port)
    with ThreadPoolExecutor(12) as threads:
        calls = [threads.submit(client.post, "/x") for _ in range(12)]
        assert all(isinstance(each.exception(), requests.ConnectionError) for each in calls)
    assert client.get("/x").status_code == 200


def test_the_circuit_stays_closed_for_a_service_that_answers_errors(start, resolve):
    server = start("unavailable")
    client = resolve(host="127.0.0.1", port=server.port, options={"retries": 0})
    assert {client.get("/x").status_code for _ in range(20)} == {503}
    assert len(server.stop()) == 20


def test_any_answer_closes_the_circuit(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("architect_rest.policy.endpoints.monotonic", lambda: now[0])
    for status in (200, 404, 429, 503):
        policy = Policy(Endpoints(["http://a"]), retries=0, circuit_open=CircuitOpenError)

        def begin(policy=policy):
            steps = policy.steps(Call("GET", {}, lambda: True, lambda: False, None))
            return steps, next(steps)

        for _ in range(5):
            steps, attempt = begin()
            attempt.failed("gone", is_unsent=True, is_final=False)
            assert list(steps) == []
        with pytest.raises(CircuitOpenError):
            begin()
        now[0] += 0.5
        steps, attempt = begin()  # half-open
        with pytest.raises(CircuitOpenError):
            begin()
        attempt.answered(status, {})
        assert list(steps) == []
        begin()


def test_the_circuit_lets_one_attempt_through_after_five_seconds_at_most(monkeypatch):
    now = 0.0
    monkeypatch.setattr("architect_rest.policy.endpoints.monotonic", lambda: now)
    endpoints = Endpoints(["http://a", "http://b"])
    asked = []
    for tenth in range(3000):
        now = tenth / 10
        found = endpoints.begin()
        if found is not None:
            asked.append(now)
            endpoints.failed(found, now, unreachable=True)
    pauses = [later - earlier for earlier, later in pairwise(asked[10:])]
    assert 4.9 <= max(pauses) <= 5.2
    assert endpoints.seconds_open <= 5


def test_a_cancelled_attempt_does_not_change_the_circuit(monkeypatch):
    now = 0.0
    monkeypatch.setattr("architect_rest.policy.endpoints.monotonic", lambda: now)
    endpoints = Endpoints(["http://a"])
    for _ in range(5):
        endpoints.failed(endpoints.begin(), now, unreachable=True)
    tried = 0
    for tenth in range(1, 101):
        now = tenth / 10
        found = endpoints.begin()
        if found is not None:
            tried += 1
            endpoints.released(found)
    assert 15 < tried < 22  # every half second


def test_one_attempt_probes_an_instance_after_its_ejection_time(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("architect_rest.policy.endpoints.monotonic", lambda: now[0])
    endpoints = Endpoints(["http://a", "http://b"])
    a = endpoints.all[0]

    def picked() -> list[str]:
        found = [endpoints.begin() for _ in range(40)]
        for each in found:
            endpoints.released(each)
        return [each.url for each in found]

    a.active += 1
    assert endpoints.failed(a, now[0], unreachable=True)
    assert set(picked()) == {"http://b"}
    now[0] += 1
    assert picked().count("http://a") == 1
    a.active += 1
    endpoints.succeeded(a)
    assert set(picked()) == {"http://a", "http://b"}


def open_sockets() -> int:
    return sum(str(each.readlink()).startswith("socket:") for each in FDS.iterdir() if each.is_symlink())


@pytest.mark.skipif(not FDS.is_dir(), reason="open sockets are counted in /proc")
def test_two_hundred_threads_share_a_client_and_no_socket_is_left(start):
    server = start("works", process=True)
    gc.collect()
    before = open_sockets()
    client = RestClient(f"http://127.0.0.1:{server.port}")
    with ThreadPoolExecutor(200) as threads:
        found = Counter(each.status_code for each in threads.map(lambda _: client.get("/x"), range(1000)))
    assert found == {200: 1000}
    assert open_sockets() - before <= 200
    client.close()
    assert open_sockets() == before


def test_a_fork_in_the_midst_of_calls_leaves_parent_and_child_with_a_client_that_works(start, resolve):
    server = start("works", process=True)
    client = resolve(host="127.0.0.1", port=server.port)
    stop = threading.Event()

    def call():
        while not stop.is_set():
            client.get("/x")

    threads = [threading.Thread(target=call) for _ in range(4)]
    for each in threads:
        each.start()
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                os._exit(0 if {client.get("/x").status_code for _ in range(10)} == {200} else 1)
            assert os.waitpid(child, 0)[1] == 0
            assert client.get("/x").status_code == 200
    finally:
        stop.set()
        for each in threads:
            each.join()
