"""Every hook of the contract is documented, and the example in its documentation works."""

from __future__ import annotations

import asyncio
import inspect
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xmlrpc.server import SimpleXMLRPCServer

import pytest

import architect.sdk as architect
from architect_core import contract
from architect_core.contract import hooks
from architect_core.contract.source import Source
from architect_core.plugins import Plugins

HOOKS = [kind.hook for kind in hooks.kinds()]
PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "hooks.md").read_text()
SECTIONS = dict(re.findall(r"^## (architect_\w+)\n\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture(autouse=True)
def forget_modules():
    yield
    sys.modules.pop("plugin_of_the_example", None)


def example(hook: str) -> str:
    return SECTIONS[hook].partition("```python\n")[2].partition("```")[0]


@pytest.fixture
def provided(install_plugin):
    """What the plugin in a hook's example provides."""

    def get(kind):
        install_plugin("architect-ex", {"ex": "plugin_of_the_example"}, {"plugin_of_the_example": example(kind.hook)})
        return Plugins().get(kind, "ex", "the tests")

    return get


def test_the_page_of_hooks_has_a_section_for_every_class_of_the_contract_that_names_the_class():
    assert sorted(SECTIONS) == HOOKS
    for kind in hooks.kinds():
        assert f"`{kind.__name__}`" in SECTIONS[kind.hook].partition("\n\n")[0]


@pytest.mark.parametrize("hook", HOOKS)
def test_a_section_has_a_summary_the_caller_and_an_example(hook):
    summary, called, *_ = SECTIONS[hook].split("\n\n")
    assert summary.endswith(".")
    assert called.startswith("Called by ")
    assert f"def {hook}() -> " in example(hook)
    assert "ARCHITECT_CONTRACT = 2" in example(hook)


@pytest.mark.parametrize("kind", hooks.kinds(), ids=lambda kind: kind.__name__)
def test_a_hook_returns_a_class_whose_methods_are_all_documented(kind):
    assert inspect.getdoc(kind)
    for name, method in vars(kind).items():
        if inspect.isfunction(method) and not name.startswith("_"):
            assert method.__doc__, f"{kind.__name__}.{name}"


@pytest.mark.parametrize("kind", hooks.kinds(), ids=lambda kind: kind.__name__)
def test_the_example_of_a_hook_is_a_plugin_that_provides_it(provided, kind):
    assert isinstance(provided(kind), kind)


def test_every_hook_is_used_by_a_test_below():
    """Each hook has a test, named by it, that uses the object it returns."""
    tests = {name.removeprefix("test_used_").partition("__")[0] for name in globals() if name.startswith("test_used_")}
    assert tests == {hook.removeprefix("architect_") for hook in HOOKS}


def test_used_client_factory__a_service_has_its_client(provided, xmlrpc_server):
    provided(contract.ClientFactory)
    entry = {"host": "127.0.0.1", "port": xmlrpc_server, "api": "ex", "options": {"path": "/"}}
    resolver = architect.Resolver({"acme/adder": entry})
    assert resolver.service("acme/adder").client.add(2, 3) == 5
    resolver.close()


@pytest.fixture
def xmlrpc_server():
    with SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False) as server:
        server.register_function(lambda a, b: a + b, "add")
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_used_credential_parser__a_datastore_has_its_credentials(provided):
    provided(contract.CredentialParser)
    config = {"a": {"datastores": {"eggs": {"type": "ex", "host": "tree"}, "none": {"type": "ex"}}}}
    resolver = architect.Resolver(config, current_service="a")
    assert (resolver.datastore("eggs").host, resolver.datastore("eggs").port) == ("tree", 4150)
    with pytest.raises(architect.ConfigError, match=r"a\.datastores\.none\.host: is missing"):
        resolver.datastore("none")


@pytest.mark.parametrize("how", ["variable", "configure"])
def test_used_source__it_is_selected_by_name(provided, monkeypatch, tmp_path, how):
    provided(Source)
    (tmp_path / "services.toml").write_text('["acme/billing"]\nhost = "http://billing"\nport = 8080\napi = "rest"\n')
    monkeypatch.setenv("ARCHITECT_TOML", str(tmp_path / "services.toml"))
    if how == "variable":
        monkeypatch.setenv("ARCHITECT_SOURCE", "ex")
    else:
        architect.configure(source="ex")
    assert architect.service("acme/billing").config.port == 8080


def test_used_event_channel__it_delivers_to_each_subscriber(provided):
    channel = provided(contract.EventChannel).open(None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ports = listener.getsockname()[1], 1
        subscribers = [contract.Subscription("acme/b", "http://127.0.0.1", port, "", api="ex") for port in ports]
        published = contract.Message("7", "laid", "a", datetime.now(UTC), b'{"eggs": 2}')
        messages = [replace(published, to=each) for each in subscribers]
        reached, refused = asyncio.run(channel.send(messages, 5))
        with listener.accept()[0] as connection:
            assert connection.recv(100) == b'{"eggs": 2}'
    assert reached.ok
    assert isinstance(refused.error, ConnectionRefusedError)


def test_used_event_runtime__it_publishes(install_plugin, monkeypatch, caplog):
    monkeypatch.setenv("ARCHITECT_DISABLED_PLUGINS", "architect-events")
    source = example("architect_event_runtime")
    install_plugin("architect-ex", {"events": "plugin_of_the_example"}, {"plugin_of_the_example": source})
    architect.configure({"a": {"subscriptions": {"laid": {}}}}, current_service="a")
    with caplog.at_level("INFO", "events"):
        assert architect.notification("laid").publish({"eggs": 2}) == []
        assert asyncio.run(architect.notification("laid").aio.publish({"eggs": 12})) == []
        with architect.inbox(None, "7") as is_new:
            assert is_new
        architect.consume()
    assert caplog.messages == ["laid: 11 bytes", "laid: 12 bytes", "no event will arrive"]


def test_used_stub_generator__its_stubs_depend_on_the_definitions(provided, tmp_path):
    generator = provided(contract.StubGenerator)
    (tmp_path / "words.txt").write_text("egg nest")
    definitions = contract.Definitions("acme/words", tmp_path, ("words.txt",))
    assert generator.generate(definitions) == {"words.py": b"WORDS = ['egg', 'nest']"}
    before = generator.checksum(definitions)
    (tmp_path / "words.txt").write_text("egg")
    assert generator.checksum(definitions) != before


def test_used_readiness_probe__a_service_is_ready_or_not(provided):
    probe = provided(contract.ReadinessProbe)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        service = contract.Listener("acme/mail", "127.0.0.1", listener.getsockname()[1], probe.Options())
        assert not probe.is_ready(service, 0.1)

        def answer():
            listener.accept()[0].close()
            with listener.accept()[0] as connection:
                connection.sendall(b"220 ready")

        thread = threading.Thread(target=answer)
        thread.start()
        assert probe.is_ready(service, 5)
        thread.join()


def test_used_datastore_provisioner__its_server_serves(provided, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    (tmp_path / "egg.txt").write_text("an egg")
    started = provided(contract.DatastoreProvisioner).provision({}, tmp_path, port)
    with subprocess.Popen(started.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 10
        while not is_listening(started.entry["host"], started.entry["port"]) and time.monotonic() < deadline:
            time.sleep(0.05)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/egg.txt") as answer:
            assert answer.read() == b"an egg"
        process.kill()


def is_listening(host, port):
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def test_used_command__it_gets_its_arguments_and_returns_an_exit_code(provided, capsys):
    command = provided(contract.Command)
    assert command.summary.endswith(".")
    assert command.run(["a", "b"]) == 0
    assert capsys.readouterr().out == "coo coo\n"


def test_used_double_factory__its_double_replaces_a_service(provided):
    factory = provided(contract.DoubleFactory)
    double = factory.double(contract.DoubleTarget("acme/post", str.upper, lambda: None))
    assert double.client(lambda: None).send("dear") == "DEAR"
    assert double.requests == ["dear"]
    double.close()


def test_used_observer__it_logs_calls(provided, caplog):
    observer = provided(contract.Observer)
    with caplog.at_level("INFO", "calls"):
        observer.observe("acme/billing", "rest").ended(contract.Outcome(0.25, "503"))
        observer.observe("acme/billing", "rest").ended(contract.Outcome(0.25))
    assert caplog.messages == ["acme/billing: 503 after 0.250 s", "acme/billing: ok after 0.250 s"]
