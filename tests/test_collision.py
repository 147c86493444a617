"""architect-sdk 0.2.1, which has the file `architect/sdk/__init__.py` as architect-core has, installed beside it."""

from __future__ import annotations

import subprocess

import pytest

REINSTALL = "pip install --force-reinstall --no-deps architect-core"
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
def test_after_0_2_1_was_installed_over_architect_core_the_named_line_restores_it(shell):
    install_0_2_1(shell)
    line = assert_reported(shell, "is the one of architect-sdk 0.2.1")
    assert line == f"pip uninstall --yes architect-sdk && {REINSTALL}"
    assert shell(line)[0] == 0
    assert_works(shell)


@pytest.mark.exhaustive
def test_after_0_2_1_was_removed_from_beside_architect_core_the_named_line_restores_it(shell):
    install_0_2_1(shell)
    assert shell(REINSTALL)[0] == 0
    assert_works(shell)  # architect-core lies over it
    assert shell("pip uninstall --yes architect-sdk")[0] == 0
    line = assert_reported(shell, "was removed together with architect-sdk 0.2.1")
    assert line == REINSTALL
    assert shell(line)[0] == 0
    assert_works(shell)
