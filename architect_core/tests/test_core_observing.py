"""An observer is told of the clients that are made, on one line or one variable's word, and can break none of them."""

from __future__ import annotations

import asyncio
import logging
import sys

import pytest

import architect.sdk as architect
from architect_core.plugins import Plugins
from architect_core.resolver import observing

HEAD = "from architect_core.contract import hookimpl\nARCHITECT_CONTRACT = 2\n"
OWL = (
    HEAD
    + """
from architect_core.contract.client import ClientFactory
from architect_core.contract.observer import Outcome
class Client:
    def __init__(self, target):
        self.observer = target.observer
    def call(self):
        if self.observer is not None:
            self.observer.ended(Outcome(0.5, "503", 2, "http://h:1"))
        return "answer"
    async def aclose(self):
        pass
    def close(self):
        pass
class Factory(ClientFactory):
    def client(self, target):
        return Client(target)
    aio_client = client
@hookimpl
def architect_client_factory():
    return Factory()
"""
)
OBSERVER = (
    HEAD
    + """
from architect_core.contract.observer import ClientObserver, Observer
told = []
class Of(ClientObserver):
    def __init__(self, service, protocol):
        self.name = f"{protocol} {service}"
    def made(self, client):
        told.append((self.name, type(client).__name__))
    def ended(self, outcome):
        told.append((self.name, outcome.seconds, outcome.error, outcome.attempts, outcome.instance))
class Ears(Observer):
    def observe(self, service, protocol):
        return Of(service, protocol)
@hookimpl
def architect_observer():
    return Ears()
"""
)
RAISING = OBSERVER.replace("told.append", "told.missing")
CONFIG = {name: {"host": "h", "port": 1, "api": "owl"} for name in "ab"}


@pytest.fixture(autouse=True)
def plugins(install_plugin, monkeypatch):
    monkeypatch.setattr(observing, "_plugins", Plugins())
    install_plugin(
        "architect-owl",
        {"owl": "observed_owl", "ears": "observing_ears"},
        {"observed_owl": OWL, "observing_ears": OBSERVER},
    )
    architect.configure(CONFIG)
    yield
    architect.observe(None)
    for name in [name for name in sys.modules if name in {"observed_owl", "observing_ears"}]:
        del sys.modules[name]


def told():
    return sys.modules["observing_ears"].told


@pytest.mark.parametrize("how", ["line", "variable"])
def test_one_line_or_one_variable_has_an_observer_told_of_every_client(monkeypatch, how):
    if how == "line":
        architect.observe("ears")
    else:
        monkeypatch.setenv("ARCHITECT_OBSERVER", "ears")
    assert architect.service("a").client.call() == "answer"
    assert told() == [("owl a", "Client"), ("owl a", 0.5, "503", 2, "http://h:1")]


def test_a_client_of_an_event_loop_is_told_of_too():
    architect.observe("ears")

    async def call():
        return architect.service("b").aio.client.call()

    assert asyncio.run(call()) == "answer"
    assert [name for name, *_ in told()] == ["owl b", "owl b"]


def test_without_one_no_observer_is_loaded_and_the_client_has_none():
    assert architect.service("a").client.call() == "answer"
    assert architect.service("a").client.observer is None
    assert "observing_ears" not in sys.modules


def test_it_stays_whatever_is_configured_and_goes_with_none():
    architect.observe("ears")
    architect.configure(CONFIG)
    architect.service("a").client.call()
    assert len(told()) == 2
    architect.observe(None)
    assert architect.service("b").client.observer is None


def test_what_the_line_says_wins_over_the_variable(monkeypatch):
    monkeypatch.setenv("ARCHITECT_OBSERVER", "nobody")
    architect.observe("ears")
    architect.service("a").client.call()
    assert len(told()) == 2


def test_an_unknown_observer_is_told_with_what_to_install(monkeypatch):
    with pytest.raises(architect.NoPluginError, match=r"observe\(\): no installed plugin serves 'hears'.*'ears'"):
        architect.observe("hears")
    assert architect.service("b").client.call() == "answer"
    monkeypatch.setenv("ARCHITECT_OBSERVER", "hears")
    with pytest.raises(architect.NoPluginError, match="the variable ARCHITECT_OBSERVER: no installed plugin serves"):
        _ = architect.service("a").client


def test_a_plugin_that_is_no_observer_is_told():
    with pytest.raises(architect.PluginError, match="has no hook architect_observer"):
        architect.observe("owl")


def test_an_observer_that_raises_breaks_no_call_and_is_logged_once(install_plugin, caplog, tmp_path):
    (tmp_path / "site-packages" / "observing_ears.py").write_text(RAISING)
    architect.observe("ears")
    client = architect.service("a").client
    with caplog.at_level(logging.WARNING, "architect"):
        assert [client.call() for _ in range(3)] == ["answer"] * 3
    assert told() == []
    assert [(each.name, each.levelname) for each in caplog.records] == [("architect", "WARNING")]


def test_an_observer_that_cannot_observe_a_service_keeps_nobody_from_it(caplog, tmp_path):
    (tmp_path / "site-packages" / "observing_ears.py").write_text(
        OBSERVER.replace("return Of(service, protocol)", "raise KeyError(service)")
    )
    architect.observe("ears")
    assert architect.service("a").client.call() == "answer"
    assert "the calls to a are not observed" in caplog.text
