"""The sources that need no platform, and the rules for all sources: precedence, plugins, pointers to values."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from importlib.metadata import EntryPoints, entry_points

import pytest

import architect.sdk as architect
from architect_core.plugins import loading

PARSER = """
from architect_core.contract import CredentialParser, Credentials, hookimpl

ARCHITECT_CONTRACT = 2

class Parser(CredentialParser):
    def credentials(self, target):
        return Credentials(target.engine, dict(target.config))

@hookimpl
def architect_credential_parser():
    return Parser()
"""


@pytest.fixture(autouse=True)
def parser(install_plugin, monkeypatch):
    monkeypatch.setenv("ARCHITECT_DISABLED_PLUGINS", "architect-datastore")
    install_plugin(
        "architect-any", dict.fromkeys(("generic", "postgres", "postgresql"), "any_parser"), {"any_parser": PARSER}
    )


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A working directory without a manifest, and no variable of a platform."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("SERVICE_BINDING_ROOT", "VCAP_SERVICES", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def secret_file(tmp_path):
    (tmp_path / "secret").write_text("s3cret\n")
    return {"$file": str(tmp_path / "secret")}


BILLING = {"host": "http://billing", "port": 8080, "api": "rest"}
INSTANCES = [{"host": "http://b0", "port": 8080}, {"host": "http://b1", "port": 8081}]
DB = {"type": "postgres", "host": "db", "port": 5432, "username": "app", "password": "s3cret", "name": "shop"}
OWN = {"acme/shop": {"api": None, "datastores": {"primary_db": DB}}}
CURRENT = {"ARCHITECT_CURRENT_SERVICE": "acme/shop"}


def in_architect(services):
    return lambda tmp_path: {"ARCHITECT": json.dumps(services)} | CURRENT


def in_file(services, name="services.json"):
    def make(tmp_path):
        (tmp_path / name).write_text(services if isinstance(services, str) else json.dumps(services))
        return {"ARCHITECT_FILE": str(tmp_path / name)} | CURRENT

    return make


def in_local(services):
    def make(tmp_path):
        (tmp_path / "elsewhere" / "architect.local.json").write_text(json.dumps(services))
        return {"ARCHITECT_LOCAL": "1"} | CURRENT

    return make


def with_pointer(make_services):
    def make(tmp_path):
        return {"ARCHITECT": json.dumps(make_services(secret_file(tmp_path)))} | CURRENT

    return make


SERVICES = {
    "environment": in_architect({"acme/billing": BILLING}),
    "environment: file": in_file({"acme/billing": BILLING}),
    "environment: TOML": in_file(
        '["acme/billing"]\nhost = "http://billing"\nport = 8080\napi = "rest"', "services.toml"
    ),
    "local": in_local({"acme/billing": BILLING}),
}
DATASTORES = {"environment": in_architect(OWN), "environment: file": in_file(OWN), "local": in_local(OWN)}
MANY = {
    "environment": in_architect({"acme/billing": {"api": "rest", "instances": INSTANCES}}),
    "local": in_local({"acme/billing": {"api": "rest", "instances": INSTANCES}}),
}
SECRETS = {
    "environment: $file": with_pointer(
        lambda secret: {"acme/shop": {"api": None, "datastores": {"primary_db": DB | {"password": secret}}}}
    ),
    "environment: $env": lambda tmp_path: (
        {
            "ARCHITECT": json.dumps(
                {"acme/shop": {"api": None, "datastores": {"primary_db": DB | {"password": {"$env": "DB_PASSWORD"}}}}}
            ),
            "DB_PASSWORD": "s3cret",
        }
        | CURRENT
    ),
    "local": lambda tmp_path: in_local(
        {"acme/shop": {"api": None, "datastores": {"primary_db": DB | {"password": secret_file(tmp_path)}}}}
    )(tmp_path),
}


@pytest.fixture
def prepare(monkeypatch, tmp_path):
    def prepare(make):
        for name, value in make(tmp_path).items():
            monkeypatch.setenv(name, value)

    return prepare


@pytest.mark.parametrize("source", SERVICES)
def test_a_service_is_found_in(prepare, source):
    prepare(SERVICES[source])
    service = architect.service("acme/billing")
    assert (service.config.api, service.config.host.removesuffix(":8080")) == ("rest", "http://billing")
    assert architect.service("acme/billing") is service


@pytest.mark.parametrize("source", DATASTORES)
def test_a_datastore_is_found_in(prepare, source):
    prepare(DATASTORES[source])
    db = architect.datastore("primary_db")
    assert (db.engine, db.host, db.port, db.username, db.password, db.name) == (
        "postgres",
        "db",
        5432,
        "app",
        "s3cret",
        "shop",
    )


@pytest.mark.parametrize("source", MANY)
def test_several_instances_are_a_list_in(prepare, source):
    prepare(MANY[source])
    config = architect.service("acme/billing").config
    hosts = [instance.host.rpartition(":808")[0] or instance.host for instance in config.instances]
    assert hosts == ["http://b0", "http://b1"]
    assert config.host == config.instances[0].host


@pytest.mark.parametrize("source", SECRETS)
def test_a_secret_is_read_from_a_file_or_a_variable_in(prepare, source):
    prepare(SECRETS[source])
    assert architect.datastore("primary_db").password == "s3cret"


def test_of_the_core_s_own_sources_the_program_s_wins_then_architect_then_the_local_file(monkeypatch, tmp_path):
    def entry(host):
        return {"acme/billing": {"host": host, "api": "rest"}}

    monkeypatch.setenv("ARCHITECT", json.dumps(entry("environment")))
    in_local(entry("local"))(tmp_path)
    monkeypatch.setenv("ARCHITECT_LOCAL", "1")
    resolver = architect.Resolver(entry("configure"), source="environment,local")
    found = [(each.source, each.entry.host) for each in resolver.catalog.all("services", "acme/billing")]
    assert found == [("configure", "configure"), ("environment", "environment"), ("local", "local")]
    assert architect.Resolver(entry("configure")).service("acme/billing").config.host == "configure"
    assert architect.service("acme/billing").config.host == "environment"
    monkeypatch.delenv("ARCHITECT")
    assert architect.Resolver().service("acme/billing").config.host == "local"


def test_the_sources_and_their_order_can_be_stated(monkeypatch, tmp_path):
    monkeypatch.setenv("ARCHITECT", json.dumps({"a": BILLING}))
    in_local({"a": BILLING | {"host": "http://local"}})(tmp_path)
    monkeypatch.setenv("ARCHITECT_LOCAL", "1")
    monkeypatch.setenv("ARCHITECT_SOURCE", "local, environment")
    assert architect.service("a").config.host == "http://local"
    monkeypatch.setenv("ARCHITECT_SOURCE", "local,local")
    with pytest.raises(architect.ConfigError, match="the variable ARCHITECT_SOURCE: names a source twice"):
        architect.Resolver().service("a")


# a datastore with files of TLS, as a platform adds them
PLATFORM = """
import os
from architect_core.contract import Configuration, Source, hookimpl
from architect_core.schema import DatastoreConfig, ServiceConfig

