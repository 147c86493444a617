"""A third party's plugin, and one from `architect plugin new`, work with the wheels."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from programs import architect
from workspace import ROOT

EXAMPLE = ROOT / "examples" / "architect-smtp"
MAILING = """
import threading
from aiosmtpd.controller import Controller
import architect.sdk as architect

class Server(Controller):
    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()

    async def handle_DATA(self, server, session, envelope):
        print(envelope.rcpt_tos)
        return "250 Taken"

server = Server(None, "127.0.0.1", 0)
server.handler = server
server.start()
architect.configure(
    {
        "acme/relay": {"host": "127.0.0.1", "port": server.port, "api": "smtp"},
        "acme/shop": {"api": None, "datastores": {"mail": {"url": "smtp://ada:s%40cret@relay.internal"}}},
    },
    current_service="acme/shop",
)
architect.service("acme/relay").client.sendmail("shop@example.org", ["ada@example.org"], "Subject: Hello")
mail = architect.datastore("mail")
print(mail.engine, mail.host, mail.port, mail.username, mail.password)
architect.reset()
server.stop()
"""


def run(environ: Mapping[str, str], folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def example(tmp_path) -> Path:
    """The example, copied out of the repository."""
    return Path(
        shutil.copytree(
            EXAMPLE, tmp_path / "architect-smtp", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    )


def test_the_example_serves_its_protocol_and_passes_its_conformance_suite(environment, example, tmp_path):
    environ = environment("core", "datastore", "testing", f"{example}[test]")
    lines = run(environ, tmp_path, "python", "-W", "error", "-c", MAILING).splitlines()
    assert lines == ["['ada@example.org']", "smtp relay.internal 587 ada s@cret"]
    assert " passed" in run(
        environ, example / "tests", "python", "-W", "error", "-m", "pytest", "-p", "no:cacheprovider"
    )


def test_the_example_is_short():
    sources = [*EXAMPLE.glob("src/*/*.py"), *EXAMPLE.glob("tests/*.py")]
    assert sum(bool(line.strip()) for path in sources for line in path.read_text().splitlines()) < 130


def test_the_example_is_no_member_of_the_workspace():
    assert "examples" not in (ROOT / "pyproject.toml").read_text().partition("[tool.uv.workspace]")[2].partition("]")[0]


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["a.b_c+d", "owl", "carrier-pigeon-of-the-royal-mail", "9p"])
def test_what_plugin_new_writes_passes_its_tests_lint_and_strict_types_untouched(environment, tmp_path, name):
    folder = tmp_path / "plugin"
    architect("plugin", "new", name, "--folder", str(folder))
    environ = environment("core", "datastore", "testing", f"{folder}[test,lint]")
    passed = run(environ, folder, "python", "-m", "pytest", "-q", "-rs")
    assert "skipped" not in passed
    run(environ, folder, "ruff", "check")
    run(environ, folder, "ruff", "format", "--check")
    run(environ, folder, "mypy")
