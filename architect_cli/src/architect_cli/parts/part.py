"""A part of a run: a service, the server of a datastore or a broker, or a process beside a service."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from architect_cli.process.program import Program

Kind = Literal["service", "datastore", "broker", "companion", "migration"]


class State(StrEnum):
    """What a part of a run is doing."""

    WAITING = "waiting"  # for the parts that it needs
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"  # as it was asked to
    COMPLETED = "completed"  # a script that ended with 0
    ABSENT = "absent"  # the user starts it, in the environment that the run has for it
    FAILED = "failed"  # it ended by itself, and may be started again


STEADY = frozenset({State.READY, State.COMPLETED, State.ABSENT, State.FAILED, State.STOPPED})


@dataclass(frozen=True)
class Start:
    """How a program is started; see `spawn`. Without a command, there is none to start."""

    name: str
    command: Sequence[str] = field(repr=False)
    cwd: Path
    env: Mapping[str, str] = field(repr=False)
    user: tuple[int, int] | None = None
    stop_signal: int = signal.SIGTERM
    takes_input: bool = False


@dataclass(eq=False)
class Part:
    """One part, what it needs, and its state.

    Attributes:
        name: what the output of the run calls it.
        kind: what it is.
        launch: returns how it is started; called before each start, once all that it needs is ready.
        needs: the parts that are ready, or have completed, before it is started the first time.
        wait: returns once the program is ready; without it, the program is ready at once.
        completes: whether it is a script that the parts which need it wait for: it has to end with 0.
        on_ready: called when it is ready for the first time.
        on_end: called with the exit code when it has ended by itself; it is not started again then.
        keeps: whether it can be started again after it was ready; else its end is that of the run.
        absent: whether the user starts it, and the run does not, unless it is asked to.
        address: where it listens: "127.0.0.1:8080".
        made_of: the service whose changed files restart it.
    """

    name: str
    kind: Kind
    launch: Callable[[], Awaitable[Start]] = field(repr=False)
    needs: tuple[str, ...] = ()
    wait: Callable[[Program], Awaitable[None]] | None = field(default=None, repr=False)
    completes: bool = False
    on_ready: Callable[[], None] | None = field(default=None, repr=False)
    on_end: Callable[[int], None] | None = field(default=None, repr=False)
    keeps: bool = True
    absent: bool = False
    address: str | None = None
    made_of: str | None = None

    state: State = field(default=State.WAITING, init=False)
    since: float = field(
        default_factory=time.monotonic, init=False
    )  # when it entered the state, on the monotonic clock
    restarts: int = field(default=0, init=False)
    has_changed: bool = field(default=False, init=False)  # whether its last start was for a change of its files
    exit_code: int | None = field(default=None, init=False)  # of its last end
    problem: Exception | None = field(default=None, init=False, repr=False)  # why it failed the last time
    start: Start | None = field(default=None, init=False, repr=False)  # the last one
    program: Program | None = field(default=None, init=False, repr=False)  # until it is stopped
    was_ready: asyncio.Event = field(default_factory=asyncio.Event, init=False, repr=False)
    life: asyncio.Task[None] | None = field(default=None, init=False, repr=False)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)
    _changed: asyncio.Event = field(default_factory=asyncio.Event, init=False, repr=False)

    @property
    def pid(self) -> int | None:
        """The id of its process while that runs."""
        program = self.program
        return program.process.pid if program is not None and program.exit_code is None else None

    def enter(self, state: State) -> None:
        """Change the state."""
        self.state, self.since = state, time.monotonic()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def steady(self) -> State:
        """Wait until it is neither waiting, nor starting or stopping; returns the state."""
        while self.state not in STEADY:
            await self._changed.wait()
        return self.state