ARCHITECT_CONTRACT = 2
FILES = {"ca": "/platform/ca.crt", "key": "/platform/tls.key"}

class PlatformSource(Source):
    name = "platform"
    knows_current_service = False
    def load(self):
        db = DatastoreConfig(type="postgres", host="db", options=dict(FILES))
        billing = ServiceConfig(host="http://platform", api="rest")
        strict = bool(os.environ.get("STRICT"))
        return Configuration({"billing": billing}, None, "the platform", {"db": db}, keep_unknown_options=not strict)

@hookimpl
def architect_source():
    return PlatformSource()
"""
WITH_CA = """
from architect_core.contract import CredentialParser, Credentials, Options, hookimpl

ARCHITECT_CONTRACT = 2

class Parser(CredentialParser):
    class Options(Options):
        ca: str | None = None
    def credentials(self, target):
        given = {name: value for name, value in target.options if value is not None}
        return Credentials(target.engine, dict(target.config), given)

@hookimpl
def architect_credential_parser():
    return Parser()
"""


@pytest.fixture
def platform(install_plugin, monkeypatch):
    """A third party's source, and an engine that has the option `ca` alone."""
    monkeypatch.setenv("ARCHITECT_DISABLED_PLUGINS", "architect-datastore,architect-any")
    modules = {"a_platform": PLATFORM, "an_engine": WITH_CA}
    install_plugin("architect-platform", {"platform": "a_platform", "postgres": "an_engine"}, modules)
    yield
    for name in modules:
        sys.modules.pop(name, None)


def test_options_of_a_third_party_s_source_that_the_engine_does_not_have_are_attributes(platform):
    db = architect.Resolver(source="platform").datastore("db")
    assert (db.options, db["key"]) == ({"ca": "/platform/ca.crt"}, "/platform/tls.key")


def test_an_option_that_the_engine_does_not_have_is_an_error_unless_the_source_says_otherwise(platform, monkeypatch):
    monkeypatch.setenv("STRICT", "1")
    with pytest.raises(architect.ConfigError, match=r"the platform: db\.options\.key: unknown key"):
        architect.Resolver(source="platform").datastore("db")


