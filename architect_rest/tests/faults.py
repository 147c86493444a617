"""Servers of `misbehaving.py`, each in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

SCRIPT = Path(__file__).with_name("misbehaving.py")


class Misbehaving:
    """A server of `misbehaving.py` in a process of its own."""

    def __init__(self, kind: str, argument: str = "", port: int = 0) -> None:
        command = [sys.executable, str(SCRIPT), kind, argument, str(port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.asked: list[str] = []
        self._reader = threading.Thread(target=lambda: self.asked.extend(self.process.stdout or []), daemon=True)
        self._reader.start()

    def stop(self) -> list[str]:
        """End it with SIGKILL; gives the heads of all requests that it has read."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.asked


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
