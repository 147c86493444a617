"""Which process listens on a port: the one that was started for it, or another."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import psutil

from architect_cli.process.reaping import marked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from architect_cli.process.program import Program

_REACHED = frozenset({"127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1"})  # noqa: S104 - nothing is bound to it
# they listen for a container that a service's command has started
_FOR_CONTAINERS = ("com.docker", "containerd", "docker", "gvproxy", "limactl", "podman", "rootlesskit", "rootlessport")


def other_listener(program: Program, port: int) -> str | None:
    """Returns the name and id of a process that listens on `port` and that `program` has not started.

    None if a process of the program listens there, a container's port may be meant, or it cannot be found out, because
    another user's processes do not show what they listen on.
    """
    for process in _processes_of(program):
        try:
            if any(_is_it(each, port) for each in process.net_connections("tcp")):
                return None
        except psutil.AccessDenied:
            return None
        except psutil.Error:  # it has ended
            continue
    with contextlib.suppress(psutil.Error):
        for each in psutil.net_connections("tcp"):
            if _is_it(each, port):
                name = psutil.Process(each.pid).name() if each.pid else ""
                return None if not name or name.lower().startswith(_FOR_CONTAINERS) else f"{name} (process {each.pid})"
    return None


def _processes_of(program: Program) -> Iterator[psutil.Process]:
    """The program itself, the others of its session, and what it has started in other sessions."""
    pid = program.process.pid
    with contextlib.suppress(psutil.Error):
        yield psutil.Process(pid)
    for each in psutil.pids():
        if each != pid and _session_of(each) == pid:
            with contextlib.suppress(psutil.Error):
                yield psutil.Process(each)
    yield from marked(program.mark)


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _is_it(connection: Any, port: int) -> bool:
    return connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.laddr.ip in _REACHED
