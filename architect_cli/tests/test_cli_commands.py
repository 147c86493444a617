"""The built-in commands are found through their entry points, as a third party's are."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.metadata import Distribution, EntryPoints

import pytest

from architect_cli.main import DISTRIBUTION
from architect_cli.summaries import SUMMARIES
from architect_core.contract import Command
from architect_core.plugins import loading
from architect_core.plugins.known import KNOWN

COMMANDS = [
    *("attach", "env", "exec", "init", "install", "logs", "plugin", "plugins", "ps", "reset", "restart", "run", "stop")
]
# two ways of a third party to parse the arguments, with the same options
ARGPARSE = """
import argparse
from architect_core.contract import Command, hookimpl

ARCHITECT_CONTRACT = 2

class Fly(Command):
    summary = "Fly."
    def run(self, arguments):
        parser = argparse.ArgumentParser(prog="architect fly")
        parser.add_argument("--height", type=int, default=1)
        return parser.parse_args(arguments).height

@hookimpl
def architect_command():
    return Fly()
"""
CLICK = """
import click
from architect_core.contract import Command, hookimpl

ARCHITECT_CONTRACT = 2

@click.command()
@click.option("--height", type=int, default=1)
def fly(height):
    return height

class Fly(Command):
    summary = "Fly."
    click_command = fly
    def run(self, arguments):
        return fly.main(arguments, "architect fly", standalone_mode=False)

@hookimpl
def architect_command():
    return Fly()
"""


def completed(system, *words: str) -> list[str]:
    """What bash offers for the last of the words; "" stands for files."""
    environ = {"COMP_WORDS": " ".join(["architect", *words]), "COMP_CWORD": str(len(words))}
    done = system.architect(environ={**environ, "_ARCHITECT_COMPLETE": "bash_complete"})
    assert (done.returncode, done.stderr) == (0, "")
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def listed(help_text: str) -> list[str]:
    """The names under "Commands:"."""
    lines = help_text.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    return [line.split()[0] for line in lines if not line.startswith("   ")]


@pytest.mark.parametrize("removed", COMMANDS)
def test_without_its_entry_point_a_command_is_gone_and_only_that_one(system, monkeypatch, removed):
    all_of = Distribution.entry_points.fget
    without = property(lambda self: EntryPoints(each for each in all_of(self) if each.name != removed))
    monkeypatch.setattr(Distribution, "entry_points", without)
    assert listed(system.succeeds("--help")) == [name for name in COMMANDS if name != removed]
    for name in COMMANDS:
        done = system.architect(name, "--help")
        assert (done.returncode, f"No such command '{name}'" in done.stderr) == (
            (2, True) if name == removed else (0, 0)
        )


def test_the_table_of_the_core_names_every_command_and_the_distribution_to_install():
    assert [each.name for each in KNOWN if each.kind == "command" and each.distribution == DISTRIBUTION] == COMMANDS


def test_what_help_says_of_a_command_is_what_the_command_says_of_itself():
    ours = {each.name: each.distribution for each in KNOWN if each.kind in {"command", "events"}}
    assert SUMMARIES.keys() == ours.keys()
    for entry in loading.installed():
        if ours.get(entry.name) == loading.named(entry)[0]:
            assert loading.call(loading.load(entry), Command).summary == SUMMARIES[entry.name]


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_help_imports_nothing_that_only_a_run_needs(arguments):
    source = f"""
import sys
sys.argv = ["architect", *{arguments}]
from architect_cli.__main__ import start
try:
    start()
finally:
    print(sorted(sys.modules), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    imported = set(ast.literal_eval(done.stderr))
    assert "architect_cli.main" in imported
    heavy = {"asyncio", "dotenv", "grpc", "psutil", "requests", "ssl", "subprocess", "watchfiles"}
    assert imported & {*heavy, "architect_cli.run", "architect_cli.reports", "architect_cli.output.console"} == set()


def test_help_imports_no_plugin_of_architect_s_own_packages(monkeypatch, system):
    monkeypatch.setattr(loading, "load", None)
    monkeypatch.setattr("architect_cli.reports.plugin_reports", None)
    assert listed(system.succeeds("--help")) == COMMANDS


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["i"], ["init", "install"]),
        (["pl"], ["plugin", "plugins"]),
        (["run", "--c"], ["--config"]),
        (["env", "--export", "a"], ["architect", "aspire"]),
        (["plugin", ""], ["new"]),
        (["plugin", "new", "--f"], ["--folder"]),
    ],
)
def test_a_shell_completes_commands_and_their_options(system, words, offered):
    assert completed(system, *words) == offered


@pytest.mark.parametrize(("source", "offered"), [(CLICK, ["--height"]), (ARGPARSE, [""]), ("1 / 0", [""])])
def test_a_shell_completes_the_options_of_a_third_party_s_command_if_click_parses_them(system, source, offered):
    system.plugin("fly", source)
    assert completed(system, "fly", "--hei") == offered


@pytest.mark.parametrize("source", [ARGPARSE, CLICK], ids=["argparse", "click"])
def test_a_third_party_s_command_ends_as_its_parser_says(system, source):
    system.plugin("fly", source)
    assert system.architect("fly", "--height", "3").returncode == 3
    done = system.architect("fly", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--height" in done.stdout
    done = system.architect("fly", "--height", "high")
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: architect fly" in done.stderr.replace("Usage", "usage")
    assert "--height" in done.stderr


@pytest.mark.parametrize("arguments", [["env"], ["--help"], ["run", "."]])
def test_where_another_distribution_replaced_the_sdk_each_command_says_only_that(system, monkeypatch, arguments):
    monkeypatch.setattr("architect_cli.main.facade_problem", lambda: "architect.sdk was removed. Run this")
    done = system.architect(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "architect: architect.sdk was removed. Run this\n")
