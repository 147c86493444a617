"""Reloading: what it changed, who listens for that, how former clients end, and the watcher that starts it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from architect_core._base.files import Signatures, signatures
from architect_core.clock import monotonic


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


def notify(listeners: Iterable[Callable[[Changes], object]], changes: Changes) -> None:
    """Call all `listeners`, if anything changed; what one raises is logged."""
    for listener in listeners if changes else ():
        try:
            listener(changes)
        except (Exception, SystemExit):  # noqa: BLE001 - it is the listener's
            _log().exception("a listener for changes of the configuration failed")


class Draining:
    """Closes replaced clients when calls on them have had time to end; one thread for all of them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[float, list[Callable[[], None]]] = {}  # by the time when they are due
        self._is_running = False

    def add(self, closers: list[Callable[[], None]], seconds: float) -> None:
        """Call all of `closers` when `seconds` have passed."""
        with self._changed:
            self._waiting.setdefault(monotonic() + seconds, []).extend(closers)
            self._changed.notify()
            if not self._is_running:
                with suppress(RuntimeError):  # no thread can be started: they are closed with the resolver
                    threading.Thread(target=self._run, name="architect-drain", daemon=True).start()
                    self._is_running = True

    def close(self) -> None:
        """Close all now; the first error is raised once all have been tried."""
        with self._changed:
            waiting, self._waiting = self._waiting, {}
            self._changed.notify()
        problems = close_all(close for closers in waiting.values() for close in closers)
        if problems:
            raise problems[0]

    def _run(self) -> None:
        while closers := self._due():
            for problem in close_all(closers):
                _log().error("a client that the configuration no longer has could not be closed", exc_info=problem)

    def _due(self) -> list[Callable[[], None]]:
        """Wait for the next that are due; returns none if nothing waits any more."""
        with self._changed:
            while self._waiting:
                first = min(self._waiting)
                if first <= monotonic():
                    return self._waiting.pop(first)
                self._changed.wait(first - monotonic())
            self._is_running = False
            return []


def close_all(closers: Iterable[Callable[[], None]]) -> list[Exception]:
    """Call all; returns the exceptions that were raised."""
    problems = []
    for close in closers:
        try:
            close()
        except Exception as problem:  # noqa: BLE001 - it is returned
            problems.append(problem)
    return problems


class Watcher:
    """Reloads when files change: a thread looks each `interval` seconds until `stop()` or the end of a `with` block."""

    def __init__(
        self,
        reload: Callable[[], object],
        seen: Callable[[], Signatures],
        interval: float,
        start: Signatures | None = None,
    ) -> None:
        """Start looking; `seen` returns what files were like when they were read, and `start` is its first value."""
        require_seconds("interval", interval)
        self.interval = interval
        self.seen = seen() if start is None else start
        self._reload = reload
        self._read = seen
        self._failure = ""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, name="architect-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop; returns when the thread has ended, unless that thread is the caller."""
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def in_forked_child(self) -> Watcher | None:
        """A watcher that goes on in a forked child; None if this one was stopped."""
        return None if self._stopped.is_set() else Watcher(self._reload, self._read, self.interval, self.seen)

    def _look(self) -> None:
        changing: Signatures | None = None
        while not self._stopped.wait(self.interval):
            self.seen = {**self._read(), **self.seen}  # with those read for the first time since the last look
            found = signatures(self.seen)
            if found == self.seen and not self._failure:
                changing = None
            elif found != changing:
                changing = found  # it may still be written to
            else:
                self._reload_quietly(found)

    def _reload_quietly(self, found: Signatures) -> None:
        try:
            self._reload()
        except Exception as problem:  # noqa: BLE001 - the former configuration stays in use, and the log says why
            # it is tried again, because a file may be missing that is not watched
            if str(problem) != self._failure:
                _log().warning("the configuration has changed and is not used: %s", problem)
            self._failure = str(problem)
            self.seen = found
        else:
            self._failure = ""
            # as they were before the reload, because one may have changed once more in between
            self.seen = {file: found.get(file, now) for file, now in self._read().items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def require_seconds(name: str, value: float) -> None:
    """Raise a ValueError if `value` is not a number of seconds that a thread can wait."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= threading.TIMEOUT_MAX:
        raise ValueError(f"{name} must be a positive number of seconds")


def _log() -> Any:
    import logging  # which takes time that a first look-up does not need

    return logging.getLogger("architect")
