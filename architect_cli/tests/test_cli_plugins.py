"""`architect plugins` lists what is installed, and no broken plugin harms it or another one."""

from __future__ import annotations

import json
import re

import pytest
from cli_system import REPORT, System

from architect_cli import reports

HEAD = """
from architect_core.contract import ClientFactory, Command
from architect_core.contract import hookimpl

ARCHITECT_CONTRACT = 2
"""
OWL = (
    HEAD
    + """
class Owls(ClientFactory):
    def client(self, target):
        return f"an owl for {target.name}"

class Hoot(Command):
    summary = "Hoot once for every argument."
    def run(self, arguments):
        if arguments == ["crash"]:
            raise KeyError("a fault of the plugin")
        if arguments == ["nothing"]:
            return None
        print("hoot", *arguments)
        return len(arguments)

@hookimpl
def architect_client_factory():
    return Owls()

@hookimpl
def architect_command():
    return Hoot()
"""
)
BROKEN = {
    "import_error": "import no_such_module_at_all",
    "wrong_hook": HEAD + "@hookimpl\ndef architect_client_factroy(): ...",
    "unmarked": HEAD + "def architect_client_factory(): ...",
    "raising": HEAD + "@hookimpl\ndef architect_client_factory(): raise RuntimeError('out of\\nowls')",
    "wrong_type": HEAD + "@hookimpl\ndef architect_client_factory(): return 7",
    "exits": "import os; os._exit(3)",
    "leaves": "raise SystemExit(4)",
    "crashes": "import ctypes; ctypes.string_at(0)",
    "prints": OWL + "print('{ not a report }')",
    "newer": "ARCHITECT_CONTRACT = 999",
    "hookless": HEAD,
}
STATES = {
    "import_error": "broken: cannot be imported: ModuleNotFoundError: No module named 'no_such_module_at_all'",
    "wrong_hook": "broken: breaks the plugin contract: unknown hook 'architect_client_factroy'",
    "unmarked": "broken: breaks the plugin contract: architect_client_factory is not marked with @hookimpl",
    "raising": "broken: failed in architect_client_factory: RuntimeError: out of owls",
    "wrong_type": "broken: returned a int from architect_client_factory, where the contract asks for a ClientFactory",
    "exits": "broken: ends the process that imports it (exit code 3)",
    "leaves": "broken: cannot be imported: SystemExit: 4",
    "crashes": "broken: ends the process that imports it (exit code -11)",
    "prints": "ok",
    "newer": "broken: was written for version 999 of the plugin contract, and architect-core",
    "hookless": "broken: has none of the hooks of the contract",
}


def states(system: System, disabled: str = "") -> dict[str, list[str]]:
    """What the table says: name and distribution -> the other columns."""
    lines = system.succeeds("plugins", environ=disabling(system, disabled)).splitlines()
    assert lines[0].split() == ["NAME", "DISTRIBUTION", "VERSION", "PROVIDES", "STATE"]
    starts = [lines[0].index(word) for word in lines[0].split()]
    rows = [
        [line[start:end].strip() for start, end in zip(starts, [*starts[1:], None], strict=True)] for line in lines[1:]
    ]
    return {f"{row[0]} {row[1]}": row[2:] for row in rows}


def disabling(system: System, *names: str) -> dict[str, str]:
    """The variable that disables these plugins, and those that are installed with architect and slow to import."""
    return {"ARCHITECT_DISABLED_PLUGINS": ",".join([*system.installed_beside(), *names])}


def test_it_lists_name_distribution_version_what_is_provided_and_the_state(system):
    system.plugin("owl", OWL)
    assert states(system)["owl architect-owl"] == ["1.2.3", "client factory, command", "ok"]


def test_every_kind_of_broken_plugin_has_a_state_of_its_own_and_the_others_work(system):
    for name, source in BROKEN.items():
        system.plugin(name, source)
    system.plugin("owl", OWL)
    system.plugin("twin", OWL)
    system.plugin("twin2", OWL, serves="twin")
    found = states(system)
    for name, expected in STATES.items():
        _, provided, state = found[f"{name} architect-{name}"]
        assert state.startswith(expected)
        assert (provided == "-") == (expected != "ok")
    assert found["twin architect-twin"][2] == "duplicate: 'twin' is also served by architect-twin2 1.2.3"
    assert found["twin architect-twin2"][2] == "duplicate: 'twin' is also served by architect-twin 1.2.3"
    assert found["owl architect-owl"][2] == "ok"
    assert system.architect("owl", "x").stdout == "hoot x\n"


def test_a_plugin_that_hangs_is_given_up(system, monkeypatch):
    load, timeouts = reports._load, iter([1, 60])  # the second process loads what comes after the plugin that hangs
    monkeypatch.setattr(reports, "_load", lambda pending, _: load(pending, next(timeouts)))
    system.plugin("hangs", "import time; time.sleep(60)")
    system.plugin("owl", OWL)
    monkeypatch.syspath_prepend(str(system.site))
    monkeypatch.setenv("PYTHONPATH", str(system.site))
    hangs, owl = reports.plugin_reports(lambda entry: entry.name in {"hangs", "owl"})
    assert (hangs.state, hangs.reason) == ("broken", "was not loaded within 1 seconds")
    assert owl.state == "ok"


