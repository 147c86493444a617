"""Which sockets this process has open, and places that refuse a connection or never answer."""

from __future__ import annotations

import os
import socket
import stat
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_DESCRIPTORS = Path("/dev/fd")
_POLL_SECONDS = 0.01
_PENDING = 1024


def can_see_sockets() -> bool:
    """Whether this system tells which descriptors a process has open."""
    return _DESCRIPTORS.is_dir()


def open_sockets() -> frozenset[tuple[int, int]]:
    """The sockets that this process has open, as `(descriptor, inode)`: a number that serves again is another."""
    found = set()
    for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208 - a path of each would be opened for nothing
        with suppress(OSError):  # the one that listed the folder is closed by now
            status = os.fstat(int(name))
            if stat.S_ISSOCK(status.st_mode):
                found.add((int(name), status.st_ino))
    return frozenset(found)


def left_open(before: frozenset[tuple[int, int]], seconds: float) -> int:
    """How many sockets are open that were not `before`, after waiting `seconds` for there to be none."""
    deadline = time.monotonic() + seconds
    while (left := len(open_sockets() - before)) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return left


def cut_off() -> None:
    """Make every connection of this process lead nowhere, for a forked child: they are its parent's, too.

    Who goes on using one is not told so, and waits for an answer for ever. Datagrams may be sent by both.
    """
    for descriptor, _ in open_sockets():
        with socket.socket(fileno=os.dup(descriptor)) as connection:
            if connection.type != socket.SOCK_STREAM:
                continue
        nowhere, other_end = socket.socketpair()
        os.set_blocking(nowhere.fileno(), os.get_blocking(descriptor))
        os.dup2(nowhere.fileno(), descriptor)
        nowhere.close()
        other_end.detach()  # stays open, so that nothing is closed


@contextmanager
def refusing() -> Iterator[int]:
    """A TCP port of 127.0.0.1 that refuses connections, and that nobody else gets meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


@contextmanager
def silent() -> Iterator[int]:
    """A TCP port of 127.0.0.1 that accepts connections and never answers; they are reset at its end."""
    with socket.create_server(("127.0.0.1", 0), backlog=_PENDING) as listener:  # the system accepts, nobody reads
        yield int(listener.getsockname()[1])
