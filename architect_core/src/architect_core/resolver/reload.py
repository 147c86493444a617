"""What a reload changed, who listens for that, and how former clients end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from time import monotonic
from typing import TypeVar

Closer = Callable[[], None]
Value = TypeVar("Value")

_log = logging.getLogger("architect")


@dataclass(frozen=True)
class Changes:
    """What a reload changed, among what had been asked for; false where it changed nothing.

    Attributes:
        services: names of services whose entry is another, or gone, or back.
        datastores: names of datastores whose credentials are others, or gone.
        events: names of events whose subscribers are others, or that are gone.
    """

    services: frozenset[str]
    datastores: frozenset[str]
    events: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.services or self.datastores or self.events)


class Listeners:
    """Who is told of changes."""

    def __init__(self) -> None:
        self._all: list[list[Callable[[Changes], object]]] = []

    def add(self, listener: Callable[[Changes], object]) -> Callable[[], None]:
        """Tell `listener` from now on; gives what ends that."""
        from inspect import iscoroutinefunction

        if iscoroutinefunction(listener):
            raise TypeError(
                "a listener is called in the thread that reloads, and not awaited: give a plain function; "
                "asyncio.run_coroutine_threadsafe takes a coroutine to a loop"
            )
        entry = [listener]  # one that is added twice is told twice, and taken back once
        self._all.append(entry)

        def remove() -> None:
            self._all[:] = [each for each in self._all if each is not entry]

        return remove

    def tell(self, changes: Changes) -> None:
        """Call all, if anything has changed; what one raises is logged."""
        for (listener,) in list(self._all) if changes else ():
            try:
                listener(changes)
            except (Exception, SystemExit):  # noqa: BLE001 - it is the listener's
                _log.exception("a listener for changes of the configuration failed")


class Draining:
    """Clients that nobody gets any more, closed when calls on them have had time to end; by one thread for all."""

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
        """Close all now. What the first that cannot be closed raises is raised when all were tried."""
        with self._changed:
            waiting, self._waiting = self._waiting, []
            self._changed.notify()
        problems = [problem for _, closers in waiting for problem in close_all(closers)]
        if problems:
            raise problems[0]

    def _run(self) -> None:
        while closers := self._due():
            for problem in close_all(closers):
                _log.error("a client that the configuration no longer has could not be closed", exc_info=problem)

    def _due(self) -> list[Closer]:
        """What is to be closed next, when its time has come; nothing where nothing waits any more."""
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
    """Call all; gives what those raised that did."""
    problems = []
    for close in closers:
        try:
            close()
        except Exception as problem:  # noqa: BLE001 - told by those who call
            problems.append(problem)
    return problems


def differing(former: Mapping[str, object], new: Mapping[str, object]) -> frozenset[str]:
    """The names of what is different now, or gone."""
    return frozenset(name for name, value in former.items() if new.get(name) != value)


def replace(values: MutableMapping[str, Value], new: Mapping[str, Value | None], changed: Iterable[str]) -> None:
    """Put the new value of every changed name in place, or take it out where there is none."""
    for name in changed:
        value = new.get(name)
        if value is None:
            values.pop(name, None)
        else:
            values[name] = value
