"""A service of a run is ready when its protocol's probe says so."""

from __future__ import annotations

import pytest
from cli_system import REPORT, SCRIPT

PROBE = """
import pathlib
from architect_core.contract import Options, ReadinessProbe
from architect_core.exceptions import RunError
from architect_core.contract import hookimpl

ARCHITECT_CONTRACT = 2

class Wanted(Options):
    word: str = "serving"
    count: int = 1

class Probe(ReadinessProbe):
    Options = Wanted
    def is_ready(self, listener, timeout):
        import socket
        with socket.create_connection((listener.host, listener.port), timeout) as connection:
            word = connection.recv(100).decode()
        if word == "hopeless":
            raise RunError(f"{listener.name} will never be ready")
        if word == "fault":
            raise KeyError("a fault of the plugin")
        return word == listener.options.word

@hookimpl
def architect_readiness_probe():
    return Probe()
"""
# says each of the words once, and then the last of them for ever
SAYING = (
    REPORT
    + """
words = WORDS.split()
listener = socket.create_server((os.environ["HOST"], int(os.environ["PORT"])))
while True:
    connection = listener.accept()[0]
    connection.sendall(words[0].encode())
    connection.close()
    words = words[1:] or words
    if len(words) == 1:
        (REPORTS / "last-word").touch()
"""
)


@pytest.fixture
def root(system):
    system.plugin("wire", PROBE)

    def make(words, **readiness):
        program = SAYING.replace("WORDS", repr(words))
        system.service("a/server", program, api={"type": "wire", "readiness": readiness})
        script = SCRIPT + "print('last word' if (REPORTS / 'last-word').exists() else 'too early')"
        return system.service("a/root", script, dependencies={"a/server": "file:../server"})

    return make


def test_a_dependent_starts_when_the_probe_succeeds(system, root):
    # the runner's own look whether something listens takes a word too, so there are many
    printed = system.succeeds("run", root("starting " * 9 + "serving"))
    assert "last word" in printed


def test_the_probe_gets_the_options_of_the_manifest(system, root):
    assert "last word" in system.succeeds("run", root("serving " * 9 + "open", word="open"))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("starting", "and is not ready, says the plugin 'wire', after 3 seconds (--timeout)"),
        ("hopeless", "a/server will never be ready"),
        ("fault", "the readiness of a/server: the plugin 'wire' of architect-wire 1.2.3 failed with a KeyError"),
    ],
)
def test_one_that_is_never_ready_ends_the_run_with_the_reason(system, root, words, reason):
    assert reason in system.fails("run", root(words), "--timeout", "3")
    assert system.started() == ["a/server"]
    system.assert_nothing_is_left()


@pytest.mark.parametrize(
    ("readiness", "reason"),
    [
        ({"count": "many"}, "server/architect.json: api.readiness.count: input should be a valid integer"),
        ({"wrod": "x"}, "server/architect.json: api.readiness.wrod: unknown key (did you mean 'word'?)"),
    ],
)
def test_wrong_options_are_reported_before_anything_starts(system, root, readiness, reason):
    assert reason in system.fails("run", root("serving", **readiness))
    assert system.started() == []


def test_options_for_a_protocol_without_a_probe_are_an_error(system):
    system.plugin("dumb", "ARCHITECT_CONTRACT = 2")
    for protocol in ("dumb", "unheard-of"):
        root = system.service("a/root", SCRIPT, api={"type": protocol, "readiness": {"path": "/health"}})
        printed = system.fails("run", root)
        assert f"api.readiness: no installed plugin has a readiness probe for '{protocol}'" in printed
