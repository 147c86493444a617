"""Programs in processes of their own, and what they may need."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STARTUP = 30.0


def clean_environ(**more: str) -> dict[str, str]:
    """This process's environment without anything that configures the SDK, and with `more`."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ARCHITECT")}
    return environ | more


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("ARCHITECT") and name != "ARCHITECT_REQUIRE_SERVERS":
            monkeypatch.delenv(name)


@pytest.fixture
def free_port() -> Callable[[], int]:
    def find() -> int:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            return int(listener.getsockname()[1])

    return find


@pytest.fixture
def run_program(tmp_path: Path) -> Callable[..., str]:
    """Runs a Python program to its end in a process of its own; gives what it printed."""

    def run(program: str, *, cwd: Path | None = None, **environ: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error::ResourceWarning", "-c", textwrap.dedent(program)],
            cwd=cwd or tmp_path,
            env=clean_environ(**environ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def start_program(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Starts a Python program that listens on $PORT, waits until it does, and stops it after the test.

    Gives the file that collects its output.
    """
    started: list[subprocess.Popen[bytes]] = []

    def start(program: str, port: int, *, cwd: Path | None = None, **environ: str) -> Path:
        output = tmp_path / f"output-{port}.txt"
        variables = {"HOST": "127.0.0.1", "PORT": str(port), "PYTHONUNBUFFERED": "1"} | environ
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(program)],
                cwd=cwd or tmp_path,
                env=clean_environ(**variables),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        started.append(process)
        wait_until_listening(port, process, output)
        return output

    yield start
    for process in started:
        process.send_signal(signal.SIGKILL)
        process.wait()


def wait_until_listening(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + STARTUP
    while time.monotonic() < deadline:
        assert process.poll() is None, output.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on port {port}: {output.read_text()}")
