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

from architect_cli.overrides import load_overrides
from architect_cli.tree import Node, load_tree
from architect_core.exceptions import ArchitectError, ConfigError
from architect_core.schema.manifest import parse_manifest

PARAMETERS = {"API_KEY": {"default": "none"}}


@pytest.fixture
def nodes(system: System) -> list[Node]:
    dependencies = {"acme/billing": "file:../billing", "acme/far": "1.0"}
    datastores = {"primary_db": {"type": "memory", "parameters": {"SIZE": {"default": "1"}}}}
    root = system.service("acme/orders", dependencies=dependencies, parameters=PARAMETERS, datastores=datastores)
    system.service("acme/billing", api={"type": "rest"})
    return load_tree(root)


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
        ('{"service": {}}', "service: unknown key (did you mean 'services'?)"),
        ('{"services": []}', "services: must be a JSON object"),
        ('{"services": {"Acme Billing": {}}}', "a name has lower-case letters"),
        ('{"services": {"acme/biling": {}}}', "there is no such service (did you mean 'acme/billing'?); known: acme/b"),
        ('{"services": {"acme/far": {"port": 1}}}', "services.acme/far.host: is missing: a dependency by version"),
        (billing(hots="x"), "services.acme/billing.hots: unknown key (did you mean 'host'?)"),
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
        (orders(parameters={"API_KEI": "x"}), "there is no such parameter (did you mean 'API_KEY'?)"),
        (orders(parameters={"API_KEY": ["x"]}), "services.acme/orders.parameters.API_KEY: "),
        (orders(parameters={"1": "x"}), "a parameter's name has"),
        (billing(parameters={"X": "x"}), "there is no such parameter; none is known"),
        (orders(datastores={"primary": {}}), "there is no such datastore (did you mean 'primary_db'?)"),
        (orders(datastores={"primary_db": {"port": -1}}), "datastores.primary_db.port: a port is a number"),
        (orders(datastores={"primary_db": {"pasword": "x"}}), "unknown key (did you mean 'password'?)"),
        (orders(datastores={"primary_db": {"parameters": {"SIZ": "1"}}}), "no such parameter (did you mean 'SIZE'?)"),
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
    file.write_text('{"services": {"acme/x": {}, "acme/billing": {"parameters": {"Y": "1"}}}}')
    with pytest.raises(ConfigError) as caught:
        load_overrides(file, nodes)
    assert [path for path, _ in caught.value.problems] == ["services.acme/x", "services.acme/billing.parameters.Y"]


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
