"""Real servers for tests, started as `architect run` starts them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

import pytest

from architect_core.contract import DatastoreProvisioner, Provisioned
from architect_core.exceptions import RunError

HOST = "127.0.0.1"
STARTUP = 30.0


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder like that of a run: another user can enter it, which pytest's own does not allow."""
    folder = Path(tempfile.mkdtemp(prefix="architect-test-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def provision(provisioner: DatastoreProvisioner, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned:
    """What the provisioner gives; where there is no server program, the test is skipped."""
    try:
        return provisioner.provision(wanted, folder, port)
    except RunError as problem:
        if "there is no such program" not in str(problem):
            raise
        reason = str(problem)
    pytest.skip(reason)


def missing(reason: str) -> NoReturn:
    """Skip the test for want of a server."""
    pytest.skip(reason)


def program(*names: str) -> str:
    """The first of these programs that there is, looked up where this Python's scripts are, too."""
    scripts = str(Path(sys.executable).parent)
    path = os.pathsep.join([scripts, os.environ.get("PATH", os.defpath), "/usr/sbin"])
    found = next(filter(None, (shutil.which(name, path=path) for name in names)), None)
    return found or missing(f"there is no such program: {' or '.join(names)}")


@contextlib.contextmanager
def serving(provisioner: DatastoreProvisioner, **wanted: str) -> Iterator[Provisioned]:
    """A running server, ended afterwards by the signal that the provisioner names."""
    with temporary_folder() as folder:
        port = free_port()
        provisioned = provision(provisioner, wanted, folder, port)
        with running(provisioned, folder, port):
            yield provisioned


@contextlib.contextmanager
def running(provisioned: Provisioned, folder: Path, port: int, *, killed: bool = False) -> Iterator[None]:
    """The server, until it is stopped, or `killed` with its whole session."""
    assert provisioned.command is not None
    output = folder / "output.txt"
    identity = {}
    if provisioned.user is not None:
        identity = {"user": provisioned.user[0], "group": provisioned.user[1], "extra_groups": ()}
    with output.open("wb") as file:
        process = subprocess.Popen(
            provisioned.command,
            cwd=folder,
            env=os.environ | dict(provisioned.env),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **identity,
        )
    try:
        until_listening(port, process, output)
        if provisioned.prepare is not None:
            provisioned.prepare()
        yield
        if killed:
            os.killpg(process.pid, signal.SIGKILL)
            return
        process.send_signal(provisioned.stop_signal)
        assert process.wait(10) == 0, output.read_text(errors="replace")
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def started(command: list[str], *ports: int, folder: Path, **environ: str) -> Iterator[None]:
    """Runs a server until it has listened on all of its ports, and ends it afterwards."""
    output = folder / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | environ, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
    try:
        for port in ports:
            until_listening(port, process, output)
        yield
    finally:
        process.kill()
        process.wait()


def until_listening(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + STARTUP
    while time.monotonic() < deadline:
        assert process.poll() is None, output.read_text(errors="replace")
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(output.read_text(errors="replace"))


def until_there(path: Path) -> None:
    deadline = time.monotonic() + STARTUP
    while not path.exists():
        assert time.monotonic() < deadline, f"there is no {path}"
        time.sleep(0.02)


@contextlib.contextmanager
def watched_command_lines() -> Iterator[set[bytes]]:
    """Collects the command lines of all processes that run meanwhile, every 20 ms."""
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("this system has no /proc to see command lines in")
    seen: set[bytes] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    seen.add(path.read_bytes())
            stop.wait(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        stop.set()
        watcher.join()


def files_with(text: str, folder: Path) -> list[Path]:
    """The files below `folder` that have `text` in them."""
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]
