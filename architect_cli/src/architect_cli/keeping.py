"""The programs of a run: started, waited for, started again when they were killed, and stopped in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from architect_cli.plan import LOCAL
from architect_cli.processes import Program, spawn
from architect_core.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from architect_cli.output import Console

_POLL_SECONDS = 0.02
_RESTART_SECONDS = 0.2
_KILLED = 128 + signal.SIGKILL


@dataclass(frozen=True)
class Start:
    """How a program is started; see `spawn`."""

    name: str
    command: Sequence[str] = field(repr=False)
    cwd: Path
    env: Mapping[str, str] = field(repr=False)
    user: tuple[int, int] | None = None
    stop_signal: int = signal.SIGTERM


class Programs:
    """Starts programs; each must be ready within `timeout` seconds."""

    def __init__(self, console: Console, timeout: float) -> None:
        self._console = console
        self._timeout = timeout
        self._started: list[Program] = []

    async def start(self, start: Start, instead: Program | None = None) -> Program:
        """Start a program, `instead` of one that has ended; raises RunError if that fails."""
        options = {"cwd": start.cwd, "env": start.env, "user": start.user, "stop_signal": start.stop_signal}
        try:
            program = await spawn(start.name, start.command, self._console.line, **options)  # type: ignore[arg-type]
        except (OSError, ValueError) as problem:  # a ValueError is about a NUL in an argument or a variable
            reason = getattr(problem, "strerror", None) or problem
            raise RunError(f"{start.name}: {shlex.join(start.command)} cannot be started: {reason}") from problem
        if instead is None:
            self._started.append(program)
        else:
            self._started[self._started.index(instead)] = program
        return program

    async def complete(self, start: Start) -> None:
        """Start a program and wait for its end; raises RunError if that is a failure."""
        program = await self.start(start)
        if await program.ended() != 0:
            raise self.ended(program)

    async def keep(
        self,
        start: Start,
        wait: Callable[[Program], Awaitable[None]] | None = None,
        on_ready: Callable[[], None] = lambda: None,
        *,
        again: bool = True,
    ) -> None:
        """Start a program, `wait` until it is ready, and do so `again` each time it is killed after it was ready.

        One that is started again may fail at first, because what it held before is not free at once. `on_ready` is
        called once. Raises RunError when the program ends otherwise.
        """
        loop = asyncio.get_running_loop()
        killed_at: float | None = None
        program: Program | None = None
        while True:
            program = await self.start(start, program)
            try:
                if wait is not None:
                    await wait(program)
            except RunError:
                if killed_at is None or loop.time() - killed_at > self._timeout:
                    raise
                await asyncio.sleep(_RESTART_SECONDS)
                continue
            if killed_at is None:
                on_ready()
            if await program.ended() != _KILLED or not again:
                raise self.ended(program)
            killed_at = loop.time()
            program.kill()  # what is left of its session
            self._console.note(f"{program.name} was killed and is started again")

    async def until_listening(
        self, program: Program, port: int, is_ready: Callable[[], Awaitable[bool]] | None = None, plugin: str = ""
    ) -> None:
        """Wait until the program listens on `port` and is ready, as `plugin` decides.

        Raises RunError if it ends before, or is too slow.
        """
        state = f"does not listen on {LOCAL}:{port} ($HOST:$PORT)"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                while program.exit_code is None:
                    if await _listens(port):
                        if is_ready is None or await is_ready():
                            return
                        state = f"listens on {LOCAL}:{port} and is not ready, says the plugin {plugin!r},"
                    await asyncio.sleep(_POLL_SECONDS)
        if program.exit_code is not None:
            await program.ended()
            raise self.ended(program, f" before it listened on {LOCAL}:{port}")
        raise self._error(program, f"{state} after {self._timeout:g} seconds (--timeout)")

    def ended(self, program: Program, when: str = "") -> RunError:
        """Returns the error for a program that has ended."""
        return self._error(program, f"ended with exit code {program.exit_code}{when}")

    def _error(self, program: Program, what: str) -> RunError:
        lines = self._console.last_lines(program.name)
        text = "".join(f"\n    {line}" for line in lines)
        return RunError(f"{program.name} {what}" + (f". Its last lines:{text}" if lines else ", and printed nothing"))

    async def stop(self) -> None:
        """Stop all, in the reverse order of their start."""
        for program in reversed(self._started):
            await program.stop()

    def kill(self) -> None:
        """Kill all at once."""
        for program in self._started:
            program.kill()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOCAL, port)
    except OSError:
        return False
    # if nothing listens, the system may give this end the very port that it connects to: it is connected to itself
    itself = writer.get_extra_info("sockname") == writer.get_extra_info("peername")
    writer.close()
    return not itself
