"""Runs work in a process of its own, such that nothing of it survives, whichever process is killed.

Two processes watch each other. The *outer* one is the one that the user started: it forwards signals, adopts orphans
and waits for them, and when the inner one has ended it kills the remaining processes and removes the run's folder. The
*inner* one starts the programs; when the outer one dies, a pipe that only that one holds is closed, and the inner one
kills everything itself. On Linux the kernel kills the programs if both are killed at once (see `reaping.Leash`).
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
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

from architect_cli.control.folder import LOCK, PREFIX
from architect_cli.control.stale import remove_stale_folders
from architect_cli.messages import error_text, print_error
from architect_cli.output.writer import flush_all
from architect_cli.process.program import leash
from architect_cli.process.reaping import RUN_ID, adopt_orphans, go_on_at_parent_s_end, kill_descendants
from architect_cli.process.signals import ENDING, handled
from architect_core.exceptions import ArchitectError, RunError

_LAUNCHER_SECONDS = 0.5  # between two looks whether the launcher lives
_LEASH_SECONDS = 1.0  # between two looks for what programs have started in sessions of their own
_MAX_SIGNALS = 3  # the last one kills a run that does not react to the others
_INTERRUPTED = 130
_KILLED = 137
_leaving = threading.Lock()


def supervised(work: Callable[[Path], int]) -> int:
    """Run `work` with a temporary folder; returns its exit code.

    Other users can traverse the folder, because a database's server may run as one, and none can list it. Raises
    RunError if it cannot be made.
    """
    open_standard_files()
    folder, lock = _new_folder()
    remove_stale_folders()
    adopt_orphans()
    watched, held = os.pipe()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    gc.freeze()  # so that collecting garbage copies less of the memory that both share
    inner = os.fork()
    if inner == 0:
        os.close(held)
        _inner(work, folder, watched)
    os.close(watched)
    signals: list[int] = []

    def forward(number: int, _: object) -> None:
        signals.append(number)
        _send(inner, number if len(signals) < _MAX_SIGNALS else signal.SIGKILL)

    for number in handled(*ENDING):
        signal.signal(number, forward)
    for number in handled(signal.SIGTSTP):
        signal.signal(number, lambda *_: _suspend(inner))
    launcher = _launcher()
    if launcher is not None:
        threading.Thread(target=_stop_with_launcher, args=(launcher, inner), daemon=True).start()
    code = _wait(inner)
    kill_descendants()
    shutil.rmtree(folder, ignore_errors=True)
    os.close(held)
    os.close(lock)
    return code


def _new_folder() -> tuple[Path, int]:
    """Makes the folder of the run, and locks it."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        folder.chmod(0o711)
        # locked before it has its name: without a lock, the folder would be that of a run that was killed
        made = folder / f"{LOCK}.new"
        lock = os.open(made, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.write(lock, RUN_ID.encode())
        made.rename(folder / LOCK)
    except OSError as problem:
        raise RunError(
            f"a folder for temporary files cannot be made: {problem.strerror or problem}. "
            "Set TMPDIR to a folder that can be written"
        ) from problem
    return folder, lock


def open_standard_files() -> None:
    """Open the null device for each standard file that is closed (`>&-`), so that no other file gets its number."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number


def _inner(work: Callable[[Path], int], folder: Path, watched: int) -> NoReturn:
    outer = os.getppid()
    os.setsid()  # a Ctrl-C reaches the outer process alone, which forwards it
    go_on_at_parent_s_end()  # if both were stopped by Ctrl-Z
    threading.Thread(target=_end_with_outer, args=(watched, folder), daemon=True).start()
    threading.Thread(target=_hold_descendants, args=(outer,), daemon=True).start()
    code = _KILLED
    try:
        code = work(folder)
    except ArchitectError as problem:
        code = 1
        flush_all()
        print_error(error_text(problem))
    except KeyboardInterrupt:  # before the work handled signals itself
        code = _INTERRUPTED
    except BaseException:  # noqa: BLE001 - a bug, which nothing else would report
        code = 1
        traceback.print_exc()
    finally:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)
        flush_all()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        _leave(folder, code)


def _end_with_outer(watched: int, folder: Path) -> None:
    os.read(watched, 1)  # nothing is ever written: it returns when the outer process is gone
    _leave(folder, _KILLED)


def _hold_descendants(outer: int) -> None:
    """Have the kernel kill also what programs start in sessions of their own, orphans included."""
    while os.getppid() == outer:
        leash.hold_descendants(os.getpid(), outer)
        time.sleep(_LEASH_SECONDS)


def _leave(folder: Path, code: int) -> NoReturn:
    with _leaving:  # the first thread does all of it: the other would end the process in the middle
        kill_descendants()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(code)


def _wait(inner: int) -> int:
    """Wait for the end of the inner process, and for that of each orphan, which would remain as a zombie otherwise."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == inner:
            code = os.waitstatus_to_exitcode(status)
            return 128 - code if code < 0 else code


def _suspend(inner: int) -> None:
    """Stop the whole run, as the terminal stops only this process (Ctrl-Z), and go on with it when this one goes on."""
    stopped: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        stopped.append(psutil.Process(inner))
        stopped[0].suspend()  # first, so that it starts nothing else
        stopped += psutil.Process().children(recursive=True)
    for process in stopped:
        with contextlib.suppress(psutil.Error):
            process.suspend()
    before = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTSTP)  # returns after SIGCONT
    signal.signal(signal.SIGTSTP, before)
    for process in reversed(stopped):
        with contextlib.suppress(psutil.Error):
            process.resume()


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _launcher() -> int | None:
    """The process of `uv run`, which started this one and remains its parent; the user may kill that one instead."""
    try:
        parent = psutil.Process().parent()
        return parent.pid if parent is not None and parent.name() in {"uv", "uvx"} else None
    except psutil.Error:
        return None


def _stop_with_launcher(launcher: int, inner: int) -> None:
    while os.getppid() == launcher:
        time.sleep(_LAUNCHER_SECONDS)
    _send(inner, signal.SIGTERM)
