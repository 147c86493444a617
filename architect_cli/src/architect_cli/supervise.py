"""Runs work in a process of its own, such that nothing of it survives, whichever process is killed.

Two processes watch each other. The *outer* one is the one that the user started; it forwards signals, and when the
inner one has ended it kills the remaining processes and removes the run's folder. The *inner* one starts the programs;
when the outer one dies, a pipe that only that one holds is closed, and the inner one kills everything itself. On Linux
both adopt orphans, so that a program in the background is found, and the programs themselves die with the inner process
even if both are killed at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import psutil

from architect_cli.output import error_text, print_error
from architect_cli.processes import adopt_orphans, kill_descendants
from architect_core.exceptions import ArchitectError

_PREFIX = "architect-run-"
_LOCK = ".lock"
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL_SECONDS = 0.05
_MAX_SIGNALS = 3  # the last one kills a run that does not react to the others
_INTERRUPTED = 130
_KILLED = 137
_leaving = threading.Lock()


def supervised(work: Callable[[Path], int]) -> int:
    """Run `work` with a temporary folder; returns its exit code.

    Other users can traverse the folder, because a database's server may run as one, and none can list it.
    """
    _remove_stale_folders()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    folder.chmod(0o711)
    lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    adopt_orphans()
    watched, held = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getppid() if _started_by_uv() else None
    inner = os.fork()
    if inner == 0:
        os.close(held)
        _inner(work, folder, watched)
    os.close(watched)
    signals: list[int] = []

    def forward(number: int, _: object) -> None:
        signals.append(number)
        _send(inner, number if len(signals) < _MAX_SIGNALS else signal.SIGKILL)

    for number in _FORWARDED:
        signal.signal(number, forward)
    code = _wait(inner, parent)
    kill_descendants()
    shutil.rmtree(folder, ignore_errors=True)
    os.close(held)
    os.close(lock)
    return code


def _inner(work: Callable[[Path], int], folder: Path, watched: int) -> NoReturn:
    os.setsid()  # a Ctrl-C reaches the outer process alone, which forwards it
    adopt_orphans()
    threading.Thread(target=_end_with_outer, args=(watched, folder), daemon=True).start()
    code = _KILLED
    try:
        code = work(folder)
    except ArchitectError as problem:
        code = 1
        print_error(error_text(problem))
    except KeyboardInterrupt:  # before the work handled signals itself
        code = _INTERRUPTED
    except BaseException:  # noqa: BLE001 - a bug, which nothing else would report
        code = 1
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        _leave(folder, code)


def _end_with_outer(watched: int, folder: Path) -> None:
    os.read(watched, 1)  # nothing is ever written: it returns when the outer process is gone
    _leave(folder, _KILLED)


def _leave(folder: Path, code: int) -> NoReturn:
    with _leaving:  # the first thread does all of it: the other would end the process in the middle
        kill_descendants()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(code)


def _wait(inner: int, parent: int | None) -> int:
    """Wait for the end of the inner process; stop it if `parent`, the launcher of this one, is killed."""
    while True:
        pid, status = os.waitpid(inner, os.WNOHANG)
        if pid == inner:
            code = os.waitstatus_to_exitcode(status)
            return 128 - code if code < 0 else code
        if parent is not None and os.getppid() != parent:
            _send(inner, signal.SIGTERM)
            parent = None
        time.sleep(_POLL_SECONDS)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _started_by_uv() -> bool:
    """Whether `uv run` started this process: it remains the parent, and the user may kill it instead."""
    try:
        parent = psutil.Process().parent()
        return parent is not None and parent.name() in {"uv", "uvx"}
    except psutil.Error:
        return False


def _remove_stale_folders() -> None:
    """Remove the folders of runs whose two processes were both killed: no process holds their lock."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), (folder / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
