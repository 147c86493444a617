"""What a reload changed, who listens for that, and how former clients end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger

Closer = Callable[[], None]


def log() -> Logger:
    """The logger "architect"; importing logging takes time that a first look-up does not need."""
    import logging

    return logging.getLogger("architect")


@dataclass(frozen=True)
class Changes:
    """What a reload changed, among the names in use; false if it changed nothing.

    Attributes:
        services: names of services whose entry changed, disappeared or came back.
        datastores: names of datastores whose credentials changed or disappeared.
        events: names of events whose subscribers changed, or that disappeared.
    """

    services: frozenset[str]
    datastores: frozenset[str]
    events: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.services or self.datastores or self.events)


class Listeners:
    """The functions that are called after a reload that changed something."""

    def __init__(self) -> None:
        self._all: list[list[Callable[[Changes], object]]] = []

    def add(self, listener: Callable[[Changes], object]) -> Callable[[], None]:
        """Call `listener` from now on; returns what ends that."""
        from inspect import iscoroutinefunction

        if iscoroutinefunction(listener):
            raise TypeError(
                "a listener is called in the thread that reloads, and not awaited: give a plain function; "
                "asyncio.run_coroutine_threadsafe takes a coroutine to a loop"
            )
        entry = [listener]  # one that is added twice is called twice, and removed once
        self._all.append(entry)

        def remove() -> None:
            self._all[:] = [each for each in self._all if each is not entry]

        return remove

    def call(self, changes: Changes) -> None:
        """Call all, if anything changed; what one raises is logged."""
        for (listener,) in list(self._all) if changes else ():
            try:
                listener(changes)
            except (Exception, SystemExit):  # noqa: BLE001 - it is the listener's
                log().exception("a listener for changes of the configuration failed")


class Draining:
    """Closes replaced clients when calls on them have had time to end; one thread for all of them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, list[Closer]]] = []
        self._is_running = False

    def add(self, closers: list[Closer], seconds: float) -> None:
        """Call all of `closers` when `seconds` have passed."""
        with self._changed:
            self._waiting.append((monotonic() + seconds, closers))
            self._changed.notify()
            if not self._is_running:
                with suppress(RuntimeError):  # no thread can be started: they are closed with the resolver
                    threading.Thread(target=self._run, name="architect-drain", daemon=True).start()
                    self._is_running = True

    def close(self) -> None:
        """Close all now; the first error is raised once all have been tried."""
        with self._changed:
            waiting, self._waiting = self._waiting, []
            self._changed.notify()
        problems = [problem for _, closers in waiting for problem in close_all(closers)]
        if problems:
            raise problems[0]

    def _run(self) -> None:
        while closers := self._due():
            for problem in close_all(closers):
                log().error("a client that the configuration no longer has could not be closed", exc_info=problem)

    def _due(self) -> list[Closer]:
        """Wait for the next that are due; returns none if nothing waits any more."""
        with self._changed:
            while self._waiting:
                first = min(self._waiting, key=itemgetter(0))
                left = first[0] - monotonic()
                if left <= 0:
                    self._waiting.remove(first)
                    return first[1]
                self._changed.wait(left)
            self._is_running = False
            return []


def close_all(closers: Iterable[Closer]) -> list[Exception]:
    """Call all; returns the exceptions that were raised."""
    problems = []
    for close in closers:
        try:
            close()
        except Exception as problem:  # noqa: BLE001 - it is returned
            problems.append(problem)
    return problems
