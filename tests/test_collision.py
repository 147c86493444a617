"""architect-sdk 0.2.1, whose package `architect.sdk` hides architect-core's module, installed beside it."""

from __future__ import annotations

import subprocess

import pytest

LOAD = """
from architect_core.resolver import Resolver

Resolver({"acme/billing": {"host": "b", "port": 1, "api": "rest"}}).service("acme/billing").client
"""


@pytest.fixture
def shell(environment, wheels, tmp_path):
    """Runs lines in a shell whose environment has our wheels, and where pip finds architect-core among them."""
    variables = environment("core", "rest", "cli") | {"PIP_FIND_LINKS": str(wheels)}

    def run(line):
        done = subprocess.run(
            ["sh", "-c", line], cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=300, check=False
        )
        return done.returncode, done.stdout, done.stderr

    return run


def install_0_2_1(shell):
    code, _, errors = shell("pip install --quiet --no-deps architect-sdk==0.2.1")
    assert code == 0, errors


def assert_reported(shell, problem):
    """The command, and a plugin's load, name the problem in one line each."""
    code, printed, errors = shell("architect env")
    assert (code, printed, errors.count("\n")) == (1, "", 1)
    assert errors.startswith(f"architect: architect.sdk {problem}")
    code, _, errors = shell(f"python -c '{LOAD}'")
    assert code == 1
    assert f"the plugin 'rest' of architect-rest 0.3.0 cannot be used: architect.sdk {problem}" in errors
    return errors.partition("run: ")[2].splitlines()[0]


def assert_works(shell):
    code, printed, errors = shell("architect env && python -c 'import architect.sdk as a; print(a.ArchitectError)'")
    assert (code, errors) == (0, "")
    assert "architect_core.exceptions.ArchitectError" in printed


@pytest.mark.exhaustive
def test_the_named_line_removes_0_2_1_and_architect_core_s_module_is_found_again(shell):
    install_0_2_1(shell)
    line = assert_reported(shell, "is the one of architect-sdk 0.2.1")
    assert line == "pip uninstall --yes architect-sdk"
    assert shell(line)[0] == 0
    assert_works(shell)
