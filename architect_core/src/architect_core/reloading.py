"""What a changed configuration needs: who is told, how files are watched, how former clients end."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from operator import itemgetter
from os import PathLike
from time import monotonic
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping

    from architect_core.changes import Changes

    Closer = Callable[[], None]

Value = TypeVar("Value")
Signatures = dict[str, object]


def _log() -> logging.Logger:
    import logging

    return logging.getLogger("architect")


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
                _log().exception("a listener for changes of the configuration failed")


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
                _log().error("a client that the configuration no longer has could not be closed", exc_info=problem)

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


class Watcher:
    """Looks whether files have changed, in a thread of its own; `stop()` ends it, as does leaving a `with` block.

    Attributes:
        interval: seconds between looks.
    """

    def __init__(
        self,
        reload: Callable[[], object],
        seen: Callable[[], Signatures],
        interval: float,
        start: Signatures | None = None,
    ) -> None:
        """Start looking.

        Args:
            reload: called when files have changed, and have then stayed the same from one look to the next.
            seen: gives what the files were like when the configuration was read.
            interval: seconds between looks.
            start: what they were like when it was read first, unless `seen` tells.
        """
        require_seconds("interval", interval)
        self.interval = interval
        self.seen = seen() if start is None else start
        self._reload = reload
        self._read = seen
        self._failure = ""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, name="architect-watch", daemon=True)
        self._thread.start()

    @property
    def is_stopped(self) -> bool:
        """Whether it was ended."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """End it; returns when the thread has ended, unless that is what calls."""
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def again(self) -> Watcher:
        """One that goes on where this one is, in a forked child."""
        return Watcher(self._reload, self._read, self.interval, self.seen)

    def _look(self) -> None:
        unsettled: Signatures | None = None
        while not self._stopped.wait(self.interval):
            self.seen = {**self._read(), **self.seen}  # what was read for the first time since the last look
            found = signatures(self.seen)
            if found == self.seen and not self._failure:
                unsettled = None
            elif found != unsettled:
                unsettled = found  # it may still be being written
            else:
                self._reload_quietly(found)

    def _reload_quietly(self, found: Signatures) -> None:
        try:
            self._reload()
        except Exception as problem:  # noqa: BLE001 - the former configuration stays in use, and this says why
            # what is missing may be a file that is not looked at, so that it is tried again
            if str(problem) != self._failure:
                _log().warning("the configuration has changed and is not used: %s", problem)
            self._failure = str(problem)
            self.seen = found
        else:
            self._failure = ""
            # as it was before it was read: it may have changed once more in between
            self.seen = {file: found.get(file, now) for file, now in self._read().items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def require_seconds(name: str, value: float) -> None:
    """Raise a ValueError where `value` is no time that can be waited for."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= threading.TIMEOUT_MAX:
        raise ValueError(f"{name} is a positive number of seconds")


def signatures(files: Iterable[str]) -> Signatures:
    """What is different when a file is: also a link to another one, which is how Kubernetes changes all at once."""
    found: Signatures = {}
    for file in files:
        try:
            status = os.stat(file)  # noqa: PTH116 - it follows links
            # the time of the last change of anything, because some programs keep that of the content
            found[file] = (os.path.realpath(file), status.st_ino, status.st_ctime_ns, status.st_size)
        except (OSError, ValueError):
            found[file] = None
    return found


def files_in(*values: object) -> Iterator[str]:
    """The paths among `values`, at any depth: files that an entry names, such as a certificate.

    A text is one if it is absolute.
    """
    for value in values:
        if isinstance(value, dict):
            yield from files_in(*value.values())
        elif isinstance(value, list):
            yield from files_in(*value)
        elif isinstance(value, PathLike) or (isinstance(value, str) and os.path.isabs(value)):  # noqa: PTH117
            yield os.path.abspath(value)  # noqa: PTH100


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
