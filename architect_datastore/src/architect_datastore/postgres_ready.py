"""Waits until PostgreSQL accepts logins, which it does some time after it listens."""

from __future__ import annotations

import socket
import struct
import time

from architect_core.exceptions import RunError

_PROTOCOL = 3 << 16
_SECONDS = 30.0
_POLL_SECONDS = 0.02


def wait_until_ready(host: str, port: int, username: str, name: str) -> None:
    """Waits until the server asks for a password.

    A server that is starting up answers with an error (https://www.postgresql.org/docs/current/protocol-flow.html).

    Raises:
        RunError: the server has ended, or is not ready after 30 seconds.
    """
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        try:
            if _asks_for_password(host, port, username, name):
                return
        except ConnectionRefusedError:
            raise RunError(f"PostgreSQL ended on {host}:{port} before it accepted logins") from None
        except OSError:  # the connection broke: the server may be about to end
            pass
        time.sleep(_POLL_SECONDS)
    raise RunError(f"PostgreSQL listens on {host}:{port} and accepts no logins after {_SECONDS:.0f} seconds")


def _asks_for_password(host: str, port: int, username: str, name: str) -> bool:
    fields = b"".join(f"{text}\0".encode() for text in ("user", username, "database", name))
    message = struct.pack("!i", _PROTOCOL) + fields + b"\0"
    with socket.create_connection((host, port), timeout=_SECONDS) as connection:
        connection.sendall(struct.pack("!i", 4 + len(message)) + message)
        # reads all: unread data would reset the connection, and the server would log an error
        return connection.recv(4096).startswith(b"R")
