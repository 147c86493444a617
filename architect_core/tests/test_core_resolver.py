"""The resolver finds services, datastores and events by name."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

import architect.sdk as architect
from architect_core.resolver.service import default_lock

CONFIG = {
    "acme/checkout": {
        "host": "http://checkout",
        "port": "8080",
        "api": "rest",
        "subscriptions": {
            "order_placed": {"acme/mailer": {"uri": "/event/callback", "headers": {"x-custom-header": "example"}}},
            "order_lost": {},
        },
        "datastores": {
            "primary_db": {"host": "db.internal", "port": 5432, "password": "s3cret", "POSTGRES_DB": "shop"}
        },
    },
    "acme/payments": {"host": "payments", "port": "8080", "api": "grpc"},
    "acme/mailer": {"host": "http://mailer", "port": 8080, "api": "rest"},
    "acme/script": {"api": None},
}

PIGEON = """
from architect_core.contract.client import ClientFactory, Options
from architect_core.contract.credentials import CredentialParser
from architect_core.contract.credentials import Credentials
from architect_core.contract.hooks import hookimpl

ARCHITECT_CONTRACT = 2

class Pigeon:
    closed = False
    def close(self):
        self.closed = True

class Factory(ClientFactory):
    class Options(Options):
        speed: int = 1
    made = 0
    def client(self, target):
        import time
        time.sleep(0.02)
        Factory.made += 1
        return Pigeon()

class Parser(CredentialParser):
    def credentials(self, target):
        return Credentials("pigeon", dict(target.config.items()), "loft://" + target.name)

@hookimpl
def architect_client_factory():
    return Factory()

@hookimpl
def architect_credential_parser():
    return Parser()
