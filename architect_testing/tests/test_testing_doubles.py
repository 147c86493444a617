"""Doubles stand in for what an application depends on, while a test runs and no longer."""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
import json
import os
import pickle
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from pydantic import BaseModel

import architect.sdk as architect
from architect import testing
from architect.testing import Doubles, NoDoubleError, UnfitEventError
from architect_core.resolver import events

OWL = """
from architect_core.contract.client import ClientFactory, Options
from architect_core.contract.credentials import CredentialParser
from architect_core.contract.development import Double, DoubleFactory
from architect_core.contract.credentials import Credentials
from architect_core.contract.hooks import hookimpl

ARCHITECT_CONTRACT = 2
closed = []

class Owl:
    def __init__(self, target):
        self.name, self.speed, self.host = target.name, target.options.speed, target.config.host
    def close(self):
        closed.append(self)

class Factory(ClientFactory):
    fork_safe = True
    class Options(Options):
        speed: int = 1
    def client(self, target):
        return Owl(target)
    def definitions(self, target):
        return "defs of " + target.name
    def servicer(self, target):
        return object
    def add_servicer(self, target, servicer, server):
        server.append((target.name, servicer))

class OwlDouble(Double):
    def __init__(self, target):
        super().__init__({"host": "tree"})
        self.behaviour = target.behaviour
    def client(self, make):
        if self.behaviour == "replaced":
            return len  # of another kind than the protocol's own, and not to be closed as one
        owl = make()
        owl.hoot = lambda: self.requests.append(self.behaviour) or self.behaviour
        return owl
    def close(self):
        closed.append(self)
        if self.behaviour == "fails":
            raise OSError("cannot be closed")

class Doubles(DoubleFactory):
    def double(self, target):
        if target.behaviour is None:
            raise TypeError("an owl hoots something")
        if target.behaviour == "nothing":
            return 7
        if target.behaviour == "root":
            return OwlDouble(type(target)(target.name, str(target.find_root()), None))
        return OwlDouble(target)

class Parser(CredentialParser):
    def credentials(self, target):
        if target.config.host is None:
            raise target.error("host", "is missing")
        return Credentials("owl", dict(target.config.items()), "nest://")

@hookimpl
def architect_client_factory():
    return Factory()

@hookimpl
def architect_double_factory():
    return Doubles()

@hookimpl
def architect_credential_parser():
    return Parser()
"""
REAL = {
    "acme/real": {"host": "real", "api": "owl"},
    "acme/app": {"datastores": {"real_db": {"type": "owl", "host": "real"}}, "subscriptions": {"real_event": {}}},
}


@pytest.fixture
def owl(install_plugin):
    """The module of a plugin "owl" with doubles."""
    install_plugin("architect-owl", {"owl": "an_owl"}, {"an_owl": OWL})
    import an_owl

    yield an_owl
    del sys.modules["an_owl"]


@pytest.fixture
def doubles(owl, tmp_path):
    with Doubles(root=tmp_path) as opened:
        yield opened


class Reminder(BaseModel):
    invoice: int
    due: dt.date | None = None


# services


def test_a_double_of_a_plugin_stands_in_for_a_service(doubles):
    double = doubles.service("acme/billing", "owl", "hoo")
    assert architect.service("acme/billing").client.hoot() == "hoo"
    assert double.requests == ["hoo"]
    assert dict(architect.service("acme/billing").config) == {"host": "tree", "api": "owl"}
    assert architect.service("acme/billing").defs == "defs of acme/billing"


def test_the_client_is_the_protocol_s_own_with_its_options(doubles):
    doubles.service("acme/billing", "owl", "hoo", options={"speed": 9}, host="oak", token="7")
    client = architect.service("acme/billing").client
    assert (client.name, client.speed, client.host) == ("acme/billing", 9, "oak")
    assert architect.service("acme/billing").config["token"] == "7"


def test_an_option_that_the_protocol_does_not_have_is_an_error_as_ever(doubles):
    doubles.service("acme/billing", "owl", "hoo", options={"sped": 9})
    with pytest.raises(architect.ConfigError, match=r"the doubles of this test: acme/billing\.options\.sped: unknown"):
        _ = architect.service("acme/billing").client


