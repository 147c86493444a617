"""A test that freezes time does not freeze circuits, ejections, deadlines and timeouts."""

from __future__ import annotations

import asyncio
import time
from contextvars import copy_context

import pytest
import requests
from faults import free_port
from freezegun import freeze_time

from architect_core.deadline import deadline, remaining
from architect_core.resolver import Resolver
from architect_rest import CircuitOpenError


@pytest.fixture(params=["sync", "aio"])
def get(request):
    """Returns a function that calls the service at a port; it returns a status, or the name of an error's type."""
    with asyncio.Runner() as runner:
        services = {}

        def get_one(port, **options):
            entry = {"api": "rest", "host": "127.0.0.1", "port": port, "options": options}
            service = services.setdefault(port, Resolver({"a": entry}).service("a"))

            async def get_aio():
                return await service.aio.client.get("/x")

            try:
                if request.param == "sync":
                    return service.client.get("/x").status_code
                return runner.run(get_aio(), context=copy_context()).status_code
            except Exception as problem:
                return type(problem).__name__

        yield get_one


@pytest.mark.parametrize("frozen_at", ["2012-01-14", "2100-01-01", "1970-01-01 00:00:01"])
def test_a_circuit_that_opened_in_frozen_time_closes_afterwards(start, get, frozen_at):
    port = free_port()
    with freeze_time(frozen_at, real_asyncio=True):
        while get(port) != "CircuitOpenError":
            pass
    start("works", port=port)
    ends = time.monotonic() + 5
    while (found := get(port)) == "CircuitOpenError" and time.monotonic() < ends:
        time.sleep(0.02)
    assert found == 200


def test_a_circuit_that_opened_before_closes_in_frozen_time(start, get):
    port = free_port()
    while get(port) != "CircuitOpenError":
        pass
    start("works", port=port)
    with freeze_time("2012-01-14", real_asyncio=True):
        for _ in range(250):
            if (found := get(port)) != "CircuitOpenError":
                break
            time.sleep(0.02)
    assert found == 200


def test_timeouts_and_deadlines_pass_in_frozen_time(start, get):
    server = start("hangs")
    with freeze_time("2012-01-14", real_asyncio=True):
        assert get(server.port, read_timeout=0.2, connect_timeout=0.2, retries=0) == "ReadTimeout"
        with deadline(0.2):
            assert get(start("hangs").port) in {"ReadTimeout", "DeadlineError"}
            assert remaining() <= 0
    assert remaining() is None


def test_an_ejected_instance_is_used_again_after_frozen_time(start):
    works, port = start("works"), free_port()
    instances = [{"host": "http://127.0.0.1", "port": each} for each in (works.port, port)]
    client = Resolver({"a": {"api": "rest", "instances": instances}}).service("a").client
    health = client.get_adapter("http://127.0.0.1").policy.endpoints
    with freeze_time("2012-01-14"):
        while not health.ejected:
            assert client.get("/x").status_code == 200
    again = start("works", port=port)
    ends = time.monotonic() + 5
    while not again.asked and time.monotonic() < ends:
        client.get("/x")
    assert again.asked


def test_a_client_made_in_frozen_time_works_afterwards(start, resolve):
    server = start("works")
    with freeze_time("2012-01-14"):
        client = resolve(host="localhost", port=server.port)
        assert client.get("/x").status_code == 200
    for _ in range(3):
        assert client.get("/x").status_code == 200
    server.stop()
    with pytest.raises((requests.ConnectionError, CircuitOpenError)):
        client.get("/x")
