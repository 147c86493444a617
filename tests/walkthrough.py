"""Follows a page of the documentation: writes its files, runs its commands and compares their output.

A block with a title is a file, relative to the working folder. A `console` block has commands after "$ ", each followed
by its output, where "..." matches anything; a command without output must succeed. A `python` block without a title is
a program, which must succeed.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

_BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_PATIENCE = 300.0


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    title: str
    text: str


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    return [Block(*match.groups(default="")) for match in _BLOCK.finditer(page)]


class Shell:
    """A shell that keeps its variables, jobs and working folder between commands."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self._output = folder / ".output"
        self._process = subprocess.Popen(
            ["bash"], stdin=subprocess.PIPE, cwd=folder, env=environ, text=True, start_new_session=True
        )
        self._count = 0

    def run(self, command: str) -> tuple[int, str]:
        """Run a command; returns its exit code and its output."""
        self._count += 1
        before = self._children()
        done, output = self.folder / f".done-{self._count}", self.folder / f".output-{self._count}"
        assert self._process.stdin is not None
        self._process.stdin.write(
            f'{{ {command}\n}} >{output} 2>&1\necho "$? $PWD" >{done}.new; mv {done}.new {done}\n'
        )
        self._process.stdin.flush()
        deadline = time.monotonic() + _PATIENCE
        while not done.exists():
            assert self._process.poll() is None, f"the shell ended at {command!r}"
            assert time.monotonic() < deadline, f"{command!r} did not end: {output.read_text()}"
            time.sleep(0.02)
        code, _, self.here = done.read_text().rstrip("\n").partition(" ")
        if command.endswith("&"):  # a server, which has to listen before the next command
            while not any(map(_listens, self._children() - before)):
                assert time.monotonic() < deadline, f"{command!r} does not listen: {output.read_text()}"
                time.sleep(0.02)
        return int(code), output.read_text()

    here: str

    def _children(self) -> set[psutil.Process]:
        return set(psutil.Process(self._process.pid).children(recursive=True))

    def close(self) -> None:
        """Kill it and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process.wait()


def _listens(process: psutil.Process) -> bool:
    try:
        return any(each.status == psutil.CONN_LISTEN for each in process.net_connections("tcp"))
    except psutil.NoSuchProcess:
        return False


@contextlib.contextmanager
def shell(folder: Path, environ: Mapping[str, str]) -> Iterator[Shell]:
    """A shell for one page."""
    one = Shell(folder, environ)
    try:
        one.run("true")
        yield one
    finally:
        one.close()


def follow(page: str, typed: Shell) -> int:
    """Follow the page; returns the number of blocks that were executed."""
    done = 0
    for block in blocks(page):
        if block.title:
            path = Path(typed.here, block.title)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        elif block.language == "console":
            for command, expected in _commands(block.text):
                _expect(command, expected, *typed.run(command))
        elif block.language == "python":
            program = Path(typed.here, ".block.py")
            program.write_text(block.text)
            _expect(block.text, "", *typed.run("python .block.py"))
        else:
            continue
        done += 1
    return done


def _commands(text: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


def _expect(command: str, expected: str, code: int, printed: str) -> None:
    if not expected:
        assert code == 0, f"$ {command}\n{printed}"
        return
    pattern = re.escape(expected.rstrip("\n")).replace(re.escape("...") + "\\\n", "(?:.*\n)??").replace(r"\.\.\.", ".*")
    assert re.fullmatch(pattern, printed.rstrip("\n"), re.DOTALL), f"$ {command}\n{printed}\n--- expected:\n{expected}"