def test_a_double_may_be_added_when_the_application_has_asked_already(doubles):
    doubles.service("acme/billing", "owl", "hoo")
    asked = architect.service("acme/billing").client
    current = architect.current_service()
    with pytest.raises(architect.UnknownServiceError):
        architect.service("acme/payments")
    with pytest.raises(architect.UnknownDatastoreError):
        architect.datastore("db")
    with pytest.raises(architect.UnknownEventError):
        architect.notification("laid")
    doubles.service("acme/payments", "owl", "huu")
    doubles.datastore("db", type="owl", host="nest")
    doubles.notification("laid")
    assert architect.service("acme/payments").client.hoot() == "huu"
    assert architect.datastore("db").host == "nest"
    assert architect.notification("laid").publish({})
    assert architect.service("acme/billing").client is asked
    assert architect.current_service() is current
    assert set(current.config.datastores) == {"db"}
    assert set(current.config.subscriptions) == {"laid"}


def test_a_second_double_of_a_service_takes_the_place_of_the_first(doubles, owl):
    first = doubles.service("acme/billing", "owl", "hoo")
    former = architect.service("acme/billing").client
    second = doubles.service("acme/billing", "owl", "huu")
    assert owl.closed == [former]
    assert architect.service("acme/billing").client.hoot() == "huu"
    assert (first.requests, second.requests) == ([], ["huu"])


def test_the_plugin_is_told_where_the_tested_service_lies(doubles, tmp_path):
    assert doubles.service("acme/billing", "owl", "root").behaviour == str(tmp_path)


def test_a_fork_drops_no_client_that_the_protocol_says_survives(doubles):
    doubles.service("acme/billing", "owl", "hoo")
    client = architect.service("acme/billing").client
    child = os.fork()
    if child == 0:
        os._exit(architect.service("acme/billing").client is not client)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize(
    ("ask", "known", "remedy"),
    [
        (lambda: architect.service("acme/real"), "no double of a service named 'acme/real'", "service(name, api,"),
        (lambda: architect.datastore("real_db"), "no double of a datastore named 'real_db'", "datastore(name, type="),
        (lambda: architect.notification("real_event"), "no double of an event named 'real_ev", "notification(event)"),
        (lambda: architect.service(["no name"]), "no double of a service named ['no name']", "service(name, api,"),
        (lambda: architect.notification(["no"]), "no double of an event named ['no']", "notification(event)"),
    ],
)
def test_what_has_no_double_is_unknown_whatever_the_environment_holds(owl, monkeypatch, ask, known, remedy):
    monkeypatch.setenv("ARCHITECT", json.dumps(REAL))
    monkeypatch.setenv("ARCHITECT_CURRENT_SERVICE", "acme/app")
    before = dict(os.environ)
    with Doubles() as doubles:
        doubles.service("acme/reel", "owl", "hoo")
        with pytest.raises(architect.UnknownNameError) as caught:
            ask()
    assert isinstance(caught.value, NoDoubleError)
    assert known in str(caught.value)
    assert f"Make one: {remedy}" in str(caught.value)
    assert dict(os.environ) == before


def test_the_nearest_double_is_named(doubles):
    doubles.service("acme/billing", "owl", "hoo")
    with pytest.raises(architect.UnknownServiceError, match="did you mean 'acme/billing'"):
        architect.service("acme/biling")


def test_a_broken_environment_disturbs_nobody(owl, monkeypatch):
    for name in ("ARCHITECT", "ARCHITECT_CURRENT_SERVICE", "ARCHITECT_SERVICE_ROOT", "ARCHITECT_SOURCE"):
        monkeypatch.setenv(name, "{nonsense")
    with Doubles() as doubles:
        doubles.service("acme/billing", "owl", "hoo")
        doubles.datastore("db", type="owl", host="nest")
        assert architect.service("acme/billing").client.hoot() == "hoo"


def test_a_protocol_that_is_not_installed_is_told_as_ever(doubles):
    with pytest.raises(architect.NoPluginError, match="double of 'acme/billing': no installed plugin serves 'owls'"):
        doubles.service("acme/billing", "owls", "hoo")


