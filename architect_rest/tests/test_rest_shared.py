"""What is counted of a service's attempts is shared by all of its clients in a process, and by no other's."""

from __future__ import annotations

import asyncio
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from faults import free_port

from architect_core.resolver import Resolver
from architect_rest import CircuitOpenError
from architect_testing.tools.forking import can_fork, in_child


def service_at(port, **options):
    return Resolver({"a": {"api": "rest", "host": "127.0.0.1", "port": port, "options": options}}).service("a")


def get_in_new_loop(service, **more):
    """A status, or the name of an error's type, of one call in an event loop of its own."""

    async def get():
        try:
            return (await service.aio.client.get("/x", **more)).status_code
        except Exception as problem:
            return type(problem).__name__

    return asyncio.run(get())


def test_event_loops_share_the_retry_budget(start):
    server = start("unavailable", "0")
    service = service_at(server.port)
    assert {get_in_new_loop(service) for _ in range(50)} == {503}
    assert 50 <= len(server.stop()) <= 60


def test_event_loops_share_the_circuit(start):
    port = free_port()
    service = service_at(port)
    results = [get_in_new_loop(service) for _ in range(20)]
    assert results[-15:] == ["CircuitOpenError"] * 15


def test_event_loops_of_several_threads_share_the_retry_budget(start):
    server = start("unavailable", "0")
    service = service_at(server.port)
    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(lambda _: get_in_new_loop(service), range(50))) == {503}
    assert 50 <= len(server.stop()) <= 60


@pytest.mark.parametrize("host", ["127.0.0.1", "LOCALHOST"])
def test_both_kinds_of_clients_share_them(start, host):
    port = free_port()
    service = Resolver({"a": {"api": "rest", "host": host, "port": port}}).service("a")
    assert {get_in_new_loop(service) for _ in range(5)} == {"ConnectError", "CircuitOpenError"}
    with pytest.raises(CircuitOpenError):
        service.client.get("/x")
    start("works", port=port)
    ended = threading.Event()
    for _ in range(100):
        if get_in_new_loop(service) == 200:
            break
        ended.wait(0.02)
    assert service.client.get("/x").status_code == 200


def test_another_entry_of_the_same_address_has_a_circuit_of_its_own():
    port = free_port()
    one, other = service_at(port), service_at(port)
    assert [get_in_new_loop(one) for _ in range(5)][-1] == "CircuitOpenError"
    assert get_in_new_loop(other) == "ConnectError"


def test_a_new_client_of_the_same_entry_keeps_the_circuit():
    service = service_at(free_port())
    for _ in range(3):
        with pytest.raises((requests.ConnectionError, CircuitOpenError)):
            service.client.get("/x")
    service.close()
    with pytest.raises(CircuitOpenError):
        service.client.get("/x")


def test_a_pickled_client_begins_anew():
    client = service_at(free_port()).client
    for _ in range(3):
        with pytest.raises((requests.ConnectionError, CircuitOpenError)):
            client.get("/x")
    with pytest.raises(requests.ConnectionError) as caught:
        pickle.loads(pickle.dumps(client)).get("/x")
    assert not isinstance(caught.value, CircuitOpenError)


@pytest.mark.skipif(not can_fork(), reason="the system has no fork")
def test_a_forked_child_begins_anew_even_if_another_thread_was_counting():
    service = service_at(free_port())
    client = service.client
    for _ in range(5):
        get_in_new_loop(service)

    def begin_anew():
        with pytest.raises(requests.ConnectionError) as caught:
            client.get("/x")
        assert not isinstance(caught.value, CircuitOpenError)
        assert get_in_new_loop(service) == "ConnectError"

    with client.get_adapter("http://127.0.0.1").policy.endpoints._lock:
        in_child(begin_anew, 10)
