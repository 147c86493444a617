"""Programs that end with the run that started them, however the run ends."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_STOP_SECONDS = 5.0
_READER_SECONDS = 0.5
_POLL_SECONDS = 0.02
_CHUNK = 65536
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

# looked up before any fork: a forked child of a program with threads must do as little as possible
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def die_with_parent() -> None:
    """In a child, on Linux: be killed when the thread that forked it ends."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """On Linux: become the parent of descendants whose own parent ends, so that they can be found."""
    if _prctl is not None:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill_descendants() -> None:
    """Kill every descendant of this process, also those that are started meanwhile, and wait for their end."""
    me = psutil.Process()
    for _ in range(100):
        found = me.children(recursive=True)
        if not found:
            return
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(found, timeout=0.05)


@dataclass(eq=False)
class Program:
    """A running program, and the task that reads its output to the end."""

    name: str
    process: asyncio.subprocess.Process
    stop_signal: int
    reader: asyncio.Task[None]

    @property
    def exit_code(self) -> int | None:
        """Its exit code, 128 and the number for a signal; None while it runs."""
        code = self.process.returncode
        return 128 - code if code is not None and code < 0 else code

    async def ended(self) -> int:
        """Wait for its end and its last output; returns the exit code."""
        await self._exit()
        await self._read_rest()
        assert self.exit_code is not None  # noqa: S101 - it was waited for
        return self.exit_code

    async def stop(self) -> None:
        """Send its stop signal to its whole session, and kill what is left after some seconds."""
        if self.process.returncode is None:
            self._signal(self.stop_signal)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await self._exit()
        self.kill()
        await self._exit()
        await self._read_rest()
        self.reader.cancel()

    def kill(self) -> None:
        """Kill its whole session at once."""
        self._signal(signal.SIGKILL)

    async def _exit(self) -> None:
        """Wait for its end alone: asyncio's wait() may wait for other processes that hold its output open, too."""
        while self.process.returncode is None:
            await asyncio.sleep(_POLL_SECONDS)

    async def _read_rest(self) -> None:
        """Wait for the end of its output, but not long: a descendant may hold it open."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_READER_SECONDS):
                await asyncio.shield(self.reader)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


async def spawn(
    name: str,
    command: Sequence[str],
    on_line: Callable[[str, str], None],
    *,
    cwd: Path,
    env: Mapping[str, str],
    user: tuple[int, int] | None = None,
    stop_signal: int = signal.SIGTERM,
) -> Program:
    """Start `command` in a session of its own, as `user` (user id, group id); raises OSError if that fails.

    `on_line` is called with `name` and each line of standard output and error. `env` is the whole environment.
    """
    identity: dict[str, Any] = {} if user is None else {"user": user[0], "group": user[1], "extra_groups": ()}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=dict(env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=die_with_parent,
        **identity,
    )
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    reader = asyncio.create_task(_read_lines(process.stdout, lambda line: on_line(name, line)))
    return Program(name, process, stop_signal, reader)


async def _read_lines(stream: asyncio.StreamReader, on_line: Callable[[str], None]) -> None:
    """Pass on each line; a very long one in pieces."""
    rest = b""
    while chunk := await stream.read(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _CHUNK:
            lines, rest = [*lines, rest], b""
        for line in lines:
            on_line(line.rstrip(b"\r").decode("utf-8", "replace"))
    if rest:
        on_line(rest.decode("utf-8", "replace"))
