"""Finds and kills whatever descends from a run, and has the kernel kill it if nothing of the run is left to do so."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import secrets
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable

RUN_VARIABLE = "ARCHITECT_RUN_ID"  # in the environment of each program that a run starts
RUN_ID = secrets.token_hex(8)  # of this process and of those that it forks

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
HIGH = 256  # the descriptor of one end of a pipe is at least this, that of the other is usually lower
_ROUNDS = 100

# looked up before any fork: a forked child of a program with threads must do as little as possible
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def go_on_at_parent_s_end() -> None:
    """In a child that may be stopped, on Linux: go on when the thread that forked it ends."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)


def adopt_orphans() -> None:
    """On Linux: become the parent of descendants whose own parent ends; the caller has to wait for them."""
    if _prctl is not None:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill_descendants(run_id: str = RUN_ID) -> None:
    """Kill every descendant of this process and every process of the run, and wait for their end.

    So do those that are started meanwhile. A process whose parent has ended is of the run if its environment says so.
    """
    me = psutil.Process()
    for _ in range(_ROUNDS):
        found = me.children(recursive=True)
        if not found:
            found = marked(run_id)
            if not found:
                return
        kill(found)


def marked(mark: str) -> list[psutil.Process]:
    """Returns the other processes whose `RUN_VARIABLE` is `mark` or starts with `mark` and a ".", zombies excluded."""
    found = []
    for pid in psutil.pids():
        if pid != os.getpid() and f"{_mark_of(pid)}.".startswith(f"{mark}."):
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
    return found


def kill(processes: Iterable[psutil.Process]) -> None:
    """Kill processes, and wait a moment for their end."""
    found = list(processes)
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(found, timeout=0.05)


def _mark_of(pid: int) -> str:
    """The `RUN_VARIABLE` of a process; empty if it has none or cannot be read."""
    try:
        if sys.platform != "linux":
            return psutil.Process(pid).environ().get(RUN_VARIABLE, "")
        environ = b"\0" + Path(f"/proc/{pid}/environ").read_bytes()
    except (OSError, psutil.Error):
        return ""
    return environ.partition(f"\0{RUN_VARIABLE}=".encode())[2].partition(b"\0")[0].decode("ascii", "replace")


class Leash:
    """On Linux: has the kernel kill process groups when this process ends, even if every process of the run is killed.

    A signal to the parent's end reaches a direct child alone, and not what that has started. But a pipe whose last
    writer is gone sends its owner a signal of our choice (`fcntl(2)`: F_SETOWN, F_SETSIG), and the owner may be a
    process group. This process holds both ends; as the kernel may close either first, there are two pipes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: dict[int, contextlib.ExitStack] = {}
        self._known: set[int] = set()
        self._known_before: set[int] = set()

    def hold(self, group: int) -> None:
        """Have a new process group killed at the end of this process; not the group of this process."""
        if sys.platform != "linux" or group == os.getpgrp():
            return
        with self._lock:
            self._ends.pop(group, contextlib.ExitStack()).close()  # an older one of this number
            with contextlib.suppress(OSError), contextlib.ExitStack() as opened:  # it ended, or too many files are open
                for moved in (0, 1):
                    read, write = _pipe_with_moved_end(moved)
                    opened.callback(os.close, write)
                    opened.callback(os.close, read)  # closed first, as the other would end the group
                    fcntl.fcntl(read, fcntl.F_SETSIG, signal.SIGKILL)
                    fcntl.fcntl(read, fcntl.F_SETOWN, -group)
                    fcntl.fcntl(read, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
                self._ends[group] = opened.pop_all()

    def hold_descendants(self, *roots: int) -> None:
        """Do so for the groups of all descendants of these processes, and forget groups that have ended.

        A process that was found twice is not looked at again, because this is done again and again; its first group
        may have been its parent's.
        """
        if sys.platform != "linux":
            return
        pids = {int(name) for name in os.listdir("/proc") if name.isdecimal()}  # noqa: PTH208 - no paths are needed
        new = pids - (self._known & self._known_before)
        self._known, self._known_before = pids, self._known
        for pid in new:
            group = _group_of_descendant(pid, roots)
            if group is not None and group not in self._ends:
                self.hold(group)
        for group in list(self._ends):
            if not _exists(group):
                with self._lock:
                    self._ends.pop(group).close()


def _pipe_with_moved_end(moved: int) -> list[int]:
    """A pipe whose read end (0) or write end (1) has a higher descriptor than its other end."""
    ends = list(os.pipe())
    low = ends[moved]
    try:
        ends[moved] = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, HIGH)
    finally:
        os.close(low)
    return ends


def _group_of_descendant(pid: int, roots: tuple[int, ...]) -> int | None:
    """The process group of a process if it descends from one of `roots`, else None."""
    group: int | None = None
    while pid not in roots:
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return None
        group = group or int(fields[2])
        pid = int(fields[1])
        if pid <= 1:
            return None
    return group


def _exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