def test_a_source_is_the_same_by_its_name_and_as_an_object(platform):
    by_name = architect.Resolver(source="platform")
    by_name.datastore("db")
    from a_platform import PlatformSource

    as_object = architect.Resolver(source=PlatformSource())
    assert by_name.catalog.datastore("db", None) == as_object.catalog.datastore("db", None)
    assert by_name.datastore("db") == as_object.datastore("db")


def test_a_source_without_a_name_is_called_by_its_class(platform):
    class Anonymous(architect.EnvironmentSource):
        name = ""

    resolver = architect.Resolver(source=Anonymous({"ARCHITECT": json.dumps({"a": BILLING})}))
    assert resolver.catalog.service("a").source == "Anonymous"


@pytest.fixture
def without(monkeypatch):
    """Removes entry points of architect-sources, as if it were not installed."""

    def remove(*names):
        def is_removed(entry):
            return entry.name in names and entry.module.startswith("architect_sources.")

        def kept(**wanted):
            return EntryPoints(each for each in entry_points(**wanted) if not is_removed(each))

        monkeypatch.setattr(loading, "entry_points", kept)

    return remove


PLATFORMS = ("bindings", "aspire", "vcap", "urls", "dns")
MARKERS = {"SERVICE_BINDING_ROOT": "bindings", "VCAP_SERVICES": "vcap", "ARCHITECT_DNS": "dns"}


@pytest.mark.parametrize("variable", MARKERS)
def test_a_platform_whose_source_is_not_installed_is_an_error_with_the_line_for_pip(without, monkeypatch, variable):
    without(*PLATFORMS)
    monkeypatch.setenv("ARCHITECT", json.dumps({"a": BILLING}))
    monkeypatch.setenv(variable, "/x")
    assert architect.service("a").config.port == 8080
    wanted = "'architect-sources[dns]'" if variable == "ARCHITECT_DNS" else "architect-sources"
    with pytest.raises(architect.NoPluginError) as caught:
        architect.service("b")
    assert str(caught.value).startswith(f"the variable {variable}: no installed plugin serves '{MARKERS[variable]}'")
    assert str(caught.value).endswith(f"pip install {wanted}")
    with pytest.raises(architect.NoPluginError):
        architect.datastore("b")


def test_sources_that_are_not_installed_are_skipped_unless_their_platform_s_variable_is_set(without):
    without(*PLATFORMS)
    with pytest.raises(architect.UnknownServiceError, match="none is known"):
        architect.service("a")


@pytest.mark.parametrize("disabled", ["vcap", "architect-sources", "Architect.Sources"])
@pytest.mark.parametrize("removed", [PLATFORMS, ()])
def test_a_source_that_is_disabled_is_skipped_installed_or_not(without, monkeypatch, disabled, removed):
    without(*removed)
    monkeypatch.setenv("VCAP_SERVICES", "malformed")
    monkeypatch.setenv("ARCHITECT_DISABLED_PLUGINS", disabled)
    with pytest.raises(architect.UnknownServiceError):
        architect.service("a")


def test_a_plugin_of_another_kind_that_has_the_name_of_a_source_is_skipped(without, install_plugin):
    without(*PLATFORMS)
    install_plugin("architect-other", {"urls": "any_parser"}, {})
    with pytest.raises(architect.UnknownServiceError):
        architect.service("a")


def test_a_source_is_loaded_when_a_name_is_looked_up_that_no_source_above_it_has(platform, monkeypatch):
    monkeypatch.setenv("ARCHITECT", json.dumps({"a": BILLING, "me": {"api": None}}))
    monkeypatch.setenv("ARCHITECT_CURRENT_SERVICE", "me")
    resolver = architect.Resolver(source="environment,platform")
    assert resolver.service("a").config.port == 8080
    assert resolver.current_service().name == "me"
    assert "a_platform" not in sys.modules
    assert resolver.service("billing").config.host == "http://platform"
    assert "a_platform" in sys.modules


def test_the_search_for_the_running_service_loads_no_source_of_a_platform(install_plugin, monkeypatch):
    monkeypatch.setenv("ARCHITECT", json.dumps({"a": BILLING}))
    monkeypatch.setattr(loading, "entry_points", lambda **wanted: pytest.fail("entry points were searched"))
    assert architect.service("a").config.port == 8080
    assert architect.Resolver().current_name is None


