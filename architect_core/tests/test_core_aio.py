"""`service(name).aio.client` is a client of the running event loop, and is closed where and when it has to be."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

import architect.sdk as architect
from architect_core.resolver import aio

PLUGIN = """
import asyncio
from architect_core.contract.client import ClientFactory
from architect_core.contract.hooks import hookimpl

ARCHITECT_CONTRACT = 2

class Client:
    def __init__(self, place):
        self.place = place
        self.loop = asyncio.get_running_loop()
        self.closed_in = None
        self.times_closed = 0
    async def aclose(self):
        self.times_closed += 1
        for _ in range(5):
            await asyncio.sleep(0)
        self.closed_in = asyncio.get_running_loop()

class Factory(ClientFactory):
    def client(self, target):
        return object()
    def close(self, client):
        pass

class AioFactory(Factory):
    def aio_is_closed(self, client):
        return client.times_closed > 0
    def aio_client(self, target):
        if target.config.port == 13:
            raise OSError("an unlucky port")
        return Client((target.config.host, target.config.port))

@hookimpl
def architect_client_factory():
    return AioFactory()
"""
PLAIN = PLUGIN.replace("return AioFactory()", "return Factory()")


@pytest.fixture(autouse=True)
def plugins(install_plugin):
    install_plugin("architect-owl", {"owl": "aio_owl", "crow": "aio_crow"}, {"aio_owl": PLUGIN, "aio_crow": PLAIN})
    architect.configure(config())


def config(port=1):
    return {
        "a": {"host": "a", "port": port, "api": "owl"},
        "b": {"host": "b", "port": 13, "api": "owl"},
        "c": {"host": "c", "port": 1, "api": "crow"},
    }


def the_client():
    return architect.service("a").aio.client


async def ask():
    return the_client()


def test_all_tasks_of_a_loop_share_a_client_and_each_loop_has_its_own():
    async def ask_twice():
        first, second = await asyncio.gather(ask(), ask())
        assert first is second
        return first

    found = []
    threads = [threading.Thread(target=lambda: found.append(asyncio.run(ask_twice()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(each) for each in found}) == 8
    assert all(each.closed_in is each.loop for each in found)


def test_a_client_is_closed_with_its_loop_even_if_the_program_fails():
    seen = []

    async def fail():
        seen.append(the_client())
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        asyncio.run(fail())
    assert seen[0].closed_in is seen[0].loop


def test_close_closes_the_client_of_the_running_loop_and_the_next_is_new():
    async def use():
        service = architect.service("a")
        former = service.aio.client
        await service.aio.close()
        assert former.closed_in is former.loop
        assert service.aio.client is not former
        assert service.aio.client.closed_in is None
        await service.aio.close()
        await service.aio.close()

    asyncio.run(use())


def test_a_client_that_was_closed_by_its_user_is_not_given_again(caplog):
    async def use():
        former = the_client()
        await former.aclose()
        assert the_client() is not former
        return the_client()

    assert asyncio.run(use()).closed_in
    assert not caplog.records


def test_a_plain_close_has_every_loop_close_its_client():
    ready, done = threading.Event(), threading.Event()
    seen = []

    async def wait():
        seen.append(the_client())
        ready.set()
        while not done.is_set():
            await asyncio.sleep(0.01)

    async def close():
        seen.append(the_client())
        architect.service("a").close()
        assert the_client() is not seen[1]
        while not all(each.closed_in for each in seen):
            await asyncio.sleep(0.01)

    thread = threading.Thread(target=lambda: asyncio.run(wait()))
    thread.start()
    ready.wait()
    try:
        asyncio.run(asyncio.wait_for(close(), 5))
    finally:
        done.set()
        thread.join()
    assert [each.closed_in is each.loop for each in seen] == [True, True]


def test_a_plain_close_in_the_last_step_of_a_loop_closes_the_client():
    async def close():
        found = the_client()
        architect.service("a").close()
        return found

    found = asyncio.run(close())
    assert found.closed_in is found.loop


def test_a_plain_close_between_two_runs_of_a_loop_closes_the_client_once(caplog):
    with asyncio.Runner() as runner:
        found = runner.run(ask())
        architect.service("a").close()
        assert found.closed_in is None
    assert found.closed_in is found.loop
    assert found.times_closed == 1
    assert not caplog.records


def test_a_changed_entry_gives_a_new_client_and_lets_the_former_end():
    async def use():
        former = the_client()
        entries = config(port=2)
        resolver._config = entries
        assert architect.reload(drain=0.05).services == {"a"}
        assert the_client().place == ("a", 2)
        assert former.closed_in is None
        while former.closed_in is None:
            await asyncio.sleep(0.01)
        assert former.closed_in is former.loop

    resolver = architect.configure(config())
    asyncio.run(asyncio.wait_for(use(), 5))


def test_a_changed_entry_is_used_where_a_plugin_has_clients_for_asyncio_alone(install_plugin):
    only_aio = PLUGIN.replace(
        "return object()", 'from architect_core.exceptions import PluginError; raise PluginError("no")'
    )
    install_plugin("architect-hawk", {"hawk": "only_aio"}, {"only_aio": only_aio})
    entry = {"host": "a", "port": 1, "api": "hawk"}
    resolver = architect.configure({"a": entry})

    async def use():
        the_client()
        resolver._config = {"a": {**entry, "port": 2}}
        assert architect.reload().services == {"a"}
        assert the_client().place == ("a", 2)

    asyncio.run(asyncio.wait_for(use(), 5))


def test_a_client_outlives_a_reload_that_does_not_concern_it():
    async def use():
        former = the_client()
        architect.reload()
        assert the_client() is former

    asyncio.run(use())


def test_outside_of_a_loop_the_error_says_what_to_do():
    with pytest.raises(architect.NoEventLoopError, match=r"service\('a'\).*async def"):
        _ = the_client()


def test_a_plugin_without_clients_for_asyncio_is_told():
    async def use():
        with pytest.raises(architect.PluginError, match=r"'c'.*'crow' has no clients for asyncio"):
            _ = architect.service("c").aio.client

    asyncio.run(use())


def test_what_a_library_raises_is_raised_with_a_note():
    async def use():
        with pytest.raises(OSError, match="unlucky") as caught:
            _ = architect.service("b").aio.client
        assert "the plugin 'owl'" in caught.value.__notes__[0]

    asyncio.run(use())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python 3.12 and later, on a fork beside threads
def test_a_forked_child_has_a_client_of_its_own():
    async def use():
        former = the_client()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                asyncio._set_running_loop(None)
                new = asyncio.run(ask())
                code = 0 if new is not former and former.closed_in is None else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert the_client() is former

    asyncio.run(use())


def test_a_reload_to_a_protocol_without_a_plugin_is_refused_where_only_a_client_for_asyncio_is_in_use():
    resolver = architect.configure(config())

    async def use():
        former = the_client()
        resolver._config = {"a": {"host": "a", "port": 2, "api": "nosuch"}}
        with pytest.raises(architect.NoPluginError, match="nosuch"):
            architect.reload()
        assert the_client() is former

    asyncio.run(use())


def test_clients_that_their_users_close_do_not_pile_up():
    async def use():
        known = len(aio._open)
        for _ in range(5):
            await the_client().aclose()
        assert len(aio._open) == known + 1

    asyncio.run(use())


def test_closing_is_no_error_for_a_service_that_is_gone():
    resolver = architect.configure(config())

    async def use():
        service = architect.service("a")
        _ = service.aio.client
        resolver._config = {}
        architect.reload()
        await service.aio.close()
        with pytest.raises(architect.UnknownServiceError):
            _ = service.aio.client

    asyncio.run(use())
