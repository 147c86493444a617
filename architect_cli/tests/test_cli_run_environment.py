"""The environment of a service: the user's, without what is meant for another process."""

from __future__ import annotations

import sys

import pytest
from cli_system import SCRIPT, SERVER

from architect_cli.planning.environment import own_variables

RESOLVING = """
import architect.sdk as architect
try:
    print("found", architect.service("acme/billing").config.host)
except architect.ArchitectError as problem:
    print("not found:", problem)
"""


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        ("ARCHITECT_OBSERVER", True),
        ("ARCHITECT_DISABLED_PLUGINS", True),
        ("ARCHITECTURE", True),
        ("ARCHITECT_OF_MY_OWN", True),
        ("BILLING_URL", True),
        ("DATABASE_URL", True),
        ("VCAP_SERVICES", True),
        ("EMPTY_LINES", True),
        ("ARCHITECT_EVENTS", False),
        ("ARCHITECT_FILE", False),
        ("ARCHITECT_LOCAL", False),
        ("ARCHITECT_RUN_ID", False),
        ("HOST", False),
        ("PORT", False),
        ("OLDPWD", False),
        ("PYTHONHOME_OF_MINE", True),
        ("VIRTUAL_ENV_PROMPT", False),
    ],
)
def test_variables_of_the_user_pass_and_those_for_another_process_do_not(monkeypatch, name, passes):
    monkeypatch.setenv(name, "stated")
    assert (own_variables().get(name) == "stated") == passes


def test_what_the_run_states_goes_before_what_the_user_has_set(system):
    root = system.service("a/root", SCRIPT)
    stated = {
        "ARCHITECT": "of another run",
        "ARCHITECT_CURRENT_SERVICE": "a/other",
        "ARCHITECT_SERVICE_ROOT": "/elsewhere",
        "ARCHITECT_SOURCE": "urls",
        "PWD": "/elsewhere",
        "VIRTUAL_ENV": "/elsewhere",
        "ARCHITECT_OBSERVER": "none",
        "PORT": "8080",
    }
    system.succeeds("run", root, environ=stated)
    found = system.variables_of("a/root")
    assert found["ARCHITECT_CURRENT_SERVICE"] == "a/root"
    assert found["ARCHITECT_SERVICE_ROOT"] == found["PWD"] == str(root)
    assert found["VIRTUAL_ENV"] == sys.prefix
    assert found["ARCHITECT_OBSERVER"] == "none"
    assert "PORT" not in found


def test_a_script_gets_a_port_that_it_declares_and_the_user_states(system):
    root = system.service("a/root", SCRIPT, parameters={"PORT": {}})
    system.succeeds("run", root, environ={"PORT": "8080"})
    assert system.variables_of("a/root")["PORT"] == "8080"


@pytest.mark.parametrize("variable", ["BILLING_URL", "ACME_BILLING_URL", "services__billing__http__0"])
def test_a_dependency_that_is_not_declared_is_not_found_in_the_user_s_environment(system, variable):
    root = system.service("a/root", RESOLVING)
    printed = system.succeeds("run", root, environ={variable: "http://127.0.0.1:9"})
    assert "a/root | not found: " in printed


def test_a_dependency_that_is_declared_is_found(system):
    system.server("acme/billing", SERVER)
    root = system.service("a/root", RESOLVING, dependencies={"acme/billing": "file:../billing"})
    assert "| found http://127.0.0.1\n" in system.succeeds("run", root, environ={"BILLING_URL": "http://h:1"})


def test_python_is_the_service_s_own_where_it_has_one_else_the_command_s(system):
    own = system.service("a/own", debug="python main.py")
    (own / ".venv" / "bin").mkdir(parents=True)
    (own / ".venv" / "bin" / "python").write_text("#!/bin/sh\necho my own python, $1 of $VIRTUAL_ENV\n")
    (own / ".venv" / "bin" / "python").chmod(0o755)
    root = system.service(
        "a/root",
        "import sys; print(sys.executable)",
        debug="true; python main.py",
        dependencies={"a/own": "file:../own"},
    )
    printed = system.succeeds("run", root)
    assert f"a/own  | my own python, main.py of {own / '.venv'}" in printed
    assert f"a/root | {sys.executable}" in printed


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("/usr/bin/python-that-was-removed", "bin/python leads to /usr/bin/python-that-was-removed, which does not"),
        (None, "it has no bin/python. Make it again, or remove it"),
        (__file__, "bin/python cannot be started. Make it again, or remove it"),
    ],
)
def test_a_broken_virtual_environment_is_an_error_before_anything_starts(system, link, reason):
    system.server("a/base", SERVER)
    root = system.service("a/root", SCRIPT, dependencies={"a/base": "file:../base"})
    (root / ".venv" / "bin").mkdir(parents=True)
    if link is not None:
        (root / ".venv" / "bin" / "python").symlink_to(link)
    printed = system.fails("run", root)
    assert f"a/root: the virtual environment {root / '.venv'} is broken: " in printed
    assert reason in printed
    assert system.started() == []