def test_json_has_an_object_for_each(system):
    system.plugin("owl", OWL)
    reports = json.loads(system.succeeds("plugins", "--json", environ=disabling(system)))
    (owl,) = [each for each in reports if each["name"] == "owl"]
    assert owl == {
        "name": "owl",
        "distribution": "architect-owl",
        "version": "1.2.3",
        "provides": ["client factory", "command"],
        "state": "ok",
        "reason": "",
        "summary": "Hoot once for every argument.",
    }


@pytest.mark.parametrize("disabled", ["owl", " other , owl", "architect_owl", "Architect.Owl"])
def test_a_disabled_plugin_is_listed_and_not_imported(system, disabled):
    system.plugin("owl", "import os; os._exit(3)")
    done = system.architect("plugins", environ=disabling(system, disabled))
    assert "disabled: by ARCHITECT_DISABLED_PLUGINS" in done.stdout
    assert ("names 'other', which is not installed" in done.stderr) == ("other" in disabled)


def test_disabling_one_of_two_that_claim_a_name_leaves_the_other(system):
    system.plugin("twin", OWL)
    system.plugin("twin2", OWL, serves="twin")
    found = states(system, "architect-twin2")
    assert found["twin architect-twin"][2] == "ok"
    assert found["twin architect-twin2"][2].startswith("disabled")


def test_a_plugin_s_command_gets_its_arguments_as_they_were_typed_and_its_exit_code_is_the_command_s(system):
    system.plugin("owl", OWL)
    done = system.architect("owl", "--help", "-x", "a b", "--", "c", "--")
    assert (done.stdout, done.returncode) == ("hoot --help -x a b -- c --\n", 6)


@pytest.mark.parametrize(
    ("argument", "printed"),
    [
        (
            "crash",
            "architect owl: the plugin 'owl' of architect-owl 1.2.3 failed with a KeyError: 'a fault of the plug",
        ),
        ("nothing", "architect owl: the plugin 'owl' of architect-owl 1.2.3 returned no exit code, which is a number"),
    ],
)
def test_an_error_of_a_plugin_s_command_names_the_plugin(system, argument, printed):
    system.plugin("owl", OWL)
    assert printed in system.fails("owl", argument)


def test_help_lists_the_commands_of_plugins_and_survives_broken_ones(system):
    system.plugin("owl", OWL)
    system.plugin("exits", BROKEN["exits"])
    printed = system.succeeds("--help")
    of_plugins = printed.partition("Commands of plugins:\n")[2]  # those of packages that are installed beside, too
    assert re.search("^  owl +Hoot once for every argument.$", of_plugins, re.MULTILINE)
    assert "exits" not in printed


def test_a_command_that_no_plugin_has_is_no_command(system):
    system.plugin("dumb", OWL.partition("class Hoot")[0] + "@hookimpl\ndef architect_client_factory(): return Owls()\n")
    for name in ("dumb", "nothing", "No-Name"):
        done = system.architect(name)
        assert (done.returncode, "No such command" in done.stderr) == (2, True)


def test_a_plugin_cannot_replace_a_built_in_command_and_both_are_named_until_one_is_disabled(system):
    system.plugin("mine", OWL, serves="install")
    root = system.service("a/root", REPORT)
    claimed = "architect install: several distributions serve 'install': architect-command "
    assert claimed in system.fails("install", "-p", root)
    assert "architect-mine 1.2.3. Uninstall all but one, or name the others in" in system.fails("install", "-p", root)
    assert "'install' is also served by architect-mine" in " ".join(system.succeeds("--help").split())
    environ = {"ARCHITECT_DISABLED_PLUGINS": "architect-mine"}
    assert "0 generated" in system.succeeds("install", "-p", root, environ=environ)


@pytest.mark.parametrize("name", ["core", "cli", "rest"])
def test_a_new_plugin_cannot_take_the_name_of_a_package_of_architect(system, name):
    assert f"architect-{name} is a package of architect itself" in system.fails("plugin", "new", name)


def test_a_distribution_of_which_only_its_entry_points_are_left_is_listed(system):
    (system.site / "gone-1.0.dist-info").mkdir()
    (system.site / "gone-1.0.dist-info" / "entry_points.txt").write_text("[architect]\ngone = no_such_module\n")
    environ = disabling(system, "nothing")
    reports = json.loads(system.architect("plugins", "--json", environ=environ).stdout)
    (gone,) = [each for each in reports if each["name"] == "gone"]
    assert (gone["distribution"], gone["version"], gone["state"]) == ("unknown", "", "broken")
    assert "gone unknown" in states(system)
