"""A changed configuration is used without a restart, and a malformed one is not used at all."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time

import pytest
from freezegun import freeze_time

import architect.sdk as architect

PLUGIN = """
import pathlib, time
from architect_core.contract.client import ClientFactory, Options
from architect_core.contract.credentials import CredentialParser
from architect_core.contract.credentials import Credentials
from architect_core.contract.hooks import hookimpl

ARCHITECT_CONTRACT = 2

class Client:
    all = []
    def __init__(self, place):
        self.all.append(self)
        self.place = place
        self.is_closed = False
    def close(self):
        self.is_closed = True

class Factory(ClientFactory):
    class Options(Options):
        ca: str | None = None
    def client(self, target):
        if target.config.get("slow"):
            pathlib.Path(target.config["slow"]).touch()
            time.sleep(0.3)
            target.find_root()
        return Client((target.config.host, target.config.port))

class Parser(CredentialParser):
    class Options(Options):
        ca: str | None = None
    def credentials(self, target):
        hold = pathlib.Path(target.config.get("hold") or "/nowhere")
        if hold.exists():
            hold.with_name("reading").touch()
        while hold.exists():
            time.sleep(0.01)
        return Credentials("owl", dict(target.config))

@hookimpl
def architect_client_factory():
    return Factory()

@hookimpl
def architect_credential_parser():
    return Parser()