def test_an_entry_is_taken_whole_so_that_no_password_reaches_the_host_of_another_source(monkeypatch, tmp_path):
    monkeypatch.setenv("ARCHITECT", json.dumps({"a": {"api": None, "datastores": {"db": {"host": "mine"}}}}))
    monkeypatch.setenv("ARCHITECT_CURRENT_SERVICE", "a")
    in_local({"a": {"api": None, "datastores": {"db": {"host": "theirs", "password": "s3cret"}}}})(tmp_path)
    monkeypatch.setenv("ARCHITECT_LOCAL", "1")
    assert dict(architect.datastore("db")) == {"host": "mine"}


def test_a_malformed_source_affects_no_name_that_is_found_before_it(monkeypatch):
    monkeypatch.setenv("ARCHITECT", json.dumps({"acme/billing": BILLING}))
    monkeypatch.setenv("ARCHITECT_LOCAL", "/no/such/file")
    assert architect.service("acme/billing").config.port == 8080
    with pytest.raises(architect.ConfigError, match="the local file /no/such/file: cannot be read"):
        architect.service("acme/other")


def test_a_local_file_is_read_only_when_it_is_asked_for(monkeypatch, tmp_path):
    (tmp_path / "elsewhere" / "architect.local.json").write_text(json.dumps({"acme/billing": BILLING}))
    for off in ("", "0", "false"):
        monkeypatch.setenv("ARCHITECT_LOCAL", off)
        with pytest.raises(architect.UnknownServiceError):
            architect.Resolver().service("acme/billing")
    monkeypatch.setenv("ARCHITECT_LOCAL", str(tmp_path / "elsewhere" / "architect.local.json"))
    assert architect.Resolver().service("acme/billing").config.port == 8080
    (tmp_path / "elsewhere" / "architect.local.json").unlink()
    monkeypatch.setenv("ARCHITECT_LOCAL", "1")
    with pytest.raises(architect.ConfigError, match=r"ARCHITECT_LOCAL: asks for architect\.local\.json or"):
        architect.Resolver().service("acme/billing")


SECRET = "s3cret-canary"
MALFORMED = {
    "file that is not there": (
        {"ARCHITECT_FILE": "/no/such/file"},
        "the file /no/such/file (ARCHITECT_FILE): cannot be r",
    ),
    "both": ({"ARCHITECT": "{}", "ARCHITECT_FILE": "x"}, "both ARCHITECT and ARCHITECT_FILE are set"),
    "a configuration instead of its file": (
        {"ARCHITECT_FILE": f'{{"db": {{"password": "{SECRET}"}}}}'},
        "the environment variable ARCHITECT_FILE: must name a file, but holds something else; a configuration itself",
    ),
    "a local configuration instead of its file": (
        {"ARCHITECT_LOCAL": f'[db]\npassword = "{SECRET}"'},
        "the environment variable ARCHITECT_LOCAL: must name a file",
    ),
    "a surrogate in JSON": (
        {"ARCHITECT": f'{{"db": {{"options": {{"x": ["{SECRET}\\udcff"]}}}}}}'},
        "db.options.x[0]: has a character that is no text",
    ),
    "a variable that is no text": (
        {"ARCHITECT": '{"db": {"options": {"x": {"$env": "PASSWORD"}}}}', "PASSWORD": f"{SECRET}\udcff"},
        "db.options.x: the variable that $env names has a character that is no text",
    ),
}


@pytest.mark.parametrize("how", MALFORMED)
def test_the_error_of_malformed_configuration_names_the_path_and_no_content(monkeypatch, how):
    environ, expected = MALFORMED[how]
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    errors = []
    for ask in (architect.service, architect.datastore):
        try:
            ask("db")
        except architect.ArchitectError as problem:
            errors.append(problem)
    assert any(expected in str(error) for error in errors)
    for error in errors:
        assert SECRET not in repr((str(error), vars(error), error.__context__))


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ({"$file": "/no/such/secret"}, "the file that it names cannot be read (No such file or directory)"),
        ({"$file": ""}, "$file must name a file"),
        ({"$file": 7}, "$file must name a file"),
        ({"$env": "NOT_SET_AT_ALL"}, "$env names a variable that is not set"),
        ({"$env": None}, "$env must name a variable"),
    ],
)
def test_the_error_of_a_pointer_without_a_target_names_its_path(pointer, expected):
    resolver = architect.Resolver({"a": {"datastores": {"db": {"password": pointer}}}})
    with pytest.raises(architect.ConfigError) as caught:
        resolver.service("a")
    assert str(caught.value) == f"the configuration given in code: a.datastores.db.password: {expected}"


