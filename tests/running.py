"""`architect run` in a process of its own, on a copy of a system."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
from programs import COMMAND
from workspace import clean_environ

MARK = "RUN_TEST_MARK"
PATIENCE = 60.0


class Run:
    """A run of a copy of a system. A variable marks its processes, so that leftovers are found."""

    def __init__(self, source: Path) -> None:
        self.mark = secrets.token_hex(8)
        self.folder = Path(tempfile.mkdtemp(prefix="run-test-"))
        self.folder.chmod(0o755)  # PostgreSQL's own user has to reach its data when root runs this
        self.temporary = self.folder / "tmp"
        self.temporary.mkdir(mode=0o755)
        self.system = self.folder / source.name
        shutil.copytree(source, self.system, ignore=shutil.ignore_patterns("architect_services"))
        self.output = self.folder / "output.txt"
        self.process: subprocess.Popen[bytes]

    def start(self, *arguments: str) -> Run:
        environ = clean_environ(**{MARK: self.mark, "TMPDIR": str(self.temporary)})
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [COMMAND, "run", str(self.system), *arguments],
                env=environ,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        return self

    def printed(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_for(self, text: str, count: int = 1) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.printed().count(text) < count:
            assert self.process.poll() is None, self.printed()
            assert time.monotonic() < deadline, self.printed()
            time.sleep(0.05)

    def processes(self) -> list[psutil.Process]:
        """Return the living processes that this run started."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def process_of(self, folder: str, word: str) -> psutil.Process | None:
        """Return the living program of this run in `folder`, with `word` in its command."""
        for process in self.processes():
            try:
                is_program = os.getsid(process.pid) == process.pid
                if is_program and folder in process.cwd() and any(word in each for each in process.cmdline()):
                    return process
            except (psutil.Error, ProcessLookupError):
                continue
        return None

    def assert_nothing_is_left(self) -> None:
        deadline = time.monotonic() + 15
        while (self.processes() or list(self.temporary.iterdir())) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert [process.cmdline() for process in self.processes()] == []
        assert list(self.temporary.iterdir()) == []

    def kill_all(self) -> None:
        """Kill every process of the run at once."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):  # it ended with another one
                process.kill()

    def close(self) -> None:
        self.kill_all()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
