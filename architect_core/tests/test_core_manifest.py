"""The fields of `architect.json`, and the errors of malformed ones."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from architect_core.exceptions import ManifestError
from architect_core.schema.manifest import ValueFrom, load_manifest, parse_manifest

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
        ({"name": "Acme Shop"}, "name: a name has letters"),
        ({"version": "../one"}, "version: a version is a number (0.1.0), a tag (latest) or a range"),
        ({"port": 0}, "port: a port is"),
        ({"api": {}}, "api.type: is missing"),
        ({"api": "rest"}, "api: "),
        ({"api": {"type": "grpc", "definitions": ["/etc/x.proto"]}}, "api.definitions[0]: must be a path inside"),
        ({"dependencies": {"acme/b/c": "file:x"}}, "dependencies.acme/b/c: a name has"),
        ({"dependencies": {"acme/b": "../b"}}, "dependencies.acme/b: a version is a number (0.1.0), a tag (latest) or"),
        ({"dependencies": {"acme/b": "./b"}}, "a folder has 'file:' before its path (file:../billing)"),
        ({"dependencies": {"acme/b": "/srv/b"}}, "dependencies.acme/b: a version is"),
        ({"dependencies": {"acme/b": ""}}, "dependencies.acme/b: a version is"),
        ({"dependencies": {"acme/b": None}}, "dependencies.acme/b: must be text"),
        ({"dependencies": {"acme/b": {"path": "../b"}}}, "dependencies.acme/b: must be text"),
        ({"dependencies": {"acme/b": "file:"}}, "dependencies.acme/b: the path after 'file:' is empty"),
        ({"dependencies": ["acme/b"]}, "dependencies: "),
        ({"dependencies": {"a-b": "file:x", "a_b": "file:y"}}, "a-b and a_b would share the stub folder a_b"),
        ({"dependencies": {"acme/B": "file:x", "acme/b": "file:y"}}, "acme/B and acme/b would share the stub folder"),
        ({"name": "a-b", "dependencies": {"a_b": "1.0"}}, "would share the stub folder"),
        ({"parameters": {"1X": {}}}, "parameters.1X: a parameter's name"),
        ({"parameters": {"A B": {}}}, "a parameter's name has letters"),
        ({"parameters": {"A=B": {}}}, "a parameter's name has letters"),
        ({"parameters": {"X": {"default": True}}}, "parameters.X.default: must be text or a number"),
        ({"parameters": {"X": {"default": ["a"]}}}, "parameters.X.default: must be text or a number"),
        ({"parameters": {"X": {"default": {}}}}, "parameters.X.default.valueFrom: is missing"),
        (
            {"parameters": {"X": {"default": {"valueFrom": {"value": "$HOST"}}}}},
            "valueFrom: needs either a `dependency`",
        ),
        (
            {"parameters": {"X": {"default": {"valueFrom": {"dependency": "b", "datastore": "b", "value": ""}}}}},
            "valueFrom: needs either a `dependency` or a `datastore`",
        ),
        (
            {"parameters": {"X": {"default": {"valueFrom": {"dependency": "b", "value": "a $ b"}}}}},
            "valueFrom: the `value` has a $ that no name follows",
        ),
        (
            {"parameters": {"X": {"default": {"valueFrom": {"vault": "v", "key": "k"}}}}},
            "valueFrom.vault: unknown key (secrets of a vault are not fetched: use $file or $env",
        ),
        ({"datastores": {"db": {}}}, "datastores.db: needs an `image`"),
        ({"datastores": {"db": {"image": "x", "port": 70000}}}, "datastores.db.port: a port is"),
        ({"notifications": ["a b"]}, "notifications[0]: an event's name"),
        ({"subscriptions": {"acme/b": {"e": {}}}}, "subscriptions.acme/b.e: needs a `uri`"),
        ({"subscriptions": {"acme/b": {"e": {"uri": "x"}}}}, "subscriptions.acme/b.e.uri: must start with '/'"),
        ({"debug": ""}, "debug: "),
        ({"language": 7}, "language: "),
        ({"nmae": "a", "name": None}, "name: is missing\n  nmae: unknown key (did you mean 'name'?)"),
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


TAGS = ("latest", "v1.2.0", "1", 2, 1.5, "0.1.0-rc.1+build", "^1.2.0", "~1.0", ">=1.0 <2", "1.x || 2", "*", "RC_1")


@pytest.mark.parametrize("tag", TAGS)
def test_any_tag_or_range_is_a_version(tag):
    manifest = parse_manifest(json.dumps({"name": "a", "version": tag, "dependencies": {"b": tag}}))
    assert (manifest.version, manifest.dependencies) == (str(tag), {"b": str(tag)})


NULL_MEANS_ABSENT = [
    *("version", "description", "keywords", "author", "license", "language", "port", "debug", "api", "dependencies"),
    *("parameters", "datastores", "notifications", "subscriptions", "$schema"),
]


@pytest.mark.parametrize("key", NULL_MEANS_ABSENT)
def test_a_section_that_is_null_is_the_same_as_one_that_is_absent(key):
    assert parse_manifest(json.dumps({"name": "a", key: None})) == parse_manifest('{"name": "a"}')


@pytest.mark.parametrize(
    ("section", "empty"),
    [
        ({"api": {"type": "rest", "definitions": None, "readiness": None}}, {"api": {"type": "rest"}}),
        ({"parameters": {"X": None}}, {"parameters": {"X": {}}}),
        ({"parameters": {"X": {"alias": None, "description": None}}}, {"parameters": {"X": {}}}),
        ({"datastores": {"db": {"image": "x", "parameters": None}}}, {"datastores": {"db": {"image": "x"}}}),
        ({"datastores": {"db": {"image": "x", "port": None, "host": None}}}, {"datastores": {"db": {"image": "x"}}}),
        ({"subscriptions": {"b": None}}, {"subscriptions": {"b": {}}}),
        ({"subscriptions": {"b": {"e": {"uri": "/", "headers": None}}}}, {"subscriptions": {"b": {"e": {"uri": "/"}}}}),
    ],
)
def test_so_is_one_inside_of_another(section, empty):
    assert parse_manifest(json.dumps({"name": "a"} | section)) == parse_manifest(json.dumps({"name": "a"} | empty))


@pytest.mark.parametrize("name", ["Acme/Checkout", "ACME", "acme/checkoutService", "A-b_C"])
def test_names_may_have_upper_case(name):
    manifest = parse_manifest(
        json.dumps({"name": name, "dependencies": {name + "2": "1"}, "datastores": {"DB": {"type": "x"}}})
    )
    assert (manifest.name, [*manifest.dependencies], [*manifest.datastores]) == (name, [name + "2"], ["DB"])


@pytest.mark.parametrize("name", ["api-key", "spring.datasource.url", "_x", "Mixed.Case-1", "x--y"])
def test_names_of_parameters_may_have_dashes_and_dots(name):
    parameters = {name: {"default": 1, "alias": name}}
    manifest = parse_manifest(
        json.dumps(
            {"name": "a", "parameters": parameters, "datastores": {"d": {"type": "x", "parameters": parameters}}}
        )
    )
    assert manifest.parameters[name].default == manifest.datastores["d"].parameters[name].default == "1"


@pytest.mark.parametrize(
    ("parameter", "default", "is_required"),
    [
        ({}, None, True),
        ({"required": False}, None, False),
        ({"default": None}, None, False),
        ({"default": None, "required": True}, None, False),
        ({"default": ""}, "", False),
        ({"default": 0}, "0", False),
        ({"default": 7.5}, "7.5", False),
        ({"default": -1}, "-1", False),
        ({"default": "file:./key"}, "file:./key", False),
    ],
)
def test_a_parameter_with_a_default_is_not_required_even_if_that_is_null(parameter, default, is_required):
    read = parse_manifest(json.dumps({"name": "a", "parameters": {"X": parameter}})).parameters["X"]
    assert (read.default, read.is_required) == (default, is_required)


def test_other_forms_that_the_original_platform_read():
    manifest = parse_manifest(
        json.dumps(
            {
                "name": "a",
                "notifications": {"paid": {"description": "It was"}, "sent": None},
                "datastores": {"db": {"docker": {"image": "postgres:12", "target_port": 5432}}},
            }
        )
    )
    assert manifest.notifications == ["paid", "sent"]
    assert (manifest.datastores["db"].image, manifest.datastores["db"].port) == ("postgres:12", 5432)


# a key that no field has -> its path, and the hint
UNKNOWN = [
    ({"dependecies": {}}, "dependecies", " (did you mean 'dependencies'?)"),
    ({"Port": 1}, "Port", " (did you mean 'port'?)"),
    ({"start": "npm start"}, "start", " (did you mean 'debug'?)"),
    ({"scripts": {}}, "scripts", " (did you mean 'debug'?)"),
    ({"__version": "1.0.0"}, "__version", " (architect.json has one format only)"),
    ({"image": "acme/shop"}, "image", " (did you mean 'datastores.*.image'?)"),
    ({"definitions": []}, "definitions", " (did you mean 'api.definitions'?)"),
    ({"type": "rest"}, "type", " (did you mean 'api.type'?)"),
    ({"proto": "a.proto"}, "proto", " (did you mean 'api.definitions'?)"),
    ({"env": {}}, "env", " (did you mean 'parameters'?)"),
    ({"platforms": {"x": 1}}, "platforms", ""),
    ({"api": {"type": "grpc", "proto": "a.proto"}}, "api.proto", " (did you mean 'definitions'?)"),
    ({"api": {"type": "grpc", "definitons": []}}, "api.definitons", " (did you mean 'definitions'?)"),
    ({"api": {"type": "rest", "port": 80}}, "api.port", " (it is a key of the top level)"),
    ({"parameters": {"X": {"name": "x"}}}, "parameters.X.name", " (it is a key of the top level)"),
    (
        {"datastores": {"db": {"image": "x", "version": "1"}}},
        "datastores.db.version",
        " (it is a part of the image: postgres:16)",
    ),
    ({"main": "a.js"}, "main", " (did you mean 'debug'?)"),
    ({"parameters": {"X": {"requird": True}}}, "parameters.X.requird", " (did you mean 'required'?)"),
    ({"parameters": {"default": {"value": 1}}}, "parameters.default.value", " (did you mean 'default'?)"),
    ({"parameters": {"X": {"build_arg": True}}}, "parameters.X.build_arg", ""),
    ({"datastores": {"db": {"image": "x", "prot": 1}}}, "datastores.db.prot", " (did you mean 'port'?)"),
    ({"subscriptions": {"b": {"e": {"uri": "/", "path": 1}}}}, "subscriptions.b.e.path", " (did you mean 'uri'?)"),
    ({"hunter2 hunter2": 1}, "<key that is no name>", ""),
]


@pytest.mark.parametrize(("change", "path", "hint"), UNKNOWN)
def test_an_unknown_key_is_ignored_and_reported_with_the_nearest_known_one(change, path, hint):
    unknown: list[tuple[str, str]] = []
    manifest = parse_manifest(json.dumps({"name": "a"} | change), unknown=unknown)
    assert manifest.name == "a"
    assert unknown == [(path, f"unknown key{hint}")]


def test_all_unknown_keys_are_reported_at_once_and_the_rest_is_read():
    unknown: list[tuple[str, str]] = []
    change = {
        "start": "x",
        "api": {"type": "grpc", "proto": "x"},
        "parameters": {"X": {"default": "1", "a": 1, "b": 2}},
    }
    manifest = parse_manifest(json.dumps(FULL | change), unknown=unknown)
    assert [path for path, _ in unknown] == ["api.proto", "parameters.X.a", "parameters.X.b", "start"]
    assert manifest.api is not None
    assert (manifest.parameters["X"].default, manifest.api.type) == ("1", "grpc")


ABOUT = {
    "name": "Math/adder-rest",
    "version": "0.2.0",
    "description": "Adds numbers",
    "keywords": ["math", "sample"],
    "author": ["Someone"],
    "license": "ISC",
}
REST, GRPC = {"api": {"type": "rest"}}, {"api": {"type": "grpc", "definitions": ["./service.proto"]}}
FOLDER, LATEST, NONE = (
    {"dependencies": each} for each in ({"math/base": "file:../../base/"}, {"math/base": "latest"}, {})
)
DEBUG, NPM = {"debug": "sh -c 'export FLASK_DEBUG=1; python3 -u src/main.py'"}, {"start": "npm start"}
COLUMNS = {
    "POSTGRES_USER": ("username", "postgres"),
    "POSTGRES_PASS": ("password", "pw"),
    "POSTGRES_DB": ("name", "sums"),
}
POSTGRES = {
    "datastores": {
        "primary": {
            "image": "postgres:10",
            "port": 5432,
            "parameters": {name: {"alias": alias, "default": value} for name, (alias, value) in COLUMNS.items()},
        }
    }
}
EMPTY = {"parameters": {}, "datastores": {}, "subscriptions": {}}


def _from(**reference: str) -> dict[str, object]:
    return {"parameters": {"ADDRESS": {"default": {"valueFrom": reference}}}}


OF_SERVICE = _from(dependency="math/base:latest", value="$HOST:$PORT")
OF_DATABASE = _from(datastore="primary", value="$POSTGRES_USER")
SAMPLES = [
    GRPC | FOLDER,
    GRPC | FOLDER | DEBUG | {"language": "python"},
    REST | FOLDER | DEBUG | POSTGRES | {"language": "go"},
    GRPC | NONE | DEBUG | POSTGRES,
    {"api": None} | FOLDER,
    REST | FOLDER | DEBUG,
    REST | NONE | DEBUG | NPM,
    REST | FOLDER | DEBUG | NPM,
    REST | LATEST | DEBUG | POSTGRES,
    GRPC | LATEST | DEBUG,
    GRPC | LATEST | DEBUG | EMPTY,
    REST | LATEST | DEBUG | {"datastores": {}},
    {"api": None} | LATEST,
    GRPC | LATEST | {"language": "java"},
    REST | LATEST | DEBUG,
    REST | NONE | DEBUG | NPM | POSTGRES,
    REST | LATEST | DEBUG | NPM,
    GRPC | LATEST | DEBUG | EMPTY | OF_SERVICE,
    GRPC | NONE | DEBUG | POSTGRES | OF_DATABASE,
    REST | LATEST | DEBUG | OF_SERVICE,
    GRPC | LATEST | DEBUG | OF_SERVICE,
    REST | LATEST | DEBUG | OF_SERVICE | {"datastores": {}},
    REST | LATEST | DEBUG | OF_SERVICE | NPM,
    REST | NONE | DEBUG | NPM | POSTGRES | OF_DATABASE,
    REST | LATEST | OF_SERVICE,
]


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_form_of_manifest_of_the_original_platform_is_read(sample):
    unknown: list[tuple[str, str]] = []
    manifest = parse_manifest(json.dumps(ABOUT | sample), unknown=unknown)
    assert manifest.name == "Math/adder-rest"
    assert [path for path, _ in unknown] == (["start"] if "start" in sample else [])
    if parameters := sample.get("parameters"):
        value = manifest.parameters["ADDRESS"].default
        assert isinstance(value, ValueFrom)
        assert value.reference.model_dump(exclude_none=True) == parameters["ADDRESS"]["default"]["valueFrom"]


@settings(deadline=None)
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
