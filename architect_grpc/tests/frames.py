"""A server that records the frames of HTTP/2 that a client sends, and answers no call."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # RFC 9113 section 3.4
DATA, SETTINGS, PING = 0, 4, 6  # section 6
ACK = 1


class Frame(NamedTuple):
    kind: int
    flags: int
    payload: bytes


class Recorder:
    """Listens on `port`."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._frames: list[Frame] = []
        self._more = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    def wait_for(self, wanted: Callable[[Frame], bool]) -> Frame:
        """Returns the first frame that is wanted; fails after 10 seconds."""

        def found() -> Frame | None:
            return next((frame for frame in self._frames if wanted(frame)), None)

        with self._more:
            assert self._more.wait_for(found, 10), [frame.kind for frame in self._frames]
            frame = found()
            assert frame is not None
            return frame

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # it is closed
                return
            threading.Thread(target=self._record, args=(connection,), daemon=True).start()

    def _record(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as sent:
            assert sent.read(len(PREFACE)) == PREFACE
            connection.sendall(frame(SETTINGS, 0))
            while len(head := sent.read(9)) == 9:
                received = Frame(head[3], head[4], sent.read(int.from_bytes(head[:3])))
                if received.kind == SETTINGS and not received.flags & ACK:
                    connection.sendall(frame(SETTINGS, ACK))
                with self._more:
                    self._frames.append(received)
                    self._more.notify_all()


def frame(kind: int, flags: int) -> bytes:
    """An empty frame of the connection."""
    return bytes([0, 0, 0, kind, flags, 0, 0, 0, 0])