def test_a_file_of_a_megabyte_more_or_of_no_text_is_no_secret(tmp_path):
    for content, expected in ((b"x" * (1 << 20) + b"x", "larger than 1 MiB"), (b"\xff", "not UTF-8")):
        (tmp_path / "secret").write_bytes(content)
        pointer = {"$file": str(tmp_path / "secret")}
        with pytest.raises(architect.ConfigError, match=expected):
            architect.Resolver({"a": {"datastores": {"db": {"password": pointer}}}}).service("a")


TOML = {
    "1979-05-27T07:32:00Z": "is a date or a time, which JSON does not have; write it as text, in quotes",
    "1979-05-27": "is a date or a time",
    "07:32:00": "is a date or a time",
    "nan": "must be a finite number",
    "-inf": "must be a finite number",
    "[" * 40 + "]" * 40: "is nested too deeply",
}


@pytest.mark.parametrize("value", TOML)
def test_the_error_of_a_toml_value_that_json_does_not_have_names_its_path(monkeypatch, tmp_path, value):
    (tmp_path / "services.toml").write_text(f'[a]\nhost = "h"\napi = "rest"\noptions = {{ x = [0, {value}] }}\n')
    monkeypatch.setenv("ARCHITECT_FILE", str(tmp_path / "services.toml"))
    with pytest.raises(architect.ConfigError) as caught:
        architect.service("a")
    ((path, reason),) = caught.value.problems
    assert path.startswith("a.options.x[1]")
    assert reason.startswith(TOML[value])


NO_FILES = {"a pipe": "is a pipe that nobody writes to", "a device": "is neither a file nor a pipe"}


@pytest.mark.parametrize("what", NO_FILES)
@pytest.mark.parametrize("variable", ["ARCHITECT_FILE", "ARCHITECT_LOCAL", "ARCHITECT"])
def test_what_may_never_end_is_no_file_and_nobody_waits_for_it(monkeypatch, tmp_path, what, variable):
    path = "/dev/zero"
    if what == "a pipe":
        path = str(tmp_path / "pipe")
        os.mkfifo(path)
    pointing = json.dumps({"a": BILLING | {"token": {"$file": path}}})
    monkeypatch.setenv(variable, pointing if variable == "ARCHITECT" else path)
    with pytest.raises(architect.ConfigError, match=NO_FILES[what]):
        architect.service("a")


def test_a_configuration_larger_than_16_mebibytes_is_not_read(monkeypatch, tmp_path):
    with (tmp_path / "services.json").open("wb") as file:
        file.truncate((16 << 20) + 1)
    monkeypatch.setenv("ARCHITECT_FILE", str(tmp_path / "services.json"))
    with pytest.raises(architect.ConfigError, match="is larger than 16 MiB"):
        architect.service("a")


def test_a_pipe_is_read_to_its_end_where_somebody_writes_to_it(monkeypatch):
    reading, writing = os.pipe()
    monkeypatch.setenv("ARCHITECT_FILE", f"/dev/fd/{reading}")
    text = json.dumps({"acme/billing": BILLING}).encode()

    def write():
        for start in range(0, len(text), 10):
            time.sleep(0.01)
            os.write(writing, text[start : start + 10])
        os.close(writing)

    thread = threading.Thread(target=write)
    thread.start()
    assert architect.service("acme/billing").config.port == 8080
    thread.join()
    os.close(reading)


def test_a_name_that_no_source_has_is_an_error_that_lists_those_of_all(monkeypatch, tmp_path):
    monkeypatch.setenv("ARCHITECT", json.dumps(OWN))
    monkeypatch.setenv("ARCHITECT_CURRENT_SERVICE", "acme/shop")
    in_local({"acme/billing": BILLING})(tmp_path)
    monkeypatch.setenv("ARCHITECT_LOCAL", "1")
    with pytest.raises(architect.UnknownServiceError) as caught:
        architect.service("acme/biling")
    assert caught.value.known == ("acme/billing", "acme/shop")
    with pytest.raises(architect.UnknownDatastoreError) as caught:
        architect.datastore("primary_bd")
    assert caught.value.known == ("primary_db",)


@pytest.mark.parametrize(("names", "reason"), [(" , ", "names no source"), ("local,local", "names a source twice")])
def test_a_list_of_sources_that_cannot_be_meant_is_an_error(monkeypatch, names, reason):
    monkeypatch.setenv("ARCHITECT_SOURCE", names)
    with pytest.raises(architect.ConfigError, match=f"the variable ARCHITECT_SOURCE: {reason}"):
        architect.service("a")
    with pytest.raises(architect.ConfigError, match=rf"configure\(source=...\): {reason}"):
        architect.configure(source=names).service("a")
