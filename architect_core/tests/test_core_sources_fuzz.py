"""Whatever the environment holds, what is asked is answered or an ArchitectError that shows none of it."""

from __future__ import annotations

import json
import os
import traceback

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import architect.sdk as architect
from architect_core.sources.aspire import AspireSource
from architect_core.sources.bindings import BindingSource
from architect_core.sources.catalog import Catalog
from architect_core.sources.environment import EnvironmentSource
from architect_core.sources.local import LocalSource
from architect_core.sources.urls import UrlSource
from architect_core.sources.vcap import VcapSource

CANARY = "s3cret~canary"  # which does not look like a name: names are shown
# for each of ten tests; a nightly run takes its time
EXAMPLES = 10_000 if os.environ.get("ARCHITECT_FUZZ") == "nightly" else 400
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=10_000,  # milliseconds: nothing hangs
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# pieces of what is meant, broken and put together anew
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


def ask_everything(source) -> None:
    """Ask for some names; whatever is raised must be an error of ours that shows nothing."""
    import threading

    catalog = Catalog([("fuzzed", lambda: source)], threading.RLock())
    questions = [
        lambda: catalog.current_service,
        lambda: catalog.names("services"),
        lambda: catalog.names("datastores", "a"),
    ]
    for name in NAMES:
        questions += [lambda name=name: catalog.service(name), lambda name=name: catalog.datastore(name, "a")]
    for question in questions:
        try:
            answer = question()
        except architect.ArchitectError as problem:
            shown = "".join(traceback.format_exception(problem)) + repr(vars(problem))
            # a name that is asked for or that a file has is no secret
            assert CANARY not in shown, shown
        else:
            assert CANARY not in repr(getattr(answer, "entry", None))


@fuzz
@given(JSON)
def test_any_json_in_architect(value):
    ask_everything(EnvironmentSource({"ARCHITECT": json.dumps(value), "ARCHITECT_CURRENT_SERVICE": "a"}))


@fuzz
@given(TEXTS)
def test_any_text_in_architect(text):
    ask_everything(EnvironmentSource({"ARCHITECT": text}))


@fuzz
@given(st.dictionaries(KEYS, st.lists(JSON, max_size=2), max_size=3))
def test_any_json_in_vcap_services(value):
    ask_everything(VcapSource({"VCAP_SERVICES": json.dumps(value)}))


@fuzz
@given(TEXTS)
def test_any_text_in_vcap_services(text):
    ask_everything(VcapSource({"VCAP_SERVICES": text}))


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


@fuzz
@given(st.dictionaries(VARIABLES, TEXTS, max_size=6))
def test_any_text_in_variables_of_aspire(variables):
    ask_everything(AspireSource(variables))


@fuzz
@given(st.dictionaries(VARIABLES, TEXTS, max_size=6))
def test_any_text_in_url_variables(variables):
    ask_everything(UrlSource(variables))


FILES = st.sampled_from(
    ["type", "provider", "host", "port", "uri", "username", "password", "database", "api", "ca.crt", "x"]
)


@fuzz
@given(
    st.dictionaries(
        FILES, st.one_of(TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=20))
    )
)
def test_any_bytes_in_a_binding(tmp_path, files):
    import shutil

    shutil.rmtree(tmp_path / "bindings", ignore_errors=True)
    for name in ("a", "db"):
        (tmp_path / "bindings" / name).mkdir(parents=True)
        for file, content in files.items():
            (tmp_path / "bindings" / name / file).write_bytes(content)
    ask_everything(BindingSource({"SERVICE_BINDING_ROOT": str(tmp_path / "bindings")}))


@fuzz
@given(st.one_of(st.binary(max_size=60), TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass"))))
@pytest.mark.parametrize("suffix", ["json", "toml"])
def test_any_bytes_in_a_local_file(tmp_path, suffix, content):
    (tmp_path / f"local.{suffix}").write_bytes(content)
    ask_everything(LocalSource({"ARCHITECT_LOCAL": str(tmp_path / f"local.{suffix}")}))


@fuzz
@given(TEXTS)
def test_any_text_as_a_path(text):
    for variable, source in (("ARCHITECT_FILE", EnvironmentSource), ("SERVICE_BINDING_ROOT", BindingSource)):
        try:
            configuration = source({variable: text.replace(CANARY, "")}).load()
        except architect.ArchitectError:
            continue
        assert configuration.services is not None
