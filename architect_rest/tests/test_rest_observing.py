"""An observer gets the outcome of each call to the service, and the health of its instances."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import weakref

import pytest
import requests
from faults import free_port

from architect_core.contract import ClientObserver
from architect_rest import RestClient


class Recorder(ClientObserver):
    def __init__(self):
        self.outcomes = []
        self.healths = []

    def ended(self, outcome):
        self.outcomes.append(outcome)

    def watch(self, health):
        self.healths.append(weakref.ref(health))

    @property
    def seen(self):
        return [(each.error, each.attempts, each.instance) for each in self.outcomes]

    @property
    def health(self):
        return self.healths[-1]()


@pytest.fixture
def recorder():
    return Recorder()


def sync(recorder, *urls, **options):
    """Makes calls with a client of `urls`; returns the name of the error, or the status."""
    client = RestClient(urls[0], instances=urls if urls[1:] else (), observer=recorder, **options)

    def call(method, path, **named):
        try:
            return client.request(method, path, **named).status_code
        except requests.RequestException as problem:
            return type(problem).__name__

    return call


def aio(recorder, *urls, **options):
    httpx2 = pytest.importorskip("httpx2", reason="the extra aio is not installed")
    from architect_rest.aio import AioRestClient

    runner = asyncio.Runner()
    client = None

    async def ask(method, path, named):
        nonlocal client
        if client is None:
            client = AioRestClient(urls[0], instances=urls if urls[1:] else (), observer=recorder, **options)
        try:
            response = await client.request(method, path, follow_redirects=True, **named)
        except httpx2.HTTPError as problem:
            return type(problem).__name__
        else:
            return response.status_code

    def call(method, path, **named):
        return runner.run(ask(method, path, named))

    def close():
        runner.run(client.aclose())
        runner.close()

    call.close = close
    return call


@pytest.fixture(params=[sync, aio])
def calling(request, recorder):
    calls = []

    def begin(*urls, **options):
        calls.append(request.param(recorder, *urls, **options))
        return calls[-1]

    yield begin
    for each in calls:
        getattr(each, "close", lambda: None)()


def test_a_successful_call_is_observed_with_its_duration_and_instance(server, recorder, calling):
    assert calling(server.url)("GET", "/x?sleep=0.1") == 200
    assert recorder.seen == [(None, 1, server.url)]
    assert 0.1 <= recorder.outcomes[0].seconds < 20


@pytest.mark.parametrize("status", [404, 500])
def test_a_status_that_says_failure_is_the_error(server, recorder, calling, status):
    assert calling(server.url)("GET", f"/x?status={status}") == status
    assert recorder.seen == [(str(status), 1, server.url)]


def test_a_login_is_not_observed(server, recorder, calling):
    url = server.url.replace("//", "//ada:s3cret@")
    assert calling(url, retries=0)("GET", "/x") == 200
    assert "s3cret" not in repr(recorder.outcomes)
    assert recorder.seen == [(None, 1, server.url)]


def test_attempts_at_two_instances_are_counted_and_the_last_instance_is_observed(server, recorder, calling):
    dead = f"http://127.0.0.1:{free_port()}"
    call = calling(dead, server.url)
    while not any(each.attempts == 2 for each in recorder.outcomes):
        assert call("GET", "/x") == 200
    assert set(recorder.seen) <= {(None, 1, server.url), (None, 2, server.url)}
    assert recorder.health.ejected == [dead]
    assert not recorder.health.is_open


def test_nothing_is_sent_while_the_circuit_is_open(recorder, calling):
    dead = f"http://127.0.0.1:{free_port()}"
    call = calling(dead, retries=0)
    results = [call("GET", "/x") for _ in range(6)]
    assert results[0] in {"ConnectionError", "ConnectError"}
    assert recorder.seen == [(results[0], 1, dead)] * 5 + [("CircuitOpenError", 0, None)]
    assert recorder.health.is_open


def test_each_hop_of_a_redirect_at_the_service_is_a_call_and_one_elsewhere_is_none(server, other, recorder, calling):
    call = calling(server.url)
    assert call("GET", "/x?status=302&to=/y") == 200
    assert recorder.seen == [(None, 1, server.url)] * 2
    assert call("GET", f"/x?status=302&to={other.url}/y") == 200
    assert recorder.seen == [(None, 1, server.url)] * 3


def test_what_is_watched_goes_with_the_client(server, recorder):
    client = RestClient(server.url, observer=recorder)
    assert recorder.health.ejected == []
    client.close()
    del client
    gc.collect()
    assert recorder.health is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_observes_its_own_instances(server, recorder):
    client = RestClient(server.url, observer=recorder)
    child = os.fork()
    if child == 0:
        client.get("/x")
        own = client.get_adapter(server.url).policy
        os._exit(0 if recorder.health is own and recorder.seen == [(None, 1, server.url)] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert recorder.seen == []


def test_an_unpickled_client_has_no_observer(server, recorder):
    client = pickle.loads(pickle.dumps(RestClient(server.url, observer=recorder)))
    assert client.get("/x").status_code == 200
    assert recorder.seen == []


def test_without_an_observer_there_is_none():
    assert RestClient("http://127.0.0.1:1").get_adapter("http://127.0.0.1:1").observer is None
