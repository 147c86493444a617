"""Programs in processes of their own, and what they may need."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from architect_core.contract import DatastoreProvisioner
from architect_core.exceptions import RunError
from architect_core.plugins import Plugins

ROOT = Path(__file__).parent.parent
PACKAGES = ("core", "sources", "rest", "grpc", "datastore", "otel", "cli")
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


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def free_port() -> Callable[[], int]:
    return find_free_port


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


@pytest.fixture(scope="session")
def postgres() -> Iterator[dict[str, Any]]:
    """The entry of a running PostgreSQL server, started as `architect run` starts one."""
    folder = Path(tempfile.mkdtemp(prefix="architect-test-"))
    folder.chmod(0o711)  # for root, PostgreSQL runs as another user
    port = find_free_port()
    provisioner = Plugins().find(DatastoreProvisioner, "postgres", "the tests")
    assert provisioner is not None
    try:
        started = provisioner.provision({"username": "app", "name": "orders"}, folder, port)
    except RunError as problem:
        shutil.rmtree(folder)
        if "there is no such program" not in str(problem) or os.environ.get("ARCHITECT_REQUIRE_SERVERS"):
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


def new_environment(folder: Path) -> list[str]:
    """Make an environment with pip, as `python -m venv` does; gives the start of a pip command."""
    venv.create(folder, with_pip=True)
    return [str(folder / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel of every package, built by pip from a copy of its folder."""
    folder = tmp_path_factory.mktemp("wheels")
    sources = [folder / f"architect_{package}" for package in PACKAGES]
    for source in sources:
        shutil.copytree(ROOT / source.name, source, ignore=shutil.ignore_patterns("__pycache__", "dist"))
    command = [*new_environment(folder / "venv"), "wheel", "--no-deps", "-w", str(folder), *map(str, sources)]
    subprocess.run(command, check=True, env=clean_environ(), timeout=300)
    return {package: next(folder.glob(f"architect_{package}-*.whl")) for package in PACKAGES}


@pytest.fixture
def environment(tmp_path: Path, wheels: dict[str, Path]) -> Callable[..., dict[str, str]]:
    """Makes an environment with wheels of ours, and gives the variables of a shell in which it is active."""

    def make(*packages: str, more: Sequence[str] = ()) -> dict[str, str]:
        folder = tmp_path / "environment"
        uv = shutil.which("uv") or "uv"
        # a package may have an extra: "rest[aio]"
        wanted = [str(wheels[package.partition("[")[0]]) + "".join(package.partition("[")[1:]) for package in packages]
        variables = clean_environ(UV_LINK_MODE="copy")
        subprocess.run([uv, "venv", "--quiet", "--seed", "--python", sys.executable, folder], check=True, env=variables)
        command = [uv, "pip", "install", "--quiet", "--python", str(folder), *wanted, *more]
        subprocess.run(command, check=True, env=variables, timeout=300)
        path = os.pathsep.join([str(folder / "bin"), os.environ.get("PATH", os.defpath)])
        unwanted = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}
        clean = {name: value for name, value in clean_environ().items() if name not in unwanted}
        return clean | {"PATH": path, "VIRTUAL_ENV": str(folder), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    return make
