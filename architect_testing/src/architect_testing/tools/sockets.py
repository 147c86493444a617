"""The open sockets of this process, and ports that refuse connections or never answer."""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_DESCRIPTORS = Path("/dev/fd")
_POLL_SECONDS = 0.01
_BACKLOG = 1024


def can_see_sockets() -> bool:
    """Whether this system lists the descriptors that a process has open."""
    return _DESCRIPTORS.is_dir()


def open_sockets() -> frozenset[tuple[int, int]]:
    """The sockets that this process has open, as `(descriptor, inode)`, because descriptors are used again."""
    found = set()
    for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208 - plain names, no Path for each
        with suppress(OSError):  # the descriptor that listed the folder is closed by now
            status = os.fstat(int(name))
            if stat.S_ISSOCK(status.st_mode):
                found.add((int(name), status.st_ino))
    return frozenset(found)


def left_open(before: frozenset[tuple[int, int]], seconds: float) -> int:
    """How many sockets are open that were not open `before`; waits up to `seconds` for them to close."""
    deadline = time.monotonic() + seconds
    while (left := len(open_sockets() - before)) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return left


def cut_off() -> None:
    """Disconnect every stream socket of this process, a forked child, without closing the parent's connections.

    Using one raises no error; an answer never comes.
    """
    for descriptor, _ in open_sockets():
        with socket.socket(fileno=os.dup(descriptor)) as connection:
            if connection.type != socket.SOCK_STREAM:
                continue
        nowhere, other_end = socket.socketpair()
        os.set_blocking(nowhere.fileno(), os.get_blocking(descriptor))
        os.dup2(nowhere.fileno(), descriptor)
        nowhere.close()
        other_end.detach()  # stays open, so that the child sees no closed connection


@contextmanager
def refusing() -> Iterator[int]:
    """A TCP port of 127.0.0.1 that refuses connections, reserved until the block ends."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


@contextmanager
def silent() -> Iterator[int]:
    """A TCP port of 127.0.0.1 that accepts connections and never answers; they are reset when the block ends."""
    with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as listener:  # the system accepts, nobody reads
        yield int(listener.getsockname()[1])
