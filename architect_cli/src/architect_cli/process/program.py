"""Programs: started in a session of their own, read, written to, waited for and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from architect_cli.process import reaping

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_STOP_SECONDS = 5.0
_BATCH_SECONDS = 0.005  # between two reads, so that a program that prints much is read in large pieces
_FULL_SECONDS = 0.05
_CHUNK = 262144
_KILL_ROUNDS = 100  # for what starts other processes meanwhile; a process that waits for a disk may outlive all
_PIPE_READS = 4  # so many reads take more than a pipe can hold

_numbers = itertools.count(1)
leash = reaping.Leash()


class Output(Protocol):
    """Takes what a program prints."""

    def is_full(self) -> bool:
        """Whether to stop reading for the moment."""

    def write(self, data: bytes) -> None:
        """Take some bytes, which may end in the middle of a line or of a character."""

    def close(self) -> None:
        """Take the end of the output."""


class _Reader:
    """Reads a pipe to its end, or until it is closed."""

    def __init__(self, pipe: int, output: Output) -> None:
        self._pipe = pipe
        self._output = output
        self._loop = asyncio.get_running_loop()
        self._later: asyncio.TimerHandle | None = None
        self._is_open = True
        os.set_blocking(pipe, False)
        self._loop.add_reader(pipe, self._read)

    def close(self) -> None:
        """Read what has been written so far, and no more."""
        self.drain()
        self._end()

    def drain(self) -> None:
        """Read what has been written so far; another process may hold the pipe open, and write more and more."""
        for _ in range(_PIPE_READS):
            if not self._is_open or not self._read_once():
                return

    def _read(self) -> None:
        self._loop.remove_reader(self._pipe)
        if not self._output.is_full():
            self._read_once()
        if self._is_open:
            pause = _FULL_SECONDS if self._output.is_full() else _BATCH_SECONDS
            self._later = self._loop.call_later(pause, self._loop.add_reader, self._pipe, self._read)

    def _read_once(self) -> bool:
        try:
            data = os.read(self._pipe, _CHUNK)
        except BlockingIOError:
            return False
        if data:
            self._output.write(data)
        else:
            self._end()
        return bool(data)

    def _end(self) -> None:
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._pipe)
            if self._later is not None:
                self._later.cancel()
            os.close(self._pipe)
            self._output.close()


@dataclass(eq=False)
class Program:
    """A running program, and the reader of its output."""

    name: str
    process: asyncio.subprocess.Process
    stop_signal: int
    mark: str
    reader: _Reader = field(repr=False)
    input: int | None = None

    @property
    def exit_code(self) -> int | None:
        """Its exit code, 128 and the number for a signal; None while it runs."""
        code = self.process.returncode
        return 128 - code if code is not None and code < 0 else code

    async def ended(self) -> int:
        """Wait for its end, and read what it has printed; returns the exit code."""
        await self.process.wait()
        self.reader.drain()
        assert self.exit_code is not None  # noqa: S101 - it was waited for
        return self.exit_code

    def write_input(self, data: bytes) -> bool:
        """Write to its standard input; returns whether it could take all of it, which it must have asked for."""
        if self.input is None:
            return False
        try:
            return os.write(self.input, data) == len(data)
        except OSError:  # it has closed it, or reads nothing
            return False

    async def stop(self) -> None:
        """Send its stop signal to its whole session, and kill what is left after some seconds."""
        if self.process.returncode is None:
            self._signal(self.stop_signal)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await self.process.wait()
        self.kill()
        await self.process.wait()
        self.reader.close()
        if self.input is not None:
            os.close(self.input)
            self.input = None

    def kill(self) -> None:
        """Kill its whole session at once."""
        self._signal(signal.SIGKILL)

    async def kill_rest(self) -> None:
        """Kill what it has started in other sessions, too; for a program that is started again, after its end."""
        for _ in range(_KILL_ROUNDS):
            found = reaping.marked(self.mark)
            if not found:
                return
            await asyncio.to_thread(reaping.kill, found)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


async def spawn(
    name: str,
    command: Sequence[str],
    output: Output,
    *,
    cwd: Path,
    env: Mapping[str, str],
    user: tuple[int, int] | None = None,
    stop_signal: int = signal.SIGTERM,
    takes_input: bool = False,
) -> Program:
    """Start `command` in a session of its own, as `user` (user id, group id); raises OSError if that fails.

    `output` gets what it prints. `env` is the whole environment, but for the variables that describe the process
    itself. Its standard input is empty, or else what `write_input` is given.
    """
    mark = f"{reaping.RUN_ID}.{next(_numbers)}"
    own = {"PWD": str(cwd), reaping.RUN_VARIABLE: mark}
    identity: dict[str, Any] = {} if user is None else {"user": user[0], "group": user[1], "extra_groups": ()}
    with contextlib.ExitStack() as on_failure, contextlib.ExitStack() as of_child:
        read, write = os.pipe()
        on_failure.callback(os.close, read)
        of_child.callback(os.close, write)
        stdin, own_end = asyncio.subprocess.DEVNULL, None
        if takes_input:
            stdin, own_end = os.pipe()
            on_failure.callback(os.close, own_end)
            of_child.callback(os.close, stdin)
            os.set_blocking(own_end, False)
        # by descriptors of ours: asyncio's own pipes would be waited for, which other processes may hold open
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=cwd,
            env={**env, **own},
            stdin=stdin,
            stdout=write,
            stderr=write,
            start_new_session=True,
            **identity,
        )
        leash.hold(process.pid)
        on_failure.pop_all()
    return Program(name, process, stop_signal, mark, _Reader(read, output), own_end)
