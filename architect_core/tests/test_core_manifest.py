"""The fields of `architect.json`, and the errors of malformed ones."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from architect_core.exceptions import ManifestError
from architect_core.schema.manifest import load_manifest, parse_manifest

FULL = {
    "$schema": "https://example.org/architect.schema.json",
    "name": "acme/checkout",
    "version": "0.1.0",
    "description": "Sells things",
    "keywords": "shop, orders",
    "author": "The team",
    "license": "Apache-2.0",
    "language": "python",
    "port": "9090",
    "debug": "python main.py",
    "api": {"type": "grpc", "definitions": ["./service.proto"]},
    "dependencies": {"acme/billing": "file:../billing", "acme/tax": "1.2.0"},
    "parameters": {"KEY": {"description": "A key", "default": 7, "alias": "key", "required": False}},
    "datastores": {
        "primary_db": {
            "image": "postgres:10",
            "port": 5432,
            "host": "db",
            "parameters": {"POSTGRES_USER": {"default": "postgres", "alias": "username"}},
        },
        "cache": {"type": "sqlite"},
    },
    "notifications": ["order_placed"],
    "subscriptions": {"acme/billing": {"paid": {"uri": "/event/callback", "headers": {"x-custom-header": "example"}}}},
}


def test_every_field_of_the_contract_is_read():
    manifest = parse_manifest(json.dumps(FULL))
    assert manifest.name == "acme/checkout"
    assert manifest.keywords == ["shop", "orders"]
    assert manifest.author == ["The team"]
    assert manifest.port == 9090
    assert manifest.api is not None
    assert manifest.api.definitions == ["./service.proto"]
    assert manifest.parameters["KEY"].default == "7"
    assert manifest.datastores["primary_db"].parameters["POSTGRES_USER"].alias == "username"
    assert manifest.subscriptions["acme/billing"]["paid"].headers == {"x-custom-header": "example"}


def test_only_the_name_is_required():
    manifest = parse_manifest('{"name": "a"}')
    assert (manifest.port, manifest.api, manifest.dependencies, manifest.debug) == (8080, None, {}, None)


def test_lists_may_be_lists():
    manifest = parse_manifest(json.dumps(FULL | {"keywords": ["a"], "author": ["b", "c"]}))
    assert (manifest.keywords, manifest.author) == (["a"], ["b", "c"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"name": None}, "name: "),
        ({"name": "Acme"}, "name: a name has lower-case letters"),
        ({"version": "one"}, "version: a version has"),
        ({"port": 0}, "port: a port is"),
        ({"dependecies": {}}, "dependecies: unknown key (did you mean 'dependencies'?)"),
        ({"api": {"type": "rest", "definitons": []}}, "api.definitons: unknown key (did you mean 'definitions'?)"),
        ({"api": {}}, "api.type: is missing"),
        ({"api": "rest"}, "api: "),
        ({"api": {"type": "grpc", "definitions": ["/etc/x.proto"]}}, "api.definitions[0]: must be a path inside"),
        ({"dependencies": {"Acme": "file:x"}}, "dependencies.Acme: a name has"),
        ({"dependencies": {"acme/b": "latest"}}, "dependencies.acme/b: a version has"),
        ({"dependencies": {"acme/b": "file:"}}, "dependencies.acme/b: the path after 'file:' is empty"),
        ({"dependencies": ["acme/b"]}, "dependencies: "),
        ({"dependencies": {"a-b": "file:x", "a_b": "file:y"}}, "a-b and a_b would share the stub folder a_b"),
        ({"name": "a-b", "dependencies": {"a_b": "1.0"}}, "would share the stub folder"),
        ({"parameters": {"1X": {}}}, "parameters.1X: a parameter's name"),
        ({"parameters": {"X": {"requird": True}}}, "parameters.X.requird: unknown key (did you mean 'required'?)"),
        ({"datastores": {"db": {}}}, "datastores.db: needs an `image`"),
        ({"datastores": {"db": {"image": "x", "port": 70000}}}, "datastores.db.port: a port is"),
        ({"notifications": ["a b"]}, "notifications[0]: an event's name"),
        ({"subscriptions": {"acme/b": {"e": {}}}}, "subscriptions.acme/b.e: needs a `uri`"),
        ({"subscriptions": {"acme/b": {"e": {"uri": "x"}}}}, "subscriptions.acme/b.e.uri: must start with '/'"),
        ({"debug": ""}, "debug: "),
        ({"language": 7}, "language: "),
    ],
)
def test_the_error_of_a_wrong_field_has_its_path(change, expected):
    with pytest.raises(ManifestError) as caught:
        parse_manifest(json.dumps(FULL | change))
    assert expected in str(caught.value)


def test_the_error_of_broken_json_has_the_line(tmp_path):
    (tmp_path / "architect.json").write_text('{\n  "name": "a"\n,}')
    with pytest.raises(ManifestError, match=r"architect\.json: is not JSON: .* at line 3, column "):
        load_manifest(tmp_path)


def test_the_error_of_a_missing_manifest_names_the_folder(tmp_path):
    (tmp_path / "file").touch()
    for folder, reason in [
        (tmp_path, "has no architect.json"),
        (tmp_path / "x", "no such"),
        (tmp_path / "file", "a file"),
    ]:
        with pytest.raises(ManifestError, match=reason):
            load_manifest(folder)


@given(
    st.dictionaries(
        st.sampled_from([*FULL, "other"]),
        st.recursive(
            st.none() | st.text(max_size=10) | st.integers(),
            lambda inner: st.dictionaries(st.text(max_size=10), inner, max_size=3) | st.lists(inner, max_size=3),
            max_leaves=6,
        ),
        max_size=6,
    )
)
def test_any_manifest_is_read_or_raises_a_manifest_error(data):
    try:
        parse_manifest(json.dumps(data))
    except ManifestError as problem:
        assert str(problem)  # noqa: PT017 - either outcome is right, but an error must say something
