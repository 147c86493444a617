"""urllib3-future, which niquests installs, takes the name of urllib3; on its connections no deadline would hold."""

from __future__ import annotations

import subprocess

import pytest

PROGRAM = """
import architect.sdk as architect
architect.configure({"acme/billing": {"host": "http://127.0.0.1", "port": 9, "api": "rest", "options": {"retries": 0}}})
try:
    architect.service("acme/billing").client
except architect.ArchitectError as problem:
    print(problem)
else:
    print("made")
"""


def run(environ, *command):
    return subprocess.run(command, env=environ, check=True, capture_output=True, text=True, timeout=300).stdout


@pytest.mark.exhaustive
def test_a_client_says_when_it_is_made_that_urllib3_is_another_library_and_which_command_mends_it(environment):
    environ = environment("core", "rest", "niquests")
    found = run(environ, "python", "-c", PROGRAM)
    assert "the module urllib3 is another library" in found
    command = found.partition("To have both: ")[2].replace("pip uninstall", "pip uninstall -y")
    run(environ, "sh", "-c", command)
    assert run(environ, "python", "-c", PROGRAM) == "made\n"
    run(environ, "python", "-c", "import niquests")
