"""The requests to a run: lines of JSON on a Unix socket.

A connection has one request, an object whose `command` says what to do. The run answers with `accepted`, then with any
number of objects; the last one has `end`, or `error` with a message. To `attach`, the client may send further objects
with `input`.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import socket
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONGEST = 1 << 20  # bytes of a request
_LONGEST_ADDRESS = 100  # bytes of a path to a socket; Linux takes 107, macOS 103


def encode(message: dict[str, Any]) -> bytes:
    """Returns an object as it is sent."""
    return json.dumps(message).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Returns an object that was received; raises ValueError if it is none."""
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("a message is an object")  # noqa: TRY004 - as for what is no JSON
    return message


@contextlib.contextmanager
def address_of(path: Path) -> Iterator[str]:
    """The address of the socket at `path`: in its folder, if the path is too long for an address."""
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        yield str(path)
        return
    before = os.open(".", os.O_RDONLY)  # not by its path: it may have been removed
    try:
        os.chdir(path.parent)
        yield path.name
    finally:
        os.fchdir(before)
        os.close(before)


def peer_uid(connection: socket.socket) -> int | None:
    """The id of the user at the other end of a Unix socket; None if the system does not say."""
    if hasattr(socket, "SO_PEERCRED"):
        # struct ucred of <sys/socket.h>: the process, the user and the group
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
        return int(struct.unpack("iII", credentials)[1])
    if platform.system() == "Darwin":
        # struct xucred of <sys/ucred.h>: its version, the user id, and groups; SOL_LOCAL is 0, LOCAL_PEERCRED is 1
        return int(struct.unpack("2I", connection.getsockopt(0, 1, 76)[:8])[1])
    return None
