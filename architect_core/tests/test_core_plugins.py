"""Plugins are found by name and loaded on first use; a broken one affects only its own users."""

from __future__ import annotations

import re
import sys
from importlib.metadata import EntryPoints

import pytest

import architect.sdk as architect
from architect_core.contract.client import ClientFactory
from architect_core.contract.credentials import CredentialParser
from architect_core.plugins import Plugins, loading

HEAD = "from architect_core.contract import hookimpl\nARCHITECT_CONTRACT = 2\n"
GOOD = (
    HEAD
    + """
from architect_core.contract.client import ClientFactory
class Factory(ClientFactory):
    def client(self, target):
        return target.name
@hookimpl
def architect_client_factory():
    return Factory()
"""
)


@pytest.fixture(autouse=True)
def forget_modules():
    yield
    for name in [name for name in sys.modules if name.startswith("plugin_under_test")]:
        del sys.modules[name]


def test_a_third_party_protocol_is_served_through_its_entry_point(install_plugin):
    install_plugin("architect-owl", {"owl": "plugin_under_test"}, {"plugin_under_test": GOOD})
    assert architect.Resolver({"a": {"host": "h", "api": "owl"}}).service("a").client == "a"


def test_no_plugin_names_those_installed_and_the_nearest(install_plugin):
    install_plugin("architect-owl", {"owl": "plugin_under_test"}, {"plugin_under_test": GOOD})
    with pytest.raises(architect.NoPluginError, match="service 'a': no installed plugin serves 'owls'") as caught:
        _ = architect.Resolver({"a": {"host": "h", "api": "owls"}}).service("a").client
    assert "did you mean 'owl'" in str(caught.value)
    assert "owl" in caught.value.installed


@pytest.mark.parametrize(
    ("name", "distribution"),
    [
        ("rest", "architect-rest"),
        ("grpcs", "architect-grpc"),
        ("otel", "architect-otel"),
        ("bindings", "architect-sources"),
        *(
            (engine, "architect-datastore")
            for engine in ("rediss", "amqps", "postgis", "mongodb+srv", "clickhouse-server")
        ),
    ],
)
def test_an_error_about_a_plugin_that_architect_ships_has_its_pip_line(monkeypatch, name, distribution):
    monkeypatch.setattr(loading, "entry_points", lambda **_: EntryPoints())
    with pytest.raises(architect.NoPluginError, match=f"serves '{re.escape(name)}'.* pip install {distribution}$"):
        Plugins().get(ClientFactory, name, "service 'a'")


def test_looking_up_one_plugin_loads_no_other(install_plugin):
    install_plugin("architect-owl", {"owl": "plugin_under_test"}, {"plugin_under_test": GOOD})
    install_plugin("architect-bad", {"bad": "plugin_under_test_bad"}, {"plugin_under_test_bad": "raise SystemExit"})
    assert Plugins().get(ClientFactory, "owl", "test")
    assert "plugin_under_test_bad" not in sys.modules


