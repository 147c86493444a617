"""The file for `architect run --config`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from cli_system import System
from hypothesis import given, settings
from hypothesis import strategies as st

from architect_cli.planning.overrides import Overrides, read_config
from architect_cli.planning.tree import Node, load_tree
from architect_core.exceptions import ArchitectError, ConfigError
from architect_core.schema.manifest import parse_manifest

PARAMETERS = {"API_KEY": {"default": "none"}}


@pytest.fixture
def nodes(system: System) -> list[Node]:
    dependencies = {"acme/billing": "file:../billing", "acme/far": "1.0"}
    datastores = {"primary_db": {"type": "memory", "parameters": {"SIZE": {"default": "1"}}}}
    root = system.service("acme/orders", dependencies=dependencies, parameters=PARAMETERS, datastores=datastores)
    system.service("acme/billing", version="0.2.0", api={"type": "rest"})
    return load_tree(root)


def load_overrides(file: Path, nodes: list[Node]) -> Overrides:
    return read_config(file).overrides(nodes)


def orders(**entry: Any) -> str:
    return json.dumps({"services": {"acme/orders": entry}})


def billing(**entry: Any) -> str:
    return json.dumps({"services": {"acme/billing": entry}})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("{", "is not JSON: "),
        ('{"services": {},}', "line 1, column"),
        ("[]", "must be a JSON object, not an array"),
        ("null", "must be a JSON object, not null"),
        ('{"services": {}, "services": {}}', "has the key 'services' twice"),
        ('{"services": []}', "services: must be a JSON object"),
        ('{"services": {"Acme Billing": {}}}', "a name has letters"),
        ('{"services": {"acme/billing:": {}}}', "a name has letters"),
        ('{"services": {"acme/b/c:1": {}}}', "a name has letters"),
        ('{"services": {"acme/far": {"port": 1}}}', "services.acme/far.host: is missing: a dependency by version"),
        (billing(port=0), "services.acme/billing.port: a port is a number from 1 to 65535"),
        (billing(port=65536), "a port is a number from 1 to 65535"),
        (billing(port="http"), "a port is a number from 1 to 65535"),
        (billing(port=True), "a port is a number from 1 to 65535"),
        (billing(port=80.5), "a port is a number from 1 to 65535"),
        (billing(host=""), "services.acme/billing.host: the host is empty"),
        (billing(host="a b"), "a host has no spaces"),
        (billing(host=5), "services.acme/billing.host: must be text"),
        (billing(api="rest"), "services.acme/billing.api: needs a `host`"),
        (billing(api="RE ST", host="x"), "a protocol's name has"),
        (orders(port=8080), "services.acme/orders.port: this service has no api, and listens nowhere"),
        (orders(parameters={"API_KEY": ["x"]}), "services.acme/orders.parameters.API_KEY: "),
        (orders(parameters={"1": "x"}), "a parameter's name has"),
        (orders(datastores={"primary_db": {"port": -1}}), "datastores.primary_db.port: a port is a number"),
        (billing(debug={}), "services.acme/billing.debug.path: is missing"),
        (billing(debug={"path": ""}), "services.acme/billing.debug.path: "),
        (orders(parameters={"API_KEY": "file:nowhere"}), "parameters.API_KEY: the file that it names cannot be read"),
        (orders(parameters={"API_KEY": {"$file": "nowhere"}}), "the file that it names cannot be read (No such file"),
        (orders(parameters={"API_KEY": {"$file": ""}}), "parameters.API_KEY: $file must name a file"),
        (orders(parameters={"API_KEY": {"$env": "NOT_SET"}}), "API_KEY: $env names a variable that is not set"),
        (orders(parameters={"API_KEY": {"valueFrom": {"vault": "v"}}}), "secrets of a vault are not fetched"),
    ],
)
def test_a_mistake_in_the_file_is_an_error_with_its_path(nodes: list[Node], tmp_path: Path, text: str, reason: str):
    file = tmp_path / "file.json"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_overrides(file, nodes)
    assert str(caught.value).startswith(f"{file}:")
    assert reason in str(caught.value)


def test_all_mistakes_are_reported_at_once(nodes: list[Node], tmp_path: Path):
    file = tmp_path / "file.json"
    file.write_text('{"services": {"acme/far": {}, "acme/billing": {"api": "rest"}}}')
    with pytest.raises(ConfigError) as caught:
        load_overrides(file, nodes)
    assert [path for path, _ in caught.value.problems] == ["services.acme/billing.api", "services.acme/far.host"]


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ('{"service": {}}', "service", "unknown key (did you mean 'services'?)"),
        ('{"__version": "1.0.0"}', "__version", "unknown key (the file has one format only)"),
        ('{"vaults": {"v": {}}}', "vaults", "unknown key (secrets of a vault are not fetched: use $file or $env)"),
        (billing(hots="x"), "services.acme/billing.hots", "unknown key (did you mean 'host'?)"),
        (billing(ingress={"subdomain": "x"}), "services.acme/billing.ingress", "unknown key"),
        (billing(debug={"path": "billing", "volumes": []}), "services.acme/billing.debug.volumes", "unknown key"),
        (
            orders(datastores={"primary_db": {"pasword": "x"}}),
            "services.acme/orders.datastores.primary_db.pasword",
            "unknown key (did you mean 'password'?)",
        ),
        (
            '{"services": {"acme/biling": {}}}',
            "services.acme/biling",
            "there is no such service (did you mean 'acme/billing'?); known: acme/billing, acme/far, acme/orders",
        ),
        (
            orders(datastores={"primary": {}}),
            "services.acme/orders.datastores.primary",
            "there is no such datastore (did you mean 'primary_db'?); known: primary_db",
        ),
        (
            orders(parameters={"API_KEI": "x"}),
            "services.acme/orders.parameters.API_KEI",
            "is not declared (did you mean 'API_KEY'?); it is passed on as it is",
        ),
        (
            orders(datastores={"primary_db": {"parameters": {"SIZ": "1"}}}),
            "services.acme/orders.datastores.primary_db.parameters.SIZ",
            "is not declared (did you mean 'SIZE'?); it is passed on as it is",
        ),
        (
            '{"services": {"acme/billing:0.3.0": {}}}',
            "services.acme/billing:0.3.0",
            "this service has the version 0.2.0, and not 0.3.0; it is used all the same",
        ),
        (
            '{"services": {"acme/billing:0.3.0": {}, "acme/billing:0.2.0": {}}}',
            "services.acme/billing:0.3.0",
            "is not used; services.acme/billing:0.2.0 is",
        ),
    ],
)
def test_what_may_be_a_mistake_is_reported_and_the_file_is_used(
    nodes: list[Node], tmp_path: Path, text: str, path: str, reason: str
):
    file = tmp_path / "file.json"
    file.write_text(text)
    assert load_overrides(file, nodes).unknown == [(path, reason)]


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"services": null}',
        '{"services": {"acme/billing": null}}',
        billing(parameters={"UNDECLARED": "x"}),
        billing(parameters=None, datastores=None, debug=None, host=None),
        orders(parameters={"API_KEY": None}),
        orders(datastores={"primary_db": None}),
        '{"services": {"acme/billing:latest": {}, "acme/billing:0.2.0": {}}}',
    ],
)
def test_null_is_the_same_as_nothing_and_undeclared_parameters_are_no_mistake(
    nodes: list[Node], tmp_path: Path, text: str
):
    file = tmp_path / "file.json"
    file.write_text(text)
    overrides = load_overrides(file, nodes)
    assert [each for each in overrides.unknown if "not used" not in each[1]] == []
    assert overrides.of("acme/billing").host is None


@pytest.mark.parametrize(
    ("keys", "used"),
    [
        (["acme/billing"], "acme/billing"),
        (["acme/billing:0.2.0"], "acme/billing:0.2.0"),
        (["acme/billing:latest"], "acme/billing:latest"),
        (["acme/billing", "acme/billing:0.2.0"], "acme/billing:0.2.0"),
        (["acme/billing", "acme/billing:latest"], "acme/billing:latest"),
        (["acme/billing:0.1.0", "acme/billing"], "acme/billing"),
        (["acme/bills"], "acme/bills"),
        (["acme/bills", "acme/billing"], "acme/billing"),
    ],
)
def test_a_service_is_named_with_or_without_its_version_or_as_another_calls_it(
    system: System, tmp_path: Path, keys: list[str], used: str
):
    root = system.service("acme/orders", dependencies={"acme/bills": "file:../billing"})
    system.service("acme/billing", version="0.2.0")
    file = tmp_path / "file.json"
    file.write_text(json.dumps({"services": {key: {"parameters": {"KEY": key}} for key in keys}}))
    assert load_overrides(file, load_tree(root)).of("acme/billing").parameters == {"KEY": used}


def test_values_of_files_and_variables(nodes: list[Node], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, content in {"key": "from a file\n", "sub/pem": "two\nlines\n", "home": "from home", "none": ""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "file.json"
    values: dict[str, Any] = {
        "A": "file:key",
        "B": "file:./sub/pem",
        "C": f"file:{tmp_path}/key",
        "D": "file:~/home",
        "E": {"$file": "key"},
        "F": {"$file": "sub/../key"},
        "G": {"$env": "SOME"},
        "H": "file:none",
        "I": "a file:key",
        "J": "file",
    }
    expected = {
        "A": "from a file",
        "B": "two\nlines",
        "C": "from a file",
        "D": "from home",
        "E": "from a file",
        "F": "from a file",
        "G": "file:key",
        "H": "",
        "I": "a file:key",
        "J": "file",
    }
    login = {"password": {"$file": "key"}, "port": {"$env": "PORT"}, "parameters": {"X": "file:key"}}
    file.write_text(orders(parameters=values, datastores={"primary_db": login}))
    overrides = read_config(file, {"SOME": "file:key", "PORT": "5"}).overrides(nodes)
    assert overrides.of("acme/orders").parameters == expected
    datastore = overrides.of("acme/orders").of("primary_db")
    assert (datastore.password, datastore.port, datastore.parameters) == ("from a file", 5, {"X": "from a file"})
    assert set(overrides.secrets) == {"from a file", "two\nlines", "from home", ""}
    assert "from a file" not in repr(overrides)


def test_an_error_repeats_no_value(nodes: list[Node], tmp_path: Path):
    file = tmp_path / "file.json"
    file.write_text(orders(datastores={"primary_db": {"password": {"hunter2hunter2": 1}, "port": "hunter2hunter2"}}))
    with pytest.raises(ConfigError) as caught:
        load_overrides(file, nodes)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere.json", "reports"])
def test_a_file_that_cannot_be_read_is_an_error(nodes: list[Node], system: System, name: str):
    with pytest.raises(ConfigError, match=r"cannot be read \((No such file|Is a directory)"):
        load_overrides(system.folder / name, nodes)


def test_what_the_file_holds_is_found_by_name_and_a_missing_part_is_empty(nodes: list[Node], tmp_path: Path):
    file = tmp_path / "file.json"
    entry = {"parameters": {"API_KEY": 7}, "datastores": {"primary_db": {"host": "db.test", "port": "5"}}}
    file.write_text(orders(**entry))
    overrides = load_overrides(file, nodes)
    assert overrides.of("acme/orders").parameters == {"API_KEY": "7"}
    assert overrides.of("acme/orders").of("primary_db").port == 5
    assert overrides.of("acme/billing").host is None
    assert overrides.of("acme/billing").of("any").host is None


def test_a_repr_shows_no_password(nodes: list[Node], tmp_path: Path):
    file = tmp_path / "file.json"
    file.write_text(orders(parameters={"API_KEY": "hunter2"}, datastores={"primary_db": {"password": "hunter2"}}))
    assert "hunter2" not in repr(load_overrides(file, nodes))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["services", "acme/orders", "host", "port", "datastores", "api", "x"]), inner)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(content=JSON | st.builds(lambda inner: {"services": {"acme/orders": inner}}, JSON))
def test_any_file_is_read_or_is_an_error(tmp_path_factory: pytest.TempPathFactory, content: object):
    file = tmp_path_factory.getbasetemp() / f"any-{os.getpid()}.json"
    file.write_text(json.dumps(content))
    node = Node(Path("/nowhere"), parse_manifest('{"name": "acme/orders"}'))
    message, services = str(file), set()
    try:
        services = set(load_overrides(file, [node]).services)
    except ArchitectError as problem:
        message = str(problem)
    assert message.startswith(str(file))
    assert services <= {"acme/orders"}
