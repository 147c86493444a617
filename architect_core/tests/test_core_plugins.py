"""Plugins are found by name, loaded on first use, and harm nobody but those who ask for them."""

from __future__ import annotations

import sys

import pytest

import architect.sdk as architect
from architect_core.contract import ClientFactory, CredentialParser
from architect_core.plugins import Plugins

HEAD = "from architect_core.hookspecs import hookimpl\nARCHITECT_CONTRACT = 1\n"
GOOD = (
    HEAD
    + """
from architect_core.contract import ClientFactory
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


def test_a_plugin_that_architect_ships_is_told_with_its_pip_line():
    error = architect.NoPluginError("grpc", ["rest"], "service 'a'")
    assert "installed: rest. pip install architect-grpc" in str(error)


def test_asking_for_one_plugin_loads_no_other(install_plugin):
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
    "no hook": (HEAD, "has no hook architect_client_factory"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_plugin_is_told_with_its_distribution_and_harms_no_other(install_plugin, how):
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


def test_a_plugin_that_cannot_be_hashed_or_compared_harms_no_other(install_plugin):
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