BROKEN = {
    "exits": ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
    "import": ("import no_such_module_at_all", "cannot be imported: ModuleNotFoundError"),
    "hook name": (HEAD + "@hookimpl\ndef architect_client_factroy(): ...", "breaks the plugin contract"),
    "hook argument": (HEAD + "@hookimpl\ndef architect_client_factory(x): ...", "breaks the plugin contract"),
    "raises": (
        HEAD + "@hookimpl\ndef architect_client_factory(): 1 / 0",
        "failed in architect_client_factory: ZeroDiv",
    ),
    "wrong type": (HEAD + "@hookimpl\ndef architect_client_factory(): return 7", "returned a int"),
    "hook that exits": (HEAD + "@hookimpl\ndef architect_client_factory(): raise SystemExit", "failed in architect_cl"),
    "hook without its mark": (HEAD + "def architect_client_factory(): ...", "is not marked with @hookimpl"),
    "no version": (HEAD.partition("ARCHITECT")[0], "Add ARCHITECT_CONTRACT = 2 to it"),
    "version that is none": ("ARCHITECT_CONTRACT = 'one'", "Add ARCHITECT_CONTRACT = 2 to it"),
    "newer version": ("ARCHITECT_CONTRACT = 7", "written for version 7 of the plugin contract, and architect-core 0."),
    "older version": ("ARCHITECT_CONTRACT = 0", "has version 2. Upgrade the plugin"),
    "options that are no schema": (
        GOOD.replace("(ClientFactory):", "(ClientFactory):\n    Options = dict"),
        "ClientFactory.Options is no pydantic model",
    ),
    "no hook": (HEAD, "has no hook architect_client_factory"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_the_error_of_a_broken_plugin_names_its_distribution_and_other_plugins_still_work(install_plugin, how):
    source, expected = BROKEN[how]
    install_plugin("architect-bad", {"bad": "plugin_under_test_bad"}, {"plugin_under_test_bad": source})
    install_plugin("architect-owl", {"owl": "plugin_under_test"}, {"plugin_under_test": GOOD})
    plugins = Plugins()
    for _ in range(2):
        with pytest.raises(architect.PluginError) as caught:
            plugins.get(ClientFactory, "bad", "service 'a'")
        assert expected in str(caught.value)
        assert how == "no hook" or "the plugin 'bad' of architect-bad 1.2.3" in str(caught.value)
        assert plugins.get(ClientFactory, "owl", "service 'b'")


def test_a_plugin_that_cannot_be_hashed_or_compared_does_not_affect_others(install_plugin):
    source = (
        GOOD
        + """
class Plugin:
    __hash__ = None
    def __eq__(self, other):
        raise RuntimeError
    @hookimpl
    def architect_client_factory(self):
        return Factory()
plugin = Plugin()
"""
    )
    install_plugin("architect-odd", {"odd": "plugin_under_test_odd:plugin"}, {"plugin_under_test_odd": source})
    install_plugin("architect-owl", {"owl": "plugin_under_test"}, {"plugin_under_test": GOOD})
    plugins = Plugins()
    assert plugins.get(ClientFactory, "odd", "service 'a'")
    assert plugins.get(ClientFactory, "owl", "service 'b'")


def test_a_name_that_two_distributions_claim_is_an_error_that_names_both(install_plugin):
    install_plugin("architect-owl", {"owl": "plugin_under_test"}, {"plugin_under_test": GOOD})
    install_plugin("architect-howl", {"owl": "plugin_under_test_2"}, {"plugin_under_test_2": GOOD})
    with pytest.raises(architect.PluginError, match=r"architect-howl 1\.2\.3, architect-owl 1\.2\.3"):
        Plugins().get(ClientFactory, "owl", "service 'a'")


def test_one_module_may_serve_several_names(install_plugin):
    install_plugin(
        "architect-owl", {"owl": "plugin_under_test", "eule": "plugin_under_test"}, {"plugin_under_test": GOOD}
    )
    plugins = Plugins()
    assert plugins.get(ClientFactory, "owl", "a")
    assert plugins.get(ClientFactory, "eule", "a")
    assert plugins.find(CredentialParser, "owl", "a") is None


def test_options_are_checked_by_the_plugin_with_their_path(install_plugin):
    options = "from architect_core.contract import Options\nclass Own(Options):\n    speed: int = 1\n"
    source = GOOD.replace("class Factory(ClientFactory):", options + "class Factory(ClientFactory):\n    Options = Own")
    install_plugin("architect-owl", {"owl": "plugin_under_test"}, {"plugin_under_test": source})
    for options, expected in [({"sped": 1}, "unknown key"), ({"speed": "s3cret"}, "valid integer")]:
        resolver = architect.Resolver({"a": {"host": "h", "api": "owl", "options": options}})
        with pytest.raises(architect.ConfigError, match=rf"a\.options\.spe+d: .*{expected}") as caught:
            _ = resolver.service("a").client
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("disabled", ["owl", " rest,owl ", "architect_owl", "Architect.Owl"])
def test_a_disabled_plugin_is_not_imported_and_its_use_is_an_error(install_plugin, monkeypatch, disabled):
    install_plugin("architect-owl", {"owl": "plugin_under_test"}, {"plugin_under_test": GOOD})
    monkeypatch.setenv("ARCHITECT_DISABLED_PLUGINS", disabled)
    with pytest.raises(
        architect.PluginError, match=r"service 'a': the plugin 'owl' of architect-owl 1\.2\.3 is disabled by"
    ):
        Plugins().get(ClientFactory, "owl", "service 'a'")
    assert "plugin_under_test" not in sys.modules


def test_a_name_that_several_distributions_claim_is_served_if_all_but_one_are_disabled(install_plugin, monkeypatch):
    install_plugin("architect-owl", {"owl": "plugin_under_test"}, {"plugin_under_test": GOOD})
    install_plugin("architect-howl", {"owl": "plugin_under_test_2"}, {"plugin_under_test_2": "raise SystemExit"})
    monkeypatch.setenv("ARCHITECT_DISABLED_PLUGINS", "architect-howl")
    assert Plugins().get(ClientFactory, "owl", "service 'a'")


def test_an_exception_of_a_client_s_library_is_unchanged_and_has_a_note_that_names_the_plugin(install_plugin):
    source = GOOD.replace("return target.name", "raise ConnectionRefusedError('nobody is there')")
    install_plugin("architect-owl", {"owl": "plugin_under_test"}, {"plugin_under_test": source})
    with pytest.raises(ConnectionRefusedError, match="nobody is there") as caught:
        _ = architect.Resolver({"a": {"host": "h", "api": "owl"}}).service("a").client
    assert caught.value.__notes__ == ["service 'a': raised in the plugin 'owl' of architect-owl 1.2.3"]


PARSER = (
    HEAD
    + """
from architect_core.contract.credentials import CredentialParser
class Parser(CredentialParser):
    def credentials(self, target):
        {body}
@hookimpl
def architect_credential_parser():
    return Parser()
"""
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("raise KeyError(target.config.password)", "failed with a KeyError"),
        ("return {}", "gave a dict, where the contr"),
    ],
)
def test_the_error_of_a_failing_parser_names_its_distribution_and_no_configured_value(install_plugin, body, expected):
    source = PARSER.replace("{body}", body)
    install_plugin("architect-owl", {"owl": "plugin_under_test"}, {"plugin_under_test": source})
    config = {"a": {"datastores": {"db": {"type": "owl", "password": "s3cret"}}}}
    with pytest.raises(architect.PluginError) as caught:
        architect.Resolver(config, current_service="a").datastore("db")
    assert f"datastore 'db': the plugin 'owl' of architect-owl 1.2.3 {expected}" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_datastore_s_options_are_checked_by_its_plugin_with_their_path(install_plugin):
    source = PARSER.replace("{body}", "return {}")
    install_plugin("architect-owl", {"owl": "plugin_under_test"}, {"plugin_under_test": source})
    config = {"a": {"datastores": {"db": {"type": "owl", "options": {"speed": "s3cret"}}}}}
    with pytest.raises(architect.ConfigError, match=r"a\.datastores\.db\.options\.speed: unknown key") as caught:
        architect.Resolver(config, current_service="a").datastore("db")
    assert "s3cret" not in str(caught.value)


SOURCE = (
    HEAD
    + """
from architect_core.contract.source import Source
class ThirdPartySource(Source):
    def load(self):
        {body}
@hookimpl
def architect_source():
    return ThirdPartySource()
"""
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("raise KeyError(7)", "the plugin 'owl' of architect-owl 1.2.3 failed with a KeyError"),
        (
            "return {}",
            "the plugin 'owl' of architect-owl 1.2.3 loaded a dict, where the contract asks for a Configurat",
        ),
    ],
)
def test_the_error_of_a_failing_source_names_its_distribution(install_plugin, monkeypatch, body, expected):
    source = SOURCE.replace("{body}", body)
    install_plugin("architect-owl", {"owl": "plugin_under_test"}, {"plugin_under_test": source})
    with pytest.raises(architect.PluginError, match=rf"^configure\(source=\.\.\.\): {expected}"):
        architect.Resolver(source="owl").service("a")
    monkeypatch.setenv("ARCHITECT_SOURCE", "owl")
    with pytest.raises(architect.PluginError, match=f"^the variable ARCHITECT_SOURCE: {expected}"):
        architect.service("a")


def test_a_source_that_no_plugin_provides_is_an_error(monkeypatch):
    monkeypatch.setenv("ARCHITECT_SOURCE", "nowhere")
    with pytest.raises(
        architect.NoPluginError, match="the variable ARCHITECT_SOURCE: no installed plugin serves 'nowh"
    ):
        architect.service("a")


def test_the_arguments_of_configure_take_precedence_over_the_variable(monkeypatch):
    monkeypatch.setenv("ARCHITECT_SOURCE", "nowhere")
    architect.configure({"a": {"host": "h", "api": "owl"}})
    assert architect.service("a").config.host == "h"
    architect.configure(source=architect.EnvironmentSource({"ARCHITECT": '{"b": {"api": null}}'}))
    assert architect.service("b").config.api is None
