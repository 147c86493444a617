"""Programs in processes of their own, and what they may need."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from workspace import PACKAGES, ROOT, clean_environ, find_free_port

from architect_core.contract import DatastoreProvisioner
from architect_core.exceptions import RunError
from architect_core.plugins import Plugins

STARTUP = 30.0
UV = shutil.which("uv") or "uv"


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


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder with the wheel of every package, and `constraints.txt`, by which uv installs these; built once a run."""
    own = tmp_path_factory.getbasetemp()
    folder = (own if worker_id == "master" else own.parent) / "wheels"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = own / "wheels-unfinished"
            command = [UV, "build", "--quiet", "--all-packages", "--wheel", "--out-dir", str(unfinished)]
            subprocess.run(command, check=True, cwd=ROOT, env=clean_environ(), timeout=300)
            unfinished.rename(folder)
            lines = [f"{wheel.name.partition('-')[0]} @ {wheel.as_uri()}\n" for wheel in folder.glob("*.whl")]
            (folder / "constraints.txt").write_text("".join(lines))
    return folder


@pytest.fixture
def environment(tmp_path: Path, wheels: Path) -> Callable[..., dict[str, str]]:
    """Makes an environment with wheels of ours, and gives the variables of a shell in which it is active."""

    def make(*packages: str, more: Sequence[str] = ()) -> dict[str, str]:
        folder = tmp_path / "environment"
        # a package may have an extra: "rest[aio]"
        split = [package.partition("[") for package in packages]
        wanted = [PACKAGES[name].distribution + bracket + extra for name, bracket, extra in split]
        variables = clean_environ(UV_LINK_MODE="copy")
        subprocess.run([UV, "venv", "--quiet", "--seed", "--python", sys.executable, folder], check=True, env=variables)
        command = [UV, "pip", "install", "--quiet", "--python", str(folder), "--constraint", wheels / "constraints.txt"]
        subprocess.run([*command, *wanted, *more], check=True, env=variables, timeout=300)
        path = os.pathsep.join([str(folder / "bin"), os.environ.get("PATH", os.defpath)])
        unwanted = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}
        clean = {name: value for name, value in clean_environ().items() if name not in unwanted}
        return clean | {"PATH": path, "VIRTUAL_ENV": str(folder), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    return make