"""


@pytest.fixture(autouse=True)
def plugin(install_plugin):
    install_plugin("architect-owl", {"owl": "owl_plugin"}, {"owl_plugin": PLUGIN})


def services(port=1, other=1, password="first"):
    return {
        "a": {"host": "a", "port": port, "api": "owl"},
        "b": {"host": "b", "port": other, "api": "owl"},
        "me": {
            "api": None,
            "datastores": {"db": {"type": "owl", "password": password}},
            "subscriptions": {"laid": {"b": {}}},
        },
    }


@pytest.fixture
def file(tmp_path, monkeypatch):
    """The file that the configuration is in; called, it is replaced as a whole, as editors and Kubernetes do."""

    def write(content):
        new = tmp_path / "new"
        new.write_text(content if isinstance(content, str) else json.dumps(content))
        new.replace(tmp_path / "services.json")

    write(services())
    monkeypatch.setenv("ARCHITECT_FILE", str(tmp_path / "services.json"))
    monkeypatch.setenv("ARCHITECT_CURRENT_SERVICE", "me")
    return write


def test_what_changed_is_new_and_what_did_not_is_the_same_object(file):
    a, b, db = architect.service("a"), architect.service("b"), architect.datastore("db")
    clients = a.client, b.client
    laid = architect.notification("laid")
    file(services(port=2, password="second"))
    changes = architect.reload()
    assert changes == architect.Changes(frozenset({"a"}), frozenset({"db"}), frozenset())
    assert architect.service("a") is a
    assert (a.client.place, clients[0].place) == (("a", 2), ("a", 1))
    assert architect.service("b").client is clients[1]
    assert (architect.datastore("db").password, db.password) == ("second", "first")
    assert architect.notification("laid") is laid


def test_a_reload_that_changes_nothing_is_false_and_tells_nobody(file):
    told = []
    architect.on_change(told.append)
    client = architect.service("a").client
    assert not architect.reload()
    assert (told, architect.service("a").client is client) == ([], True)


def test_a_subscriber_that_moved_changes_the_event(file):
    assert architect.notification("laid").subscriptions[0].port == 1
    file(services(other=2))
    assert architect.reload().events == {"laid"}
    assert architect.notification("laid").subscriptions[0].port == 2


def test_what_is_gone_is_unknown_and_can_come_back(file):
    a = architect.service("a")
    client = a.client
    architect.datastore("db")
    file({"me": {"api": None}})
    assert architect.reload() == architect.Changes(frozenset({"a"}), frozenset({"db"}), frozenset())
    with pytest.raises(architect.UnknownServiceError):
        architect.service("a")
    with pytest.raises(architect.UnknownDatastoreError):
        architect.datastore("db")
    file(services())
    assert architect.reload().services == {"a"}
    assert architect.service("a").client is not client


def test_who_keeps_a_service_that_went_hears_of_that_and_is_at_its_place_when_it_is_back(file):
    a = architect.service("a")
    former = a.client
    file({"me": {"api": None}})
    architect.reload()
    with pytest.raises(architect.UnknownServiceError, match="no service named 'a'; known: me"):
        _ = a.client
    file(services(port=2))
    architect.reload()
    assert (a.client.place, former.place) == (("a", 2), ("a", 1))
    assert architect.service("a") is a


@pytest.mark.parametrize("options", [{"ac": "x"}, {"ca": 1}])
def test_a_client_in_use_stays_where_its_new_entry_makes_none(file, options):
    a, b = architect.service("a"), architect.service("b")
    clients = a.client, b.client
    content = services(port=2, other=2)
    content["b"]["options"] = options
    file(content)
    with pytest.raises(architect.ConfigError, match=r"b\.options\.(ac|ca): "):
        architect.reload()
    assert (a.client, b.client) == clients
    assert all(each.is_closed for each in type(a.client).all if each not in clients)  # what was made for nothing
    del content["b"]["options"]
    file(content)
    assert architect.reload().services == {"a", "b"}
    assert (a.client.place, b.client.place) == (("a", 2), ("b", 2))


@pytest.mark.parametrize(
    "content",
    ["", '{"a": {"host"', "[]", {"a": {"port": "s3cret"}}, {"me": {"datastores": {"db": {"type": "nothing"}}}}],
)
def test_a_malformed_configuration_is_not_used_and_the_former_stays(file, content):
    a, db = architect.service("a"), architect.datastore("db")
    client = a.client
    file(content)
    with pytest.raises(architect.ArchitectError) as caught:
        architect.reload()
    assert "s3cret" not in str(caught.value)
    assert (architect.service("a").client, architect.datastore("db")) == (client, db)
    file(services(password="second"))
    assert architect.reload().datastores == {"db"}


def test_a_former_client_is_closed_when_calls_on_it_have_had_time_to_end(file):
    client = architect.service("a").client
    file(services(port=2))
    architect.reload(drain=0.3)
    assert not client.is_closed
    wait_until(lambda: client.is_closed)


def test_a_former_client_is_closed_in_real_time_after_a_reload_in_frozen_time(file):
    client = architect.service("a").client
    file(services(port=2))
    with freeze_time("2012-01-14"):
        architect.reload(drain=0.05)
    wait_until(lambda: client.is_closed)


def test_closing_the_resolver_closes_former_clients_at_once(file):
    client = architect.service("a").client
    file(services(port=2))
    architect.reload()
    assert not client.is_closed
    architect.reset()
    assert client.is_closed
    wait_until(lambda: not drains())


def drains():
    return [each for each in threading.enumerate() if each.name == "architect-drain"]


def test_one_thread_closes_former_clients_each_in_its_own_time(file):
    clients = []
    for count, drain in enumerate([30, 0.4, 0.1, 30] * 5):
        clients.append((drain, architect.service("a").client))
        file(services(port=count + 2))
        architect.reload(drain=drain)
        assert len(drains()) == 1
    wait_until(lambda: all(client.is_closed for drain, client in clients if drain == 0.1))
    wait_until(lambda: all(client.is_closed for drain, client in clients if drain < 1))
    assert not any(client.is_closed for drain, client in clients if drain > 1)


def test_listeners_are_told_one_that_fails_keeps_no_other_from_it_and_one_can_leave(file, caplog):
    told = []

    def fails(_):
        raise ZeroDivisionError

    architect.on_change(fails)
    architect.on_change(told.append)
    leave = architect.on_change(lambda changes: told.append("left"))
    leave()
    leave()
    architect.service("a")
    file(services(port=2))
    architect.reload()
    assert [changes.services for changes in told] == [{"a"}]
    assert "ZeroDivisionError" in caplog.text


def test_fifty_threads_find_all_names_while_the_configuration_is_reloaded(file):
    failures, stop = [], threading.Event()

    def look():
        while not stop.wait(0.001):  # or fifty threads leave the reload no time
            try:
                assert architect.service("a").client.place[0] == "a"
                assert architect.datastore("db").password
                assert architect.notification("laid").subscriptions
            except Exception as problem:
                failures.append(problem)
                return

    threads = [threading.Thread(target=look) for _ in range(50)]
    for thread in threads:
        thread.start()
    for number in range(2, 8):
        file(services(port=number, other=number, password=str(number)))
        architect.reload()
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert architect.service("a").client.place == ("a", 7)


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_watcher_uses_a_changed_file_by_itself_and_tells_of_a_malformed_one(file, caplog):
    caplog.set_level(logging.WARNING, "architect")
    architect.service("a")
    with architect.watch(0.02):
        file(services(port=2))
        wait_until(lambda: architect.service("a").config.port == 2)
        file('{"half": ')
        wait_until(lambda: "the configuration has changed and is not used" in caplog.text)
        assert architect.service("a").config.port == 2
        file(services(port=3))
        wait_until(lambda: architect.service("a").config.port == 3)
    file(services(port=4))
    time.sleep(0.2)
    assert architect.service("a").config.port == 3
    assert "architect-watch" not in [thread.name for thread in threading.enumerate()]


def test_a_file_that_is_being_written_is_not_used_before_it_is_whole(file, tmp_path, caplog):
    caplog.set_level(logging.WARNING, "architect")
    architect.service("a")
    path, text = tmp_path / "services.json", json.dumps(services(port=2))
    with architect.watch(0.05):
        with path.open("w") as opened:
            for start in range(0, len(text), 8):
                opened.write(text[start : start + 8])
                opened.flush()
                time.sleep(0.01)
        wait_until(lambda: architect.service("a").config.port == 2)
    assert caplog.records == []


def test_a_secret_that_a_value_points_to_is_watched(file, tmp_path):
    (tmp_path / "secret").write_text("first")
    file(services(password={"$file": str(tmp_path / "secret")}))
    assert architect.datastore("db").password == "first"
    with architect.watch(0.02):
        (tmp_path / "secret").write_text("second")
        wait_until(lambda: architect.datastore("db").password == "second")


def test_a_child_that_was_forked_watches_too(file):
    architect.service("a")
    architect.watch(0.02)
    ready, told = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(ready[1], b"x")
            wait_until(lambda: architect.service("a").config.port == 2)
            os.write(told[1], b"2")
        finally:
            os._exit(0)
    os.read(ready[0], 1)
    file(services(port=2))
    assert os.read(told[0], 1) == b"2"
    os.waitpid(pid, 0)
    for descriptor in (*ready, *told):
        os.close(descriptor)


def test_a_client_that_is_made_during_a_reload_and_asks_for_the_root_blocks_nobody(file, tmp_path):
    (tmp_path / "architect.json").touch()
    slow = services()
    slow["a"]["slow"] = str(tmp_path / "made")
    file(slow)
    resolver = architect.configure(source="environment", root=tmp_path)
    maker = threading.Thread(target=lambda: resolver.service("a").client, daemon=True)
    maker.start()
    wait_until((tmp_path / "made").exists)
    slow["a"]["port"] = 2
    file(slow)
    reloader = threading.Thread(target=resolver.reload, daemon=True)
    reloader.start()
    for thread in (maker, reloader):
        thread.join(5)
        assert not thread.is_alive()


def test_what_is_looked_up_or_closed_during_a_reload_does_not_break_it(file, tmp_path):
    (tmp_path / "architect.json").touch()
    slow = services()
    slow["a"]["slow"] = str(tmp_path / "made")
    file(slow)
    resolver = architect.configure(source="environment", root=tmp_path)
    maker = threading.Thread(target=lambda: resolver.service("a").client, daemon=True)
    maker.start()
    wait_until((tmp_path / "made").exists)
    file(services(port=2))
    changes = []
    reloader = threading.Thread(target=lambda: changes.append(resolver.reload()), daemon=True)
    reloader.start()
    wait_until(lambda: resolver.catalog.service("a").entry.port == 2)  # it waits for the client that is being made
    resolver.service("b")
    reloader.join(5)
    assert [each.services for each in changes] == [{"a"}]


def test_a_client_that_is_closed_during_a_reload_is_not_used_again(file, tmp_path):
    (tmp_path / "architect.json").touch()
    resolver = architect.configure(source="environment", root=tmp_path)
    kept = resolver.service("b")
    assert not kept.client.is_closed
    _ = resolver.service("a").client
    slow = services(port=2)
    slow["a"]["slow"] = str(tmp_path / "made")
    file(slow)
    reloader = threading.Thread(target=resolver.reload, daemon=True)
    reloader.start()
    wait_until((tmp_path / "made").exists)
    kept.close()
    reloader.join(5)
    assert not kept.client.is_closed


def test_another_running_service_is_found_after_a_reload(file, monkeypatch):
    monkeypatch.setenv("ARCHITECT_CURRENT_SERVICE", "a")
    assert architect.current_service().name == "a"
    held = architect.service("b")
    monkeypatch.setenv("ARCHITECT_CURRENT_SERVICE", "b")
    assert not architect.reload()
    running = architect.current_service()
    assert running.name == "b"
    assert running is not held
    assert running.client is not held.client
    assert not architect.reload()
    held.close()
    assert not running.client.is_closed


def test_watching_anew_while_a_watcher_reloads_blocks_nobody(file):
    architect.service("a")
    entered, go_on = threading.Event(), threading.Event()

    def listen(_):
        entered.set()
        go_on.wait(5)
        architect.service("b")

    architect.on_change(listen)
    first = architect.watch(0.02)
    file(services(port=2))
    assert entered.wait(5)
    threading.Timer(0.2, go_on.set).start()
    second = architect.watch(0.02)
    assert second is not first
    file(services(port=3))
    wait_until(lambda: architect.service("a").config.port == 3)


def test_a_busy_client_is_at_the_new_place_after_every_reload(file):
    service, stop = architect.service("a"), threading.Event()

    def use():
        while not stop.wait(0.0001):  # or the threads leave the reload no time
            assert service.client.place[0] == "a"

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    left_behind = []
    for number in range(2, 102):
        file(services(port=number))
        architect.reload()
        if service.client.place[1] != number:
            left_behind.append(number)
    stop.set()
    for thread in threads:
        thread.join()
    assert left_behind == []


def test_a_change_while_a_listener_runs_is_not_lost(file):
    seen = []

    def listen(_):
        if not seen:
            seen.append(True)
            file(services(password="third"))
            time.sleep(0.2)

    architect.on_change(listen)
    architect.datastore("db")
    with architect.watch(0.02):
        file(services(password="second"))
        wait_until(lambda: architect.datastore("db").password == "third")


def test_a_change_between_the_first_look_up_and_the_watcher_is_used(file):
    assert architect.datastore("db").password == "first"
    file(services(password="second"))
    with architect.watch(0.02):
        wait_until(lambda: architect.datastore("db").password == "second")


def test_a_file_that_changes_once_more_while_it_is_read_is_read_once_more(file, monkeypatch):
    load, late = architect.EnvironmentSource.load, [services(password="third")]

    def load_slowly(self):
        found = load(self)
        if found.services["me"].datastores["db"].password == "second" and late:
            file(late.pop())
        return found

    monkeypatch.setattr(architect.EnvironmentSource, "load", load_slowly)
    architect.datastore("db")
    with architect.watch(0.02):
        file(services(password="second"))
        wait_until(lambda: architect.datastore("db").password == "third")


def test_a_file_whose_size_and_time_of_change_stay_is_read_when_its_content_changes(file, tmp_path):
    path = tmp_path / "services.json"
    architect.datastore("db")
    with architect.watch(0.02):
        time.sleep(0.1)
        times, text = path.stat(), path.read_text()
        path.write_text(text.replace("first", "other"))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        wait_until(lambda: architect.datastore("db").password == "other")


def test_a_failed_reload_is_tried_again_though_what_was_missing_is_no_file_of_the_configuration(file, tmp_path):
    architect.datastore("db")
    with architect.watch(0.02):
        file(services(password={"$file": str(tmp_path / "later")}))
        time.sleep(0.2)
        (tmp_path / "later").write_text("second")
        wait_until(lambda: architect.datastore("db").password == "second")


@pytest.mark.parametrize("seconds", [0, -1, None, "x", True, float("inf")])
def test_a_time_that_is_none_is_refused(file, seconds):
    for begin in (
        lambda: architect.watch(seconds),
        lambda: architect.watch(drain=seconds),
        lambda: architect.reload(drain=seconds),
    ):
        with pytest.raises(ValueError, match=r"(interval|drain) must be a positive number of seconds"):
            begin()


def test_a_listener_that_would_have_to_be_awaited_is_refused():
    async def listener(changes):
        """Never run."""

    with pytest.raises(TypeError, match="give a plain function"):
        architect.on_change(listener)


def test_a_listener_that_exits_ends_neither_the_watcher_nor_what_others_are_told(file, caplog):
    told = []
    architect.on_change(lambda changes: sys.exit(3))
    architect.on_change(told.append)
    architect.datastore("db")
    with architect.watch(0.02):
        for count, password in enumerate(["second", "third"], 1):
            file(services(password=password))
            wait_until(lambda count=count: len(told) == count)
    assert "a listener for changes of the configuration failed" in caplog.text


def test_configuring_anew_ends_the_watcher(file):
    architect.service("a")
    watcher = architect.watch(0.02)
    architect.configure({})
    assert not watcher._thread.is_alive()


@pytest.mark.parametrize("named_in", ["service", "datastore", "datastore, from the working folder"])
def test_a_file_that_an_entry_names_is_watched_and_its_new_content_is_a_change(file, named_in, tmp_path, monkeypatch):
    certificate = tmp_path / "ca.crt"
    certificate.write_text("first")
    named_in, _, is_relative = named_in.partition(",")
    monkeypatch.chdir(tmp_path)
    content = services()
    owner = content["a"] if named_in == "service" else content["me"]["datastores"]["db"]
    owner["options"] = {"ca": "ca.crt" if is_relative else str(certificate)}
    file(content)
    service, client = architect.service("a"), architect.service("a").client
    architect.datastore("db")
    told = []
    architect.on_change(told.append)
    with architect.watch(0.02):
        certificate.write_text("second, of another size")
        wait_until(lambda: told)
    expected = (frozenset("a"), frozenset()) if named_in == "service" else (frozenset(), frozenset({"db"}))
    assert (told[0].services, told[0].datastores) == expected
    assert (service.client is client) == (named_in == "datastore")


def test_what_is_known_is_found_while_a_reload_reads(file, tmp_path):
    known = architect.service("a"), architect.datastore("db"), architect.notification("laid")
    content = services(password="second")
    content["me"]["datastores"]["db"]["hold"] = str(tmp_path / "hold")
    file(content)
    (tmp_path / "hold").touch()
    reload = threading.Thread(target=architect.reload)
    reload.start()
    try:
        wait_until((tmp_path / "reading").exists)
        found = []
        asked = threading.Thread(
            target=lambda: found.append(
                (architect.service("a"), architect.datastore("db"), architect.notification("laid"))
            ),
            daemon=True,
        )
        asked.start()
        asked.join(5)
        assert found == [known]
    finally:
        (tmp_path / "hold").unlink()
        reload.join()


def test_a_client_that_cannot_be_closed_does_not_keep_that_of_another_loop_open(monkeypatch):
    resolver = architect.configure(services())
    service, closed = architect.service("a"), []
    monkeypatch.setattr(type(service.client), "close", lambda _: 1 / 0)
    clients = service.generation.clients
    monkeypatch.setattr(clients, "closers", lambda closers=clients.closers: [*closers(), lambda: closed.append(True)])
    with pytest.raises(ZeroDivisionError):
        resolver.close()
    assert closed == [True]