def test_a_plugin_without_doubles_is_told(doubles, install_plugin):
    source = "ARCHITECT_CONTRACT = 2"
    install_plugin("architect-mute", {"mute": "plugin_under_test_mute"}, {"plugin_under_test_mute": source})
    with pytest.raises(architect.PluginError, match=r"architect-mute 1\.2\.3 has no hook architect_double_factory"):
        doubles.service("acme/billing", "mute", "hoo")
    del sys.modules["plugin_under_test_mute"]


def test_a_plugin_whose_double_is_none_is_told(doubles):
    with pytest.raises(
        architect.PluginError, match=r"architect-owl 1\.2\.3 made a int, where the contract asks for a D"
    ):
        doubles.service("acme/billing", "owl", "nothing")


def test_a_behaviour_that_means_nothing_to_the_plugin_is_its_type_error(doubles):
    with pytest.raises(TypeError, match="an owl hoots something"):
        doubles.service("acme/billing", "owl", None)
    with pytest.raises(architect.UnknownServiceError):
        architect.service("acme/billing")


def test_a_malformed_name_is_an_error_and_its_double_is_closed_at_the_end(owl):
    with Doubles() as doubles:
        with pytest.raises(architect.ConfigError, match="a name has letters"):
            doubles.service("Acme Billing", "owl", "hoo")
        assert owl.closed == []
    assert [double.behaviour for double in owl.closed] == ["hoo"]


# opening and closing


def test_the_clients_are_closed_before_the_doubles_and_the_last_double_first(owl):
    with Doubles() as doubles:
        first = doubles.service("acme/a", "owl", "hoo")
        second = doubles.service("acme/b", "owl", "replaced")
        client = architect.service("acme/a").client
        assert architect.service("acme/b").client is len
    assert owl.closed == [client, second, first]


def test_one_double_that_cannot_be_closed_keeps_no_other_open(owl):
    architect.configure({})
    former = architect._resolver
    doubles = Doubles().__enter__()
    doubles.service("acme/a", "owl", "hoo")
    doubles.service("acme/b", "owl", "fails")
    doubles.service("acme/c", "owl", "huu")
    with pytest.raises(OSError, match="cannot be closed"):
        doubles.__exit__(None, None, None)
    assert [double.behaviour for double in owl.closed] == ["huu", "fails", "hoo"]
    assert architect._resolver is former


def test_what_was_configured_before_is_asked_again_afterwards_and_goes_on_working(owl):
    resolver = architect.configure(REAL)
    client = architect.service("acme/real").client
    with Doubles():
        with pytest.raises(architect.UnknownServiceError):
            architect.service("acme/real")
        architect.configure({})  # also where the application configures itself anew
    assert architect.service("acme/real").client is client
    assert resolver.service("acme/real").client is client
    assert owl.closed == []


def test_the_environment_is_read_afterwards_where_nothing_was_asked_before(owl, monkeypatch):
    with Doubles():
        pass
    monkeypatch.setenv("ARCHITECT", json.dumps(REAL))
    assert architect.service("acme/real").config.host == "real"


def test_doubles_are_left_when_the_test_fails():
    with pytest.raises(ZeroDivisionError), Doubles():
        _ = 1 / 0
    assert architect._resolver is None


def test_doubles_may_be_opened_inside_of_others(owl):
    with Doubles() as outer:
        outer.service("acme/a", "owl", "outer")
        kept = architect.service("acme/a").client
        with Doubles() as inner:
            inner.service("acme/b", "owl", "inner")
            assert architect.service("acme/b").client.hoot() == "inner"
            with pytest.raises(architect.UnknownServiceError):
                architect.service("acme/a")
        assert architect.service("acme/a").client is kept
        with pytest.raises(architect.UnknownServiceError):
            architect.service("acme/b")


# services that application code holds, as it does when it looks one up at the top of a module


def test_a_service_that_was_looked_up_before_the_test_reaches_its_doubles_and_then_the_real_one_again(owl):
    architect.configure(REAL)
    held = architect.service("acme/real")
    client = held.client
    for answer in ("hoo", "huu"):
        with Doubles() as doubles:
            doubles.service("acme/real", "owl", answer)
            assert held.client.hoot() == answer
            assert architect.service("acme/real").client.hoot() == answer
        assert held.client is client
    assert client not in owl.closed


