"""Servers of `misbehaving.py`: in threads of the test's process, or each in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from misbehaving import Server

SCRIPT = Path(__file__).with_name("misbehaving.py")


class Misbehaving:
    """A server of `misbehaving.py` in this process.

    Attributes:
        port: where it listens.
        asked: the heads of all requests that it has read.
    """

    def __init__(self, kind: str, argument: str = "", port: int = 0) -> None:
        self.asked: list[str] = []
        self._server = Server(kind, argument, port, self.asked.append)
        self.port = self._server.port
        self._thread = threading.Thread(target=self._server.serve, daemon=True)
        self._thread.start()

    def stop(self) -> list[str]:
        """End it, with all of its connections; returns `asked`."""
        self._server.stop()
        self._thread.join()
        return self.asked

    def wait(self, count: int) -> list[str]:
        """Wait until it has read `count` requests, then end it; returns `asked`, which may be more."""
        ends = time.monotonic() + 10
        while len(self.asked) < count and time.monotonic() < ends:
            time.sleep(0.005)
        return self.stop()


class MisbehavingProcess(Misbehaving):
    """The same in a process of its own, for a test that counts sockets, forks, or makes very many calls."""

    def __init__(self, kind: str, argument: str = "", port: int = 0) -> None:
        command = [sys.executable, str(SCRIPT), kind, argument, str(port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.asked = []
        self._reader = threading.Thread(target=lambda: self.asked.extend(self.process.stdout or []), daemon=True)
        self._reader.start()

    def stop(self) -> list[str]:
        """End it with SIGKILL; returns `asked`."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.asked


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
