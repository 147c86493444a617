"""Whatever a source reads, a look-up returns an entry or raises an ArchitectError that shows none of what was read."""

from __future__ import annotations

import json
import os
import shutil
import traceback

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import architect.sdk as architect
from architect_core.sources.catalog import Catalog, Layer
from architect_core.sources.variables import EnvironmentSource, LocalSource
from architect_sources.aspire import AspireSource
from architect_sources.bindings import BindingSource
from architect_sources.urls import UrlSource
from architect_sources.vcap import VcapSource

CANARY = "s3cret~canary"  # it does not look like a name: names are shown
# of each property, in the tests that are marked as exhaustive
MANY = 10_000 if os.environ.get("ARCHITECT_FUZZ") == "nightly" else 400

# pieces of valid values, which are put together at random
PIECES = st.sampled_from(
    [
        "http://",
        "https://",
        "postgresql://",
        "redis+x://",
        "//",
        "://",
        ":",
        "@",
        "/",
        "?",
        "#",
        "%",
        "%4",
        "%00",
        "[",
        "]",
        "[::1]",
        "::1",
        "a",
        "db",
        ".",
        "..",
        ",",
        ";",
        "=",
        "0",
        "80",
        "65536",
        "99999999999999999999",
        "-1",
        " ",
        "\t",
        "\n",
        "\0",
        "é",
        "\ud800",
        "𝄞",
        "\u202e",
        "ß",
        '"',
        "'",
        "\\",
        "{",
        "}",
        "[]",
        "null",
        "NaN",
        "1e999",
        "Host=",
        "ssl=true",
        CANARY,
    ]
)
TEXTS = st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=40))
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS)
KEYS = st.one_of(
    st.sampled_from(
        [
            "host",
            "port",
            "api",
            "url",
            "uri",
            "type",
            "kind",
            "image",
            "password",
            "username",
            "name",
            "options",
            "headers",
            "instances",
            "datastores",
            "subscriptions",
            "credentials",
            "$file",
            "$env",
            "acme/a",
            "a",
            "db",
            "label",
            "tags",
        ]
    ),
    TEXTS,
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)
NAMES = ("acme/a", "a", "db", "primary_db")


def look_everything_up(source) -> None:
    """Look up some names; anything that is raised must be an error of ours that shows no secret."""
    catalog = Catalog([Layer("fuzzed", source)])
    look_ups = [
        lambda: catalog.current_service,
        lambda: catalog.names("services"),
        lambda: catalog.names("datastores", "a"),
    ]
    for name in NAMES:
        look_ups += [lambda name=name: catalog.service(name), lambda name=name: catalog.datastore(name, "a")]
    for look_up in look_ups:
        try:
            shown = repr(getattr(look_up(), "entry", None))
        except architect.ArchitectError as problem:
            shown = "".join(traceback.format_exception(problem)) + repr(vars(problem))
        assert CANARY not in shown


VARIABLES = st.sampled_from(
    [
        "services__a__http__0",
        "services__a__http__1",
        "services__acme-a__grpc__0",
        "services____http__0",
        "services__a__0",
        "ConnectionStrings__db",
        "ConnectionStrings__primary-db",
        "A_HTTP",
        "A_HTTPS",
        "DB_URI",
        "DB_HOST",
        "DB_PORT",
        "DB_USERNAME",
        "DB_PASSWORD",
        "A_URL",
        "DB_URL",
        "ACME_A_URL",
        "DATABASE_URL",
        "_URL",
    ]
)


FILES = st.sampled_from(
    ["type", "provider", "host", "port", "uri", "username", "password", "database", "api", "ca.crt", "x"]
)
BYTES = st.one_of(TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=60))


def json_in_architect(_, value):
    look_everything_up(EnvironmentSource({"ARCHITECT": json.dumps(value), "ARCHITECT_CURRENT_SERVICE": "a"}))


def text_in_architect(_, text):
    look_everything_up(EnvironmentSource({"ARCHITECT": text}))


def json_in_vcap_services(_, value):
    look_everything_up(VcapSource({"VCAP_SERVICES": json.dumps(value)}))


def text_in_vcap_services(_, text):
    look_everything_up(VcapSource({"VCAP_SERVICES": text}))


def text_in_variables_of_aspire(_, variables):
    look_everything_up(AspireSource(variables))


def text_in_url_variables(_, variables):
    look_everything_up(UrlSource(variables))


def bytes_in_a_binding(folder, files):
    shutil.rmtree(folder / "bindings", ignore_errors=True)
    for name in ("a", "db"):
        (folder / "bindings" / name).mkdir(parents=True)
        for file, content in files.items():
            (folder / "bindings" / name / file).write_bytes(content)
    look_everything_up(BindingSource({"SERVICE_BINDING_ROOT": str(folder / "bindings")}))


def bytes_in_a_local_file_of_json(folder, content):
    (folder / "local.json").write_bytes(content)
    look_everything_up(LocalSource({"ARCHITECT_LOCAL": str(folder / "local.json")}))


def bytes_in_a_local_file_of_toml(folder, content):
    (folder / "local.toml").write_bytes(content)
    look_everything_up(LocalSource({"ARCHITECT_LOCAL": str(folder / "local.toml")}))


def text_as_a_path(_, text):
    for variable, source in (("ARCHITECT_FILE", EnvironmentSource), ("SERVICE_BINDING_ROOT", BindingSource)):
        try:
            configuration = source({variable: text.replace(CANARY, "")}).load()
        except architect.ArchitectError:
            continue
        assert configuration.services is not None


PROPERTIES = {
    json_in_architect: JSON,
    text_in_architect: TEXTS,
    json_in_vcap_services: st.dictionaries(KEYS, st.lists(JSON, max_size=2), max_size=3),
    text_in_vcap_services: TEXTS,
    text_in_variables_of_aspire: st.dictionaries(VARIABLES, TEXTS, max_size=6),
    text_in_url_variables: st.dictionaries(VARIABLES, TEXTS, max_size=6),
    bytes_in_a_binding: st.dictionaries(FILES, BYTES),
    bytes_in_a_local_file_of_json: BYTES,
    bytes_in_a_local_file_of_toml: BYTES,
    text_as_a_path: TEXTS,
}
each_property = pytest.mark.parametrize("check", PROPERTIES, ids=lambda check: check.__name__)


def prove(check, folder, examples):
    # nothing hangs: an example takes 10 seconds at most
    limits = settings(max_examples=examples, deadline=10_000, suppress_health_check=[HealthCheck.too_slow])

    @limits
    @given(PROPERTIES[check])
    def proved(value):
        check(folder, value)

    proved()


@each_property
def test_any(tmp_path, check):
    prove(check, tmp_path, 40)


@pytest.mark.exhaustive
@each_property
def test_any_at_length(tmp_path, check):
    prove(check, tmp_path, MANY)