def test_doubles_whose_tested_service_has_a_malformed_name_replace_nothing(owl):
    before = architect.configure({"acme/billing": {"api": "owl", "host": "real"}})
    held = architect.service("acme/billing")
    with pytest.raises(architect.ConfigError), Doubles(current_service="no name"):
        pass
    assert architect.service("acme/billing") is held
    assert architect._resolver is before
    assert held.client.host == "real"


def test_doubles_open_while_other_threads_look_services_up(owl):
    names = [f"acme/s{number}" for number in range(30)]
    ended = threading.Event()

    def look_up():
        while not ended.is_set():
            resolver = architect.configure({name: {"api": "owl", "host": "real"} for name in names})
            for name in names:
                resolver.service(name)

    threads = [threading.Thread(target=look_up) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(60):
            with Doubles():
                pass
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_a_service_that_was_looked_up_before_is_an_error_in_a_test_that_has_no_double_of_it(owl):
    architect.configure(REAL)
    held = architect.service("acme/real")
    with Doubles(), pytest.raises(NoDoubleError, match="no double of a service named 'acme/real'"):
        _ = held.client
    assert held.client.name == "acme/real"


def test_a_service_that_was_looked_up_in_one_test_reaches_the_double_of_the_next(owl):
    with Doubles() as doubles:
        doubles.service("acme/billing", "owl", "first")
        held = architect.service("acme/billing")
        assert held.client.hoot() == "first"
    with Doubles() as doubles:
        doubles.service("acme/billing", "owl", "second")
        assert held.client.hoot() == "second"


def test_a_service_that_was_looked_up_in_a_test_is_one_clear_error_after_it(owl):
    with Doubles() as doubles:
        doubles.service("acme/billing", "owl", "hoo")
        held = architect.service("acme/billing")
        assert held.client
    for use in (lambda: held.client, lambda: held.defs, lambda: asyncio.run(client_of(held))):
        with pytest.raises(NoDoubleError, match=r"'acme/billing'.* The test that made one has ended"):
            use()


async def client_of(service):
    return service.aio.client


def test_a_service_of_inner_doubles_reaches_the_outer_ones_afterwards(owl):
    with Doubles() as outer:
        outer.service("acme/billing", "owl", "outer")
        with Doubles() as inner:
            inner.service("acme/billing", "owl", "inner")
            held = architect.service("acme/billing")
            assert held.client.hoot() == "inner"
        assert held.client.hoot() == "outer"


def test_two_holders_of_a_service_from_different_configurations_both_reach_the_double(owl):
    held = []
    for host in ("one", "two"):
        architect.configure({"acme/real": {"host": host, "api": "owl"}})
        held.append(architect.service("acme/real"))
    with Doubles() as doubles:
        doubles.service("acme/real", "owl", "hoo")
        assert [each.client.hoot() for each in held] == ["hoo", "hoo"]
    assert [each.client.host for each in held] == ["one", "two"]


# the tested service


def manifest(folder: Path, **content: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "architect.json").write_text(json.dumps({"name": "acme/app", **content}))
    return folder


def test_the_tested_service_is_the_one_that_is_named(tmp_path):
    with Doubles(current_service="acme/other", root=manifest(tmp_path, api={"type": "owl"})):
        assert architect.current_service().name == "acme/other"
        assert architect.current_service().config.api is None


def test_the_tested_service_is_else_that_of_the_manifest_above_the_working_directory(owl, tmp_path, monkeypatch):
    manifest(tmp_path / "app")
    manifest(tmp_path / "elsewhere", name="acme/elsewhere")
    (tmp_path / "app" / "tests").mkdir()
    monkeypatch.chdir(tmp_path / "app" / "tests")
    monkeypatch.setenv("ARCHITECT_SERVICE_ROOT", str(tmp_path / "elsewhere"))
    with Doubles() as doubles:
        assert architect.current_service().name == "acme/app"
        assert doubles.service("acme/billing", "owl", "root").behaviour == str(tmp_path / "app")


def test_the_tested_service_has_else_a_name_that_says_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Doubles():
        assert architect.current_service().name == "application"
    with Doubles(root=tmp_path / "nowhere"):
        assert architect.current_service().name == "application"


def test_a_folder_that_is_nowhere_is_told_to_those_who_need_it(owl, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Doubles() as doubles, pytest.raises(architect.StubError, match=r"pass `root=` to Doubles\(\)"):
        doubles.service("acme/billing", "owl", "root")


def test_a_malformed_manifest_of_the_tested_service_is_told(tmp_path):
    with pytest.raises(architect.ManifestError, match="port: a port is a number"):
        Doubles(root=manifest(tmp_path, port="red"))


def test_the_tested_service_itself_can_be_served_and_its_client_needs_a_double(owl, tmp_path):
    with Doubles(root=manifest(tmp_path, api={"type": "owl"})) as doubles:
        current = architect.current_service()
        assert current.Servicer is object
        server: list[object] = []
        current.add_servicer("it", server)
        assert server == [("acme/app", "it")]
        with pytest.raises(NoDoubleError, match="no double of a service named 'acme/app'"):
            _ = current.client
        doubles.datastore("db", type="owl", host="nest")
        doubles.service("acme/app", "owl", "self")
        doubles.notification("laid")
        assert architect.service("acme/app").client.hoot() == "self"
        assert architect.current_service().client.hoot() == "self"
        assert architect.current_service().config.host == "tree"
        assert architect.datastore("db").host == "nest"


# datastores


def test_a_datastore_is_what_its_keyword_arguments_say(doubles):
    given = doubles.datastore("primary_db", type="owl", host="nest", port=1, name="shop", password="p", EXTRA="7")
    asked = architect.datastore("primary_db")
    assert asked is given
    assert (asked.host, asked.port, asked.name, asked.password, asked.EXTRA) == ("nest", 1, "shop", "p", "7")


def test_the_engine_of_a_datastore_may_be_left_to_the_manifest(owl, tmp_path):
    with Doubles(root=manifest(tmp_path, datastores={"primary_db": {"image": "owl:16"}})) as doubles:
        assert doubles.datastore("primary_db", host="nest").engine == "owl"


def test_a_second_entry_of_a_datastore_takes_the_place_of_the_first(doubles):
    doubles.datastore("db", type="owl", host="nest")
    doubles.datastore("db", type="owl", host="hole")
    assert architect.datastore("db").host == "hole"


def test_a_malformed_datastore_is_told_without_its_values_and_leaves_the_others(doubles):
    doubles.datastore("db", type="owl", host="nest")
    with pytest.raises(architect.ConfigError, match=r"the doubles of this test: .*\.datastores\.bad\.port") as caught:
        doubles.datastore("bad", type="owl", host="nest", port="s3cret")
    assert "s3cret" not in str(caught.value)
    with pytest.raises(architect.ConfigError, match=r"\.datastores\.hostless\.host: is missing"):
        doubles.datastore("hostless", type="owl")
    doubles.datastore("other", type="owl", host="nest")
    assert architect.datastore("db").host == "nest"
    with pytest.raises(architect.UnknownDatastoreError):
        architect.datastore("bad")


# events


def test_events_are_recorded_in_order_as_a_subscriber_parses_them(doubles):
    letters = doubles.notification("reminder_sent")
    architect.notification("reminder_sent").publish({"day": dt.date(2026, 1, 2)})
    architect.notification("reminder_sent").publish(Reminder(invoice=7))
    architect.notification("reminder_sent").publish(b'[1, "two"]')
    assert letters.events == [{"day": "2026-01-02"}, {"invoice": 7, "due": None}, [1, "two"]]


def test_an_event_that_is_changed_after_its_publication_is_recorded_as_it_was(doubles):
    letters, payload = doubles.notification("reminder_sent"), {"invoice": 7}
    architect.notification("reminder_sent").publish(payload)
    payload["invoice"] = 8
    assert letters.events == [{"invoice": 7}]


def test_all_threads_events_are_recorded(doubles):
    letters = doubles.notification("counted", dict[str, int])
    publish = architect.notification("counted").publish
    threads = [threading.Thread(target=lambda: [publish({"n": 1}) for _ in range(50)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(letters.events) == 400


def test_an_event_has_a_subscriber_that_takes_it(doubles):
    doubles.notification("reminder_sent")
    (delivery,) = architect.notification("reminder_sent").publish({})
    assert (delivery.ok, delivery.status, delivery.subscription.name) == (True, 200, "subscriber")
    with pytest.raises(architect.UnknownServiceError):
        architect.service("subscriber")


def test_subscribers_can_fail(doubles):
    refused = ConnectionRefusedError("refused")
    answers = {"acme/mailer": 503, "acme/ledger": refused, "acme/audit": 204}
    doubles.notification("reminder_sent", subscribers=answers)
    event = architect.notification("reminder_sent")
    assert [(each.subscription.name, each.ok, each.status, each.error) for each in event.publish({})] == [
        ("acme/mailer", False, 503, None),
        ("acme/ledger", False, None, refused),
        ("acme/audit", True, 204, None),
    ]
    assert [each.name for each in event.subscriptions] == list(answers)


def test_an_event_may_have_no_subscriber(doubles):
    letters = doubles.notification("reminder_sent", subscribers={})
    assert architect.notification("reminder_sent").publish({}) == []
    assert letters.events == [{}]


def test_a_payload_that_does_not_fit_the_schema_fails_in_publish_with_its_path_and_no_value(doubles):
    letters = doubles.notification("reminder_sent", schema=Reminder)
    with pytest.raises(UnfitEventError) as caught:
        architect.notification("reminder_sent").publish({"invoice": "s3cret", "due": "s3cret too"})
    error = caught.value
    assert isinstance(error, AssertionError)
    assert isinstance(error, architect.ArchitectError)
    assert [path for path, _ in error.problems] == ["invoice", "due"]
    assert str(error).startswith(
        "event 'reminder_sent': the payload does not fit Reminder:\n  invoice: input should be"
    )
    assert "s3cret" not in str(error)
    assert (error.__context__, error.__cause__) == (None, None)
    assert letters.events == []
    with pytest.raises(UnfitEventError, match="does not fit Reminder: invoice: field required"):
        architect.notification("reminder_sent").publish({})


def test_a_schema_is_any_type_that_pydantic_checks(doubles):
    letters = doubles.notification("counted", list[dict[str, int]])
    architect.notification("counted").publish([{"a": 1}])
    with pytest.raises(UnfitEventError, match=r"does not fit list\[dict\[str, int\]\]: \[0\]\.a: "):
        architect.notification("counted").publish([{"a": "x"}])
    assert letters.events == [[{"a": 1}]]


def test_bytes_that_are_no_json_do_not_fit(doubles):
    doubles.notification("counted")
    with pytest.raises(UnfitEventError, match="does not fit JSON: it is bytes that cannot be parsed") as caught:
        architect.notification("counted").publish(b"\xff s3cret")
    assert caught.value.__context__ is None
    doubles.notification("counted", schema=Reminder)
    with pytest.raises(UnfitEventError, match="does not fit Reminder: invalid JSON"):
        architect.notification("counted").publish(b"s3cret")


def test_what_publish_refuses_in_production_it_refuses_in_a_test(doubles):
    letters = doubles.notification("counted")
    with pytest.raises(architect.PayloadError):
        architect.notification("counted").publish({"a": object()})
    with pytest.raises(ValueError, match="timeout must be a positive"):
        architect.notification("counted").publish({}, timeout=0)
    assert letters.events == []


def test_a_malformed_event_is_told(doubles):
    with pytest.raises(architect.ConfigError, match="an event's name is empty"):
        doubles.notification("")
    with pytest.raises(architect.ConfigError, match="a name has letters"):
        doubles.notification("counted", subscribers={"the mailer": 200})
    with pytest.raises(TypeError, match="the subscriber 'acme/mailer' answers with a str; give a status"):
        doubles.notification("counted", subscribers={"acme/mailer": "503"})
    with pytest.raises(architect.UnknownEventError):
        architect.notification("counted")


def test_keys_are_recorded_and_no_outbox_is_written_to(doubles):
    letters = doubles.notification("reminder_sent", subscribers={"acme/mailer": 503})
    assert architect.notification("reminder_sent").publish({"n": 1}, key="ada", outbox=object()) == []
    (delivery,) = architect.notification("reminder_sent").publish({"n": 2})
    assert delivery.status == 503
    assert (letters.events, letters.keys) == ([{"n": 1}, {"n": 2}], ["ada", None])
    with pytest.raises(ValueError, match="`key` must be text"):
        architect.notification("reminder_sent").publish({}, key="")


def test_what_coroutines_publish_is_recorded(doubles):
    letters = doubles.notification("reminder_sent", schema=Reminder)
    (delivery,) = asyncio.run(architect.notification("reminder_sent").aio.publish({"invoice": 7}, key="7"))
    assert delivery.ok
    with pytest.raises(UnfitEventError):
        asyncio.run(architect.notification("reminder_sent").aio.publish({}, outbox=object()))
    assert (letters.events, letters.keys) == ([{"invoice": 7}], ["7"])


@pytest.fixture
def handled(monkeypatch):
    """The events that two handlers got."""
    monkeypatch.setattr(events, "handlers", {})
    found = []

    @architect.on("acme/orders", "order_placed")
    def letter(event):
        found.append(event)
        return event.payload["order"]

    @architect.on("acme/orders", "order_lost")
    async def apology(event):
        await asyncio.sleep(0)
        found.append(event)
        return f"sorry, {event.payload}"

    return found


def test_a_handler_is_called_with_an_event(doubles, handled):
    order = {"order": 7, "day": dt.date(2026, 1, 2)}
    assert doubles.deliver("acme/orders", "order_placed", order, key="ada", attempt=3) == 7
    assert doubles.deliver("acme/orders", "order_lost", b'"ada"') == "sorry, ada"
    placed, lost = handled
    assert isinstance(placed, architect.Event)
    assert placed.payload == {"order": 7, "day": "2026-01-02"}
    assert (placed.event, placed.source, placed.key, placed.attempt) == ("order_placed", "acme/orders", "ada", 3)
    assert (lost.key, lost.attempt) == (None, 1)
    assert placed.id != lost.id


def test_a_handler_is_called_in_a_test_that_is_a_coroutine(doubles, handled):
    async def test():
        assert doubles.deliver("acme/orders", "order_lost", "bob") == "sorry, bob"

    asyncio.run(test())
    assert len(handled) == 1


def test_what_a_handler_raises_reaches_the_test(doubles, handled):
    with pytest.raises(KeyError, match="order"):
        doubles.deliver("acme/orders", "order_placed", {})
    with pytest.raises(architect.PayloadError):
        doubles.deliver("acme/orders", "order_placed", {"order": object()})


def test_an_event_without_a_handler_is_told_with_those_that_have_one(doubles, handled):
    known = "known: acme/orders order_lost, acme/orders order_placed. Import the module"
    with pytest.raises(architect.UnknownEventError, match=f"did you mean 'acme/orders order_placed'.*{known}"):
        doubles.deliver("acme/orders", "order_place", {})


def test_the_errors_can_be_pickled_and_copied_as_process_pools_do(doubles):
    with pytest.raises(NoDoubleError) as unknown:
        architect.service("acme/x")
    for error in (unknown.value, UnfitEventError("laid", "Egg", [("size", "is wrong")])):
        for clone in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert (type(clone), str(clone), vars(clone)) == (type(error), str(error), vars(error))


# pytest


def run_pytest(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    temporary = f"--basetemp={folder / 'temporary'}"  # another run would clean one that they share
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", temporary, *arguments],
        cwd=folder,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


TESTS = """
    import pytest
    import architect.sdk as architect

    @pytest.mark.parametrize("number", range(3))
    def test_each_test_has_doubles_of_its_own(architect_doubles, number):
        assert architect.current_service().name == "acme/app"
        with pytest.raises(architect.UnknownEventError):
            architect.notification(f"event-{number - 1}")
        letters = architect_doubles.notification(f"event-{number}")
        architect.notification(f"event-{number}").publish({"n": number})
        assert letters.events == [{"n": number}]

    def test_nothing_is_left_behind():
        assert architect._resolver is None
"""


def test_the_fixture_is_for_the_service_whose_folder_the_test_is_in(tmp_path):
    tests = manifest(tmp_path / "services" / "app") / "tests"
    tests.mkdir()
    (tests / "test_app.py").write_text(textwrap.dedent(TESTS))
    done = run_pytest(tmp_path)
    assert "4 passed" in done.stdout, done.stdout + done.stderr


def test_the_fixture_can_be_overridden_for_another_service(tmp_path):
    (tmp_path / "conftest.py").write_text(
        textwrap.dedent("""
        import pytest
        from architect.testing import Doubles

        @pytest.fixture
        def architect_doubles():
            with Doubles(current_service="acme/app") as doubles:
                yield doubles
        """)
    )
    (tmp_path / "test_app.py").write_text(textwrap.dedent(TESTS))
    done = run_pytest(tmp_path)
    assert "4 passed" in done.stdout, done.stdout + done.stderr


def test_an_application_may_look_a_service_up_at_the_top_of_a_module(owl, tmp_path):
    (tmp_path / "application.py").write_text(
        "import architect.sdk as architect\n"
        "billing = architect.service('acme/billing')\n"
        "def ask():\n"
        "    return billing.client.hoot()\n"
    )
    (tmp_path / "test_application.py").write_text(
        "import pytest\n"
        "import architect.sdk as architect\n"
        "from application import ask\n"
        "@pytest.mark.parametrize('answer', ['first', 'second'])\n"
        "def test_it_reaches_the_double_of_each_test(architect_doubles, answer):\n"
        "    architect_doubles.service('acme/billing', 'owl', answer)\n"
        "    assert ask() == answer\n"
        "def test_it_is_an_error_of_ours_without_a_double(architect_doubles):\n"
        "    with pytest.raises(architect.UnknownServiceError, match='no double of a service named'):\n"
        "        ask()\n"
        "def test_it_is_an_error_of_ours_without_doubles():\n"
        "    with pytest.raises(architect.UnknownServiceError, match='acme/billing'):\n"
        "        ask()\n"
        "def test_an_unknown_service_is_an_error_at_once_in_a_test():\n"
        "    with pytest.raises(architect.UnknownServiceError):\n"
        "        architect.service('acme/other')\n"
    )
    done = run_pytest(tmp_path, PYTHONPATH=os.pathsep.join(sys.path))
    assert "5 passed" in done.stdout, done.stdout + done.stderr


def test_a_pytest_run_that_collects_nothing_leaves_look_ups_strict(tmp_path):
    (tmp_path / "test_runs.py").write_text(
        "import pytest, architect.sdk as architect\n"
        "def test_it(tmp_path):\n"
        "    (tmp_path / 'conftest.py').write_text('1 / 0')\n"
        "    for arguments in (['--version'], ['--no-such-option'], [str(tmp_path)]):\n"
        "        pytest.main([*arguments, '-p', 'no:cacheprovider'])\n"
        "        assert not architect._defers_unknown, arguments\n"
    )
    done = run_pytest(tmp_path)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_plugin_costs_a_run_that_does_not_use_it_nothing(tmp_path):
    (tmp_path / "test_other.py").write_text(
        "import sys\n"
        "def test_nothing():\n"
        "    assert 'architect_testing.fixture' in sys.modules\n"
        "    names = ('architect_core', 'pydantic', 'requests', 'grpc', 'wsgiref')\n"
        "    assert [name for name in names if name in sys.modules] == []\n"
    )
    only = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # those of other distributions import what they like
    done = run_pytest(tmp_path, "-p", "architect_testing.fixture", **only)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_importing_the_package_imports_nothing_else():
    program = (
        "import sys; before = set(sys.modules); import architect.testing; print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout.replace("'", '"'))) <= {"architect", "architect.testing", "__future__"}


def test_every_exported_name_exists_and_no_other():
    assert testing.__all__ == sorted(testing.__all__)
    assert set(testing.__all__) <= set(dir(testing))
    for name in testing.__all__:
        assert getattr(testing, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Dubles'"):
        _ = testing.Dubles


def test_doubles_serve_a_unittest_too(owl):
    import unittest

    class Case(unittest.TestCase):
        def setUp(self):
            self.doubles = self.enterContext(Doubles())

        def test_it(self):
            self.doubles.service("acme/billing", "owl", "hoo")
            assert architect.service("acme/billing").client.hoot() == "hoo"

    result = unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(unittest.TestResult())
    assert (result.testsRun, result.failures, result.errors) == (1, [], [])
    assert architect._resolver is None
