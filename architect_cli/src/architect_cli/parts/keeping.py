"""Keeps the parts of a run up: starts each after what it needs, starts it again after a crash, and stops them all."""

from __future__ import annotations

import asyncio
import shlex
import signal
import time
from typing import TYPE_CHECKING

from architect_cli.parts.part import Part, State
from architect_cli.parts.readiness import ProgramError
from architect_cli.planning.names import find_name
from architect_cli.process.patience import within
from architect_cli.process.program import spawn
from architect_core.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from architect_cli.output.console import Console
    from architect_cli.parts.part import Start
    from architect_cli.process.program import Program

_FIRST_DELAY = 0.2  # seconds until it is started again, twice as long after each crash
_LONGEST_DELAY = 15.0
_STEADY_SECONDS = 10.0  # after so long, the next crash is the first one again
_NOTE_SECONDS = 2.0  # until the parts that have not ended yet are named
_KILLED = 128 + signal.SIGKILL


class Parts:
    """The parts of a run, by name; each must be ready within `timeout` seconds.

    `on_failure` is called with the error of a part that ends the run: one that was never ready, that cannot be started
    again, or any with `fail_fast`.
    """

    def __init__(
        self,
        parts: Iterable[Part],
        console: Console,
        timeout: float,
        on_failure: Callable[[Exception], None],
        *,
        fail_fast: bool = False,
    ) -> None:
        self._parts = {part.name: part for part in parts}
        self._console = console
        self._timeout = timeout
        self._on_failure = on_failure
        self._fail_fast = fail_fast
        self._are_stopping = False
        self._started: list[Part] = []  # in the order of their first start

    def __iter__(self) -> Iterator[Part]:
        return iter(self._parts.values())

    def find(self, typed: str) -> Part:
        """The part that a user means; raises RunError if there is none."""
        return self._parts[find_name(typed, self._parts, "part of the run that is called")]

    def begin(self) -> None:
        """Start all, each after what it needs."""
        for part in self:
            self._begin(part)

    async def stop(self, name: str) -> None:
        """Stop a part; it is not started again until `restart`. Raises RunError if its data does not survive that."""
        part = self._part_that_keeps(name)
        async with part.lock:
            await self._halt(part)

    async def restart(self, name: str, *, changed: bool = False) -> State:
        """Stop a part, if it runs, and start it again; returns its state once it is ready or has failed.

        If its files have `changed`, a failure within the first seconds is not repeated: it waits for the next change.
        Raises RunError if its data does not survive that, or it would wait for a part that is stopped.
        """
        part = self._part_that_keeps(name)
        stopped = self._stopped_need(part)
        if stopped is not None:
            reason = f"{name} needs {stopped}, which was stopped before it was ready"
            raise RunError(f"{reason}. Run `architect restart {stopped}` first")
        async with part.lock:
            await self._halt(part)
            part.restarts += 1
            part.absent, part.has_changed = False, changed
            self._begin(part)
        return await part.steady()

    def _part_that_keeps(self, name: str) -> Part:
        if self._are_stopping:
            raise RunError("the run is ending")
        part = self._parts[name]
        if not part.keeps:
            raise RunError(f"{name} cannot be stopped alone: it has its data in memory only. Stop the run instead")
        return part

    def _stopped_need(self, part: Part) -> str | None:
        """The name of a stopped part that `part` waits for before its first start, perhaps because another one does."""
        if part.was_ready.is_set():
            return None
        for name in part.needs:
            need = self._parts[name]
            if need.state is State.STOPPED and not need.was_ready.is_set():
                return name
            if (further := self._stopped_need(need)) is not None:
                return further
        return None

    async def stop_all(self) -> None:
        """Stop all, in the reverse order of their start; none is started again."""
        self._are_stopping = True
        lives = [part.life for part in self if part.life is not None]
        for life in lives:
            life.cancel()
        await asyncio.gather(*lives, return_exceptions=True)
        ended = {part: asyncio.Event() for part in self}
        stopping = asyncio.gather(*(self._stop_after(part, ended) for part in self))
        while not (await asyncio.wait([stopping], timeout=_NOTE_SECONDS))[0]:
            waiting = [part.name for part in self if part.state is State.STOPPING]
            self._console.note(f"waiting for {', '.join(waiting)} to end; press Ctrl-C again to kill what still runs")
        await stopping

    async def _stop_after(self, part: Part, ended: dict[Part, asyncio.Event]) -> None:
        """Stop a part after all that need it."""
        for other, event in ended.items():
            if part.name in other.needs:
                await event.wait()
        if part.program is not None:
            part.enter(State.STOPPING)
            await part.program.stop()
            part.exit_code = part.program.exit_code
        part.enter(State.STOPPED)
        ended[part].set()

    def kill_all(self) -> None:
        """Kill all at once."""
        for part in self._started:
            if part.program is not None:
                part.program.kill()

    def _begin(self, part: Part) -> None:
        if self._are_stopping:
            raise RunError("the run is ending")
        part.enter(State.WAITING)
        part.life = asyncio.create_task(self._guard(part))

    async def _halt(self, part: Part) -> None:
        if part.life is not None:
            part.life.cancel()
            await asyncio.gather(part.life, return_exceptions=True)
        part.enter(State.STOPPING)
        await self._clear(part)
        part.enter(State.STOPPED)

    async def _clear(self, part: Part) -> None:
        """Stop its program, if it runs, and what is left of its session."""
        if part.program is not None:
            await part.program.stop()
            await part.program.kill_rest()
            part.exit_code, part.program = part.program.exit_code, None

    async def _guard(self, part: Part) -> None:
        """Keep a part up; an exception of it ends the run."""
        try:
            await self._live(part)
        except Exception as problem:  # noqa: BLE001 - raised where the outcome of the run is awaited
            part.enter(State.FAILED)
            self._on_failure(problem)

    async def _live(self, part: Part) -> None:
        if not part.was_ready.is_set():
            for name in part.needs:
                await self._parts[name].was_ready.wait()
        delay = _FIRST_DELAY
        while True:
            try:
                program = await self._bring_up(part)
                if program is None:
                    return
                part.exit_code = await program.ended()
                if part.on_end is not None and not (part.exit_code and _waits_for_change(part)):
                    part.enter(State.FAILED if part.exit_code else State.COMPLETED)
                    part.on_end(part.exit_code)
                    return
                raise self._ended(program)
            except RunError as problem:
                lasted, waits = _lasted(part), _waits_for_change(part)
                part.problem = problem
                part.enter(State.FAILED)
                if not waits and self._is_fatal(part, lasted):
                    raise
                headline = problem.headline if isinstance(problem, ProgramError) else str(problem)
            await self._clear(part)
            if waits:
                self._console.note(f"{headline} and waits for the next change of its files")
                return
            if part.completes:
                self._console.note(headline)
                return
            delay = _FIRST_DELAY if lasted >= _STEADY_SECONDS else delay
            what = f"{part.name} was killed" if part.exit_code == _KILLED else headline
            self._console.note(f"{what} and is started again in {delay:g} seconds")
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)
            part.restarts += 1

    async def _bring_up(self, part: Part) -> Program | None:
        """Start a part and wait until it is ready; returns its program, or None if nothing of it runs on."""
        part.enter(State.STARTING)
        part.exit_code = None
        part.start = await part.launch()
        if part.absent or not part.start.command:
            self._is_ready(part, State.ABSENT if part.absent else State.READY)
            return None
        program = await self._spawn(part, part.start)
        if part.completes:
            await self._complete(part, program)
            return None
        if part.wait is not None:
            try:
                await part.wait(program)
            finally:
                part.exit_code = program.exit_code
        self._is_ready(part)
        return program

    async def _complete(self, part: Part, program: Program) -> None:
        try:
            part.exit_code = await within(self._timeout, program.ended())
        except TimeoutError:
            late = (
                f"still runs after {self._timeout:g} seconds (--timeout). What needs it waits until it has ended with 0"
            )
            if part.kind == "service":
                late += ", because it has no `api`"
            raise ProgramError(part.name, late, self._console.last_lines(part.name)) from None
        if part.exit_code != 0:
            raise self._ended(program)
        self._is_ready(part, State.COMPLETED)
        if part.on_end is not None:
            part.on_end(0)

    def _is_ready(self, part: Part, state: State = State.READY) -> None:
        is_first = not part.was_ready.is_set()
        part.enter(state)
        part.was_ready.set()
        if is_first and part.on_ready is not None:
            part.on_ready()

    async def _spawn(self, part: Part, start: Start) -> Program:
        spawning = asyncio.ensure_future(
            spawn(
                start.name,
                start.command,
                self._console.output_of(start.name),
                cwd=start.cwd,
                env=start.env,
                user=start.user,
                stop_signal=start.stop_signal,
                takes_input=start.takes_input,
            )
        )
        if part not in self._started:
            self._started.append(part)
        try:
            part.program = await asyncio.shield(spawning)
        except asyncio.CancelledError:  # what is started now has to be stopped, too
            part.program = await spawning
            raise
        except (OSError, ValueError) as problem:  # a ValueError is about a NUL in an argument or a variable
            reason = getattr(problem, "strerror", None) or problem
            raise RunError(f"{start.name}: {shlex.join(start.command)} cannot be started: {reason}") from problem
        return part.program

    def _is_fatal(self, part: Part, lasted: float) -> bool:
        """Whether the end of a part ends the run: it was never ready, cannot be started again, or no part may end."""
        if self._fail_fast or not part.keeps or not part.was_ready.is_set():
            return True
        # it counts as ready at once, so that it is tried for a while whether it can work at all
        is_on_trial = part.kind == "companion" and part.restarts == 0 and lasted < _STEADY_SECONDS
        return is_on_trial and part.exit_code != _KILLED

    def _ended(self, program: Program) -> RunError:
        what = f"ended with exit code {program.exit_code}"
        return ProgramError(program.name, what, self._console.last_lines(program.name))


def _lasted(part: Part) -> float:
    """How many seconds ago it became ready; 0 if it is not."""
    return time.monotonic() - part.since if part.state is State.READY else 0.0


def _waits_for_change(part: Part) -> bool:
    """Whether a part that has just ended did so because of a change of its files."""
    return part.has_changed and _lasted(part) < _STEADY_SECONDS and part.exit_code != _KILLED
