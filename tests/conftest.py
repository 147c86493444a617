"""Processes, a PostgreSQL server, wheels and environments for the tests."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from environments import build_wheels, create_environment
from workspace import clean_environ, find_free_port

from architect_core.contract import DatastoreProvisioner
from architect_core.exceptions import RunError
from architect_core.plugins import Plugins

STARTUP = 30.0


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("ARCHITECT") and name != "ARCHITECT_REQUIRE_SERVERS":
            monkeypatch.delenv(name)


@pytest.fixture
def free_port() -> Callable[[], int]:
    return find_free_port


@pytest.fixture
def run_program(tmp_path: Path) -> Callable[..., str]:
    """Runs a Python program in a process and returns its standard output."""

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
    """Starts a Python program, waits until it listens on $PORT, and kills it after the test.

    Returns the file with its output.
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


@pytest.fixture(scope="session")
def postgres() -> Iterator[dict[str, Any]]:
    """The entry of a running PostgreSQL server, which `architect run`'s provisioner started."""
    folder = Path(tempfile.mkdtemp(prefix="architect-test-"))
    folder.chmod(0o711)  # for root, PostgreSQL runs as another user
    port = find_free_port()
    provisioner = Plugins().find(DatastoreProvisioner, "postgres", "the tests")
    assert provisioner is not None
    try:
        started = provisioner.provision({"username": "app", "name": "orders"}, folder, port)
    except RunError as problem:
        shutil.rmtree(folder)
        if "there is no such program" not in str(problem):
            raise
        pytest.skip(str(problem))
    assert started.command is not None
    assert started.prepare is not None
    user, group = started.user or (None, None)
    output = folder / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            started.command,
            cwd=folder,
            env=clean_environ(**started.env),
            user=user,
            group=group,
            extra_groups=() if started.user else None,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_listening(port, process, output)
        started.prepare()
        yield dict(started.entry)
        process.send_signal(started.stop_signal)
        process.wait(10)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def wait_until_listening(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + STARTUP
    while time.monotonic() < deadline:
        assert process.poll() is None, output.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on port {port}: {output.read_text()}")


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel of every package, built once a run of the tests."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "wheels"
    build_wheels(folder)
    return folder


@pytest.fixture
def environment(tmp_path: Path, wheels: Path) -> Callable[..., dict[str, str]]:
    """Creates an environment with pip and the packages that are passed; see `create_environment`."""
    return lambda *requirements: create_environment(tmp_path / "environment", wheels, *requirements, pip=True)


@pytest.fixture(scope="session")
def shared_environment(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Callable[..., dict[str, str]]:
    """Creates an environment, one for all tests that want the same packages and install nothing else."""

    @functools.cache
    def create(*requirements: str) -> dict[str, str]:
        return create_environment(tmp_path_factory.mktemp("environment"), wheels, *requirements)

    return create