"""


@pytest.fixture
def pigeon(install_plugin):
    """A protocol and engine "pigeon"."""
    install_plugin("architect-pigeon", {"pigeon": "a_pigeon"}, {"a_pigeon": PIGEON})
    yield
    sys.modules.pop("a_pigeon", None)


def in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHITECT", json.dumps(CONFIG))
    monkeypatch.setenv("ARCHITECT_CURRENT_SERVICE", "acme/checkout")


def test_the_environment_is_read_at_the_first_question_and_not_at_import(monkeypatch):
    program = "import os, architect.sdk as a\nos.environ['ARCHITECT'] = '{\"late\": {}}'\nprint(a.service('late').name)"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ARCHITECT")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environ | {"ARCHITECT": "nonsense"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "late\n"


def test_a_service_is_the_same_object_every_time(monkeypatch):
    in_environment(monkeypatch)
    assert architect.service("acme/payments") is architect.service("acme/payments")
    assert architect.service("acme/checkout") is architect.current_service()
    assert architect.current_service().name == "acme/checkout"


def test_the_config_is_readable_as_attributes_and_as_a_mapping(monkeypatch):
    in_environment(monkeypatch)
    config = architect.service("acme/payments").config
    assert (config.host, config.port, config.api) == ("payments", 8080, "grpc")
    assert (config["host"], config["port"], config.get("nothing", 1)) == ("payments", 8080, 1)
    assert dict(config) == {"host": "payments", "port": 8080, "api": "grpc"} == {**config}
    assert "port" in config
    assert "nothing" not in config
    assert len(config) == 3
    assert config
    with pytest.raises(KeyError):
        config["nothing"]


def test_a_repr_of_the_config_shows_no_value_that_may_be_secret():
    architect.configure({"acme/a": {"host": "http://u:s3cret@a", "token": "s3cret", "options": {"key": "s3cret"}}})
    config = architect.service("acme/a").config
    assert "s3cret" not in repr(config) + str(config) + f"{config}" + str(list(config.__rich_repr__()))


def test_an_unknown_service_is_told_with_the_names_that_exist_and_the_nearest(monkeypatch):
    in_environment(monkeypatch)
    with pytest.raises(architect.UnknownServiceError) as caught:
        architect.service("acme/payment")
    assert "no service named 'acme/payment' (did you mean 'acme/payments'?)" in str(caught.value)
    assert "known: acme/checkout, acme/mailer, acme/payments, acme/script" in str(caught.value)
    assert isinstance(caught.value, LookupError)
    assert (caught.value.name, caught.value.known[0]) == ("acme/payment", "acme/checkout")


@pytest.mark.parametrize("name", [None, 7, [], {}, "", "x" * 100_000])
def test_a_name_of_any_kind_that_does_not_exist_is_an_unknown_service(monkeypatch, name):
    in_environment(monkeypatch)
    with pytest.raises(architect.UnknownServiceError):
        architect.service(name)
    with pytest.raises(architect.UnknownDatastoreError):
        architect.datastore(name)
    with pytest.raises(architect.UnknownEventError):
        architect.notification(name)


def test_without_any_environment_nothing_is_known():
    with pytest.raises(architect.UnknownServiceError, match="none is known"):
        architect.service("acme/a")
    for ask in (architect.current_service, lambda: architect.datastore("d"), lambda: architect.notification("e")):
        with pytest.raises(architect.NoCurrentServiceError, match="ARCHITECT_CURRENT_SERVICE"):
            ask()


def test_a_current_service_without_an_entry_is_told(monkeypatch):
    in_environment(monkeypatch)
    monkeypatch.setenv("ARCHITECT_CURRENT_SERVICE", "acme/chekout")
    with pytest.raises(architect.NoCurrentServiceError, match="did you mean 'acme/checkout'"):
        architect.current_service()


def test_a_service_that_serves_nothing_has_no_client(monkeypatch):
    in_environment(monkeypatch)
    with pytest.raises(architect.ConfigError, match=r"acme/script\.api: is not set"):
        _ = architect.service("acme/script").client


def test_fifty_threads_that_ask_first_get_one_client(pigeon):
    resolver = architect.Resolver({"acme/a": {"host": "a", "api": "pigeon"}})
    barrier, clients = threading.Barrier(50), []

    def ask() -> None:
        barrier.wait()
        clients.append(resolver.service("acme/a").client)

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(clients) == 50
    assert len({id(client) for client in clients}) == 1
    assert sys.modules["a_pigeon"].Factory.made == 1


def test_a_slow_client_of_one_service_holds_up_no_other(pigeon):
    resolver = architect.Resolver({name: {"host": "a", "api": "pigeon"} for name in ("slow", "quick")})
    with resolver.service("slow")._lock:
        thread = threading.Thread(target=lambda: resolver.service("quick").client)
        thread.start()
        thread.join(5)
        assert not thread.is_alive()


def test_closing_releases_clients_and_the_next_use_makes_new_ones(pigeon):
    resolver = architect.Resolver({"acme/a": {"host": "a", "api": "pigeon"}})
    first = resolver.service("acme/a").client
    resolver.close()
    assert first.closed
    assert resolver.service("acme/a").client is not first


def test_closing_while_a_client_is_made_does_not_hang(pigeon, monkeypatch):
    resolver = architect.Resolver({"acme/a": {"host": "a", "api": "pigeon"}}, root=".")
    making, close = threading.Event(), threading.Event()

    def client(factory, target):
        making.set()
        close.wait(10)
        time.sleep(0.1)
        target.find_root()
        return SimpleNamespace(close=lambda: None)

    factory = type(resolver.service("acme/a").generation.use().factory)
    monkeypatch.setattr(factory, "client", client)
    maker = threading.Thread(target=lambda: resolver.service("acme/a").client, daemon=True)
    closer = threading.Thread(target=resolver.close, daemon=True)
    maker.start()
    making.wait(10)
    closer.start()
    close.set()
    maker.join(5)
    closer.join(5)
    assert not maker.is_alive()
    assert not closer.is_alive()


def test_a_client_that_cannot_be_closed_keeps_no_other_open(pigeon, monkeypatch):
    resolver = architect.Resolver({name: {"host": "h", "api": "pigeon"} for name in ("a", "b", "c")})
    clients = [resolver.service(name).client for name in ("a", "b", "c")]
    clients[1].close = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        resolver.close()
    assert (clients[0].closed, clients[2].closed) == (True, True)


def test_configure_replaces_the_environment_and_reset_returns_to_it(monkeypatch, pigeon):
    in_environment(monkeypatch)
    architect.configure({"acme/a": {"host": "a", "api": "pigeon"}})
    client = architect.service("acme/a").client
    with pytest.raises(architect.UnknownServiceError):
        architect.service("acme/payments")
    architect.reset()
    assert client.closed
    assert architect.service("acme/payments").config.port == 8080


def test_a_resolver_of_one_s_own_leaves_the_default_alone(monkeypatch):
    in_environment(monkeypatch)
    own = architect.Resolver({"own": {}})
    assert own.service("own").name == "own"
    with pytest.raises(architect.UnknownServiceError):
        architect.service("own")


def test_a_client_that_does_not_survive_a_fork_is_made_anew_in_the_child(pigeon):
    resolver = architect.Resolver({"acme/a": {"host": "a", "api": "pigeon"}})
    first = resolver.service("acme/a").client
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"new" if resolver.service("acme/a").client is not first else b"old")
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    answer = os.read(reader, 10)
    os.close(reader)
    assert answer == b"new"
    assert resolver.service("acme/a").client is first


def test_a_child_that_was_forked_while_a_lock_was_held_does_not_hang(pigeon):
    resolver = architect.Resolver({"acme/a": {"host": "a", "api": "pigeon"}})
    service = resolver.service("acme/a")
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with default_lock, resolver._lock, service._lock, resolver._plugins._lock:
            held.set()
            release.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    child = os.fork()
    if child == 0:
        _ = resolver.service("acme/a").client
        architect.reset()
        os._exit(0)
    deadline = time.monotonic() + 10
    while (waited := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    if waited == (0, 0):
        os.kill(child, 9)
        os.waitpid(child, 0)
    release.set()
    thread.join()
    assert waited == (child, 0)


def test_subscriptions_are_iterable_and_callable(monkeypatch):
    in_environment(monkeypatch)
    notification = architect.notification("order_placed")
    (sub,) = notification.subscriptions
    assert (sub.name, sub.host, sub.port, sub.uri) == ("acme/mailer", "http://mailer", 8080, "/event/callback")
    assert sub.headers == {"x-custom-header": "example"}
    assert sub.url == "http://mailer:8080/event/callback" == f"{sub.host}:{sub.port}{sub.uri}"
    assert notification.subscriptions() == [
        {
            "name": "acme/mailer",
            "api": "rest",
            "host": "http://mailer",
            "port": 8080,
            "uri": "/event/callback",
            "headers": {"x-custom-header": "example"},
        }
    ]
    assert "example" not in repr(sub)


def test_a_query_of_a_subscriber_s_uri_does_not_show():
    entries = {"me": {"subscriptions": {"placed": {"b": {"uri": "/x?token=s3cret"}}}}, "b": {"host": "b", "port": 1}}
    resolver = architect.Resolver(entries, current_service="me")
    (sub,) = resolver.notification("placed").subscriptions
    assert sub.url == "http://b:1/x?token=s3cret"
    assert repr(sub) == "Subscription(name='b', host='http://b', port=1, uri='/x?***', api='rest')"
    assert "s3cret" not in repr(resolver.current_service().config.subscriptions)


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("http://u:12/s3cret@h", "has an '@' after a '/'; percent-encode them: %2F in a password, %40 in a base path"),
        ("u:/s3cret@h", "has an '@' after a '/'"),
        ("http://u/s3cret@h", "has an '@' after a '/'"),
        ("http://u:%FFs3cret@h", "what is percent-encoded in the URL is not UTF-8"),
    ],
)
def test_a_host_whose_password_is_not_encoded_is_refused_without_showing_it(host, told):
    entries = {"me": {"subscriptions": {"placed": {"b": {}}}}, "b": {"host": host, "port": 12}}
    with pytest.raises(architect.ConfigError) as caught:
        architect.Resolver(entries, current_service="me").notification("placed")
    assert told in str(caught.value)
    assert "s3cret" not in repr((caught.value, caught.value.__context__))


def test_subscribers_can_be_members_of_a_set(monkeypatch):
    in_environment(monkeypatch)
    subscriptions = architect.notification("order_placed").subscriptions
    assert set(subscriptions) == {subscriptions[0]}


def test_an_event_without_subscribers_has_none(monkeypatch):
    in_environment(monkeypatch)
    assert list(architect.notification("order_lost").subscriptions) == []


def test_an_unknown_event_is_told_with_the_nearest(monkeypatch):
    in_environment(monkeypatch)
    with pytest.raises(architect.UnknownEventError, match="did you mean 'order_placed'"):
        architect.notification("order_place")


@pytest.mark.parametrize(
    ("host", "port", "uri", "url"),
    [
        ("mailer", 80, "/e", "http://mailer:80/e"),
        ("https://mailer", None, "/e", "https://mailer:443/e"),
        ("https://mailer/base/", None, "/e", "https://mailer:443/base/e"),
        ("http://mailer:81", None, "/e", "http://mailer:81/e"),
        ("::1", 80, "/e", "http://[::1]:80/e"),
        ("http://u:s3cret@mailer", 80, "/e", "http://mailer:80/e"),
    ],
)
def test_a_subscriber_s_place_always_has_scheme_host_and_port(host, port, uri, url):
    entry = {"host": host, "api": "rest"} | ({"port": port} if port else {})
    config = {"a": {"subscriptions": {"e": {"m": {"uri": uri}}}}, "m": entry}
    (sub,) = architect.Resolver(config, current_service="a").notification("e").subscriptions
    assert sub.url == url == f"{sub.host}:{sub.port}{sub.uri}"
    assert "s3cret" not in repr(sub)


def test_a_subscriber_without_an_entry_or_a_place_is_told():
    config = {"a": {"subscriptions": {"e": {"gone": {}, "lost": {}}}}, "lost": {}}
    with pytest.raises(architect.ConfigError) as caught:
        architect.Resolver(config, current_service="a").notification("e")
    assert "a.subscriptions.e.gone: this subscriber has no entry of its own" in str(caught.value)
    assert "lost.host: is missing" in str(caught.value)


def test_a_subscriber_s_wrong_entry_is_blamed_on_the_source_that_has_it(monkeypatch):
    monkeypatch.setenv("ARCHITECT", json.dumps({"m": {"host": "pigeon://m", "api": "rest"}}))
    entry = {"api": None, "subscriptions": {"e": {"m": {}}}}
    resolver = architect.Resolver({"a": entry}, current_service="a", source="environment")
    with pytest.raises(architect.ConfigError) as caught:
        resolver.notification("e")
    assert str(caught.value) == "the environment variable ARCHITECT: m.host: has no port, and `port` is not set"


def test_a_datastore_is_readable_as_attributes_and_as_a_mapping(monkeypatch, pigeon):
    in_environment(monkeypatch)
    config = json.loads(json.dumps(CONFIG))
    config["acme/checkout"]["datastores"]["primary_db"]["type"] = "pigeon"
    monkeypatch.setenv("ARCHITECT", json.dumps(config))
    db = architect.datastore("primary_db")
    assert (db.engine, db.host, db.port, db.password, db.POSTGRES_DB) == (
        "pigeon",
        "db.internal",
        5432,
        "s3cret",
        "shop",
    )
    assert db is architect.datastore("primary_db")
    assert db["password"] == "s3cret"
    assert dict(**db)["POSTGRES_DB"] == "shop"
    assert db.username is None
    assert "s3cret" not in repr(db) + str(db) + f"{db}"
    with pytest.raises(AttributeError, match="did you mean 'POSTGRES_DB'"):
        _ = db.POSTGRES_DBS


def test_credentials_can_be_copied_and_pickled_without_loss(pigeon):
    config = {"a": {"datastores": {"loft": {"type": "pigeon", "host": "h", "password": "s3cret"}}}}
    db = architect.Resolver(config, current_service="a").datastore("loft")
    for clone in (pickle.loads(pickle.dumps(db)), copy.copy(db), copy.deepcopy(db)):
        assert (clone, clone.url, clone.engine) == (db, "loft://loft", "pigeon")


@pytest.mark.parametrize("entry", [{"image": "birds/pigeon:2"}, {"url": "pigeon://h"}, {"url": "pigeon+homing://h"}])
def test_the_image_or_the_url_tells_the_engine(pigeon, entry):
    config = {"a": {"datastores": {"loft": {"host": "h", **entry}}}}
    assert architect.Resolver(config, current_service="a").datastore("loft").engine == "pigeon"


@pytest.mark.parametrize("name", ["acme/a", "acme/other"])
def test_the_manifest_s_image_tells_the_engine_of_its_own_service(tmp_path, pigeon, name):
    config = {"acme/a": {"datastores": {"loft": {"host": "h"}}}}
    manifest = {"name": name, "datastores": {"loft": {"image": "registry:5000/birds/pigeon:2"}}}
    (tmp_path / "architect.json").write_text(json.dumps(manifest))
    resolver = architect.Resolver(config, current_service="acme/a", root=tmp_path)
    try:
        engine = resolver.datastore("loft").engine
    except architect.NoPluginError as problem:  # "generic" is not of this package
        engine = problem.protocol
    assert engine == ("pigeon" if name == "acme/a" else "generic")


def test_a_type_that_no_plugin_serves_is_an_error():
    config = {"a": {"datastores": {"t": {"type": "dove", "host": "h"}}}}
    with pytest.raises(architect.NoPluginError, match="datastore 't': no installed plugin serves 'dove'"):
        architect.Resolver(config, current_service="a").datastore("t")
