"""A malformed configuration raises ConfigError with the path of the mistake and without the value."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import architect.sdk as architect

SECRET = "hunter2-canary"


def entry(**more: object) -> str:
    """An environment whose one service has `more`."""
    return json.dumps({"acme/a": {"host": "http://a", "port": 80, "api": "rest"} | more})


def datastore(**more: object) -> str:
    return entry(datastores={"primary_db": {"password": SECRET} | more})


def subscription(event: str = "placed", name: str = "acme/a", **more: object) -> str:
    return entry(subscriptions={event: {name: more}})


# text of ARCHITECT -> what the message must have
MALFORMED = {
    "empty": ("", "is empty"),
    "blank": (" \n", "is empty"),
    "no json": (SECRET, "is not JSON: Expecting value at line 1, column 1"),
    "cut off": ('{"acme/a": {"host": "' + SECRET, "line 1, column 21"),
    "trailing comma": ('{"acme/a": {}\n,}', "at line 2, column "),
    "two texts": ("{} {}", "Extra data at line 1, column 4"),
    "single quotes": ("{'acme/a': {}}", "line 1, column 2"),
    "control character": ('{"acme/a": "\x01"}', "Invalid control character"),
    "NaN": ('{"acme/a": NaN}', "holds NaN, which is not JSON"),
    "infinity": ('{"acme/a": -Infinity}', "holds -Infinity"),
    "huge number": ('{"acme/a": {"port": ' + "9" * 5000 + "}}", "too large"),
    "huge exponent": ('{"acme/a": {"x": 1e999}}', "too large"),
    "key twice": ('{"acme/a": {"port": 1, "port": 2}}', "has the key 'port' twice"),
    "secret key twice": (f'{{"{SECRET} !": 1, "{SECRET} !": 2}}', "<key that is no name>"),
    "huge nesting": ("[" * 200_000 + "]" * 200_000, "nested too deeply"),
    "nested objects": ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
    "a list": ("[]", "must be a JSON object, not an array"),
    "null": ("null", "must be a JSON object, not null"),
    "a number": ("7", "must be a JSON object, not a number"),
    "a text": (f'"{SECRET}"', "must be a JSON object, not text"),
    "true": ("true", "not true or false"),
    "entry is text": (f'{{"acme/a": "{SECRET}"}}', "acme/a: must be a JSON object"),
    "entry is null": ('{"acme/a": null}', "acme/a: must be a JSON object"),
    "instance is a URL": (entry(instances=[f"http://{SECRET}"]), "acme/a.instances[0]: must be a JSON object"),
    "name that is not ASCII": ('{"Äcme": {}}', "<key that is no name>: a name has"),
    "empty name": ('{"": {}}', "a name has letters"),
    "two slashes": ('{"a/b/c": {}}', "a/b/c: a name has"),
    "parent folder": ('{"../a": {}}', "a name has"),
    "space in a name": ('{"a b": {}}', "<key that is no name>: a name has"),
    "ends with dash": ('{"a-": {}}', "a-: a name has"),
    "port 0": (entry(port=0), "acme/a.port: a port is a number from 1 to 65535"),
    "port 65536": (entry(port=65536), "acme/a.port: a port is"),
    "port -1": (entry(port=-1), "acme/a.port"),
    "port text 0": (entry(port="0"), "acme/a.port"),
    "port abc": (entry(port="abc"), "acme/a.port"),
    "port empty": (entry(port=""), "acme/a.port"),
    "port with space": (entry(port=" 80"), "acme/a.port"),
    "port float": (entry(port=80.5), "acme/a.port"),
    "port true": (entry(port=True), "acme/a.port"),
    "port list": (entry(port=[80]), "acme/a.port"),
    "port arabic digits": (entry(port="٨٠"), "acme/a.port"),
    "port of many digits": (entry(port="8" * 5000), "acme/a.port"),
    "host empty": (entry(host=""), "acme/a.host: the host is empty"),
    "host number": (entry(host=7), "acme/a.host: must be text"),
    "host with space": (entry(host=f"a {SECRET}"), "acme/a.host: a host has no spaces"),
    "host with line break": (entry(host=f"a\r\nX-Evil: {SECRET}"), "acme/a.host"),
    "host missing": (json.dumps({"acme/a": {"api": "rest"}}), "acme/a: has an api but no host"),
    "api number": (entry(api=7), "acme/a.api"),
    "api empty": (entry(api=""), "acme/a.api: a protocol's name"),
    "api upper-case": (entry(api="REST"), "acme/a.api"),
    "lone surrogate": ('{"acme/a": {"api": "rest", "host": "\\ud800"}}', "acme/a.host"),
    "options list": (entry(options=[SECRET]), "acme/a.options"),
    "subscriptions list": (entry(subscriptions=[SECRET]), "acme/a.subscriptions"),
    "event empty": (subscription(event=""), "name is empty"),
    "subscriber bad": (subscription(name="A/b/c"), "acme/a.subscriptions.placed.A/b/c"),
    "uri without slash": (subscription(uri=SECRET), "acme/a.subscriptions.placed.acme/a.uri: must start with '/'"),
    "uri with line break": (subscription(uri="/\r\n" + SECRET), "uri: a URI has no spaces"),
    "header with line break": (subscription(headers={"x": "1\r\n" + SECRET}), "headers.x: a header has no line breaks"),
    "header name": (subscription(headers={"x y": SECRET}), "this is no name of an HTTP header"),
    "header null": (subscription(headers={"x": None}), "headers.x"),
    "datastores text": (entry(datastores=SECRET), "acme/a.datastores"),
    "datastore list": (entry(datastores={"primary_db": [SECRET]}), "acme/a.datastores.primary_db"),
    "datastore port": (datastore(port="x"), "acme/a.datastores.primary_db.port"),
    "datastore password list": (datastore(password=[SECRET]), "acme/a.datastores.primary_db.password"),
    "datastore host": (datastore(host=f"{SECRET} x"), "acme/a.datastores.primary_db.host"),
    "datastore type": (datastore(type="Post gres"), "acme/a.datastores.primary_db.type"),
    "datastore name": (entry(datastores={"A b": {}}), "acme/a.datastores.<key that is no name>"),
}


@pytest.fixture(params=MALFORMED, ids=lambda name: name.replace(" ", "-"))
def row(request: pytest.FixtureRequest) -> tuple[str, str]:
    return MALFORMED[request.param]


def everything_shown(error: BaseException | None) -> str:
    """All that an error can show: its chain, with tracebacks, attributes and arguments."""
    shown = ""
    while error is not None:
        shown += "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error)) + repr(error.args)
        error = error.__cause__ or error.__context__
    return shown


def test_the_error_of_a_malformed_environment_has_the_path_and_not_the_value(row, monkeypatch):
    text, expected = row
    monkeypatch.setenv("ARCHITECT", text)
    with pytest.raises(architect.ConfigError) as caught:
        architect.service("acme/a")
    assert str(caught.value).startswith("the environment variable ARCHITECT:")
    assert expected in str(caught.value)
    assert len(str(caught.value)) < 2000
    assert SECRET not in everything_shown(caught.value)


def test_the_table_has_forty_rows_or_more():
    assert len(MALFORMED) >= 40


@pytest.mark.skipif(sys.platform == "win32", reason="Windows' environment is always text")
def test_an_environment_that_is_not_utf_8_is_an_error():
    program = "import architect.sdk as a\ntry: a.service('x')\nexcept a.ConfigError as e: print(e)"
    environ = {**{os.fsencode(k): os.fsencode(v) for k, v in os.environ.items()}, b"ARCHITECT": b'{"a\xff": {}}'}
    printed = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert printed.stdout == "the environment variable ARCHITECT: is not UTF-8 (at byte 3)\n"


def test_a_malformed_environment_is_an_error_in_every_look_up(monkeypatch):
    monkeypatch.setenv("ARCHITECT", "nonsense")
    for _ in range(2):
        with pytest.raises(architect.ConfigError):
            architect.service("acme/a")


def test_a_corrected_environment_is_read_without_a_reset(monkeypatch):
    monkeypatch.setenv("ARCHITECT", "nonsense")
    with pytest.raises(architect.ConfigError):
        architect.service("acme/a")
    monkeypatch.setenv("ARCHITECT", entry())
    assert architect.service("acme/a").name == "acme/a"


@pytest.mark.parametrize("config", [[], "text", 7, {"acme/a": object()}, {7: {}}, {None: {}}, {"acme/a": {1: 2}}])
def test_a_malformed_configuration_in_code_is_an_error_too(config):
    architect.configure(config)
    with pytest.raises(architect.ConfigError, match="the configuration given in code"):
        architect.service("acme/a")


def test_the_message_lists_up_to_twenty_problems():
    architect.configure({f"acme/s{number}": {"port": 0} for number in range(50)})
    with pytest.raises(architect.ConfigError) as caught:
        architect.service("acme/s0")
    assert len(str(caught.value).splitlines()) == 22
    assert "and 30 more problems" in str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
fields = st.dictionaries(
    st.sampled_from(["host", "port", "api", "subscriptions", "datastores", "options", "other"]), json_values
)


@given(st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_any_text_is_read_or_raises_an_architect_error(text):
    look_up_everything(architect.Resolver(source=architect.EnvironmentSource({"ARCHITECT": text})))


@given(st.dictionaries(st.sampled_from(["acme/a", "b", "C d"]), fields | json_values))
def test_any_object_is_read_or_raises_an_architect_error(config):
    look_up_everything(architect.Resolver(config, current_service="acme/a"))


def look_up_everything(resolver: architect.Resolver) -> None:
    look_ups = (
        lambda: repr(resolver.service("acme/a").config),
        lambda: resolver.datastore("primary_db"),
        lambda: resolver.notification("placed"),
        resolver.current_service,
    )
    for look_up in look_ups:
        try:
            look_up()
        except architect.ArchitectError as problem:
            assert str(problem)  # noqa: PT017 - either outcome is right, but an error must say something


@pytest.mark.parametrize(
    "port", [Decimal(80), Path("80"), 80.0, 10**5000, b"80", True, 65536], ids=lambda each: type(each).__name__
)
def test_a_port_is_a_whole_number_or_its_text(port):
    with pytest.raises(architect.ConfigError, match=r"a\.port: a port is a number from 1 to 65535$"):
        architect.configure({"a": {"host": "h", "port": port, "api": "rest"}}).service("a")
