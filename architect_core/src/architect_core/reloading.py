"""What a changed configuration needs: who is told, how files are watched, how former clients end."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from os import PathLike
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping

    from architect_core.changes import Changes

_DRAIN_SECONDS = 30.0

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
            except Exception:  # noqa: BLE001 - it is the listener's
                _log().exception("a listener for changes of the configuration failed")


class Draining:
    """Clients that nobody gets any more, closed when calls on them have had time to end."""

    def __init__(self, closers: list[Callable[[], None]]) -> None:
        """Give them time. Each of `closers` closes one of them."""
        self._closers = closers
        self._lock = threading.Lock()
        self.is_closed = False
        self._timer = threading.Timer(_DRAIN_SECONDS, self._close_quietly)
        self._timer.daemon = True
        with suppress(RuntimeError):  # no thread can be started: they are closed with the resolver
            self._timer.start()

    def close(self) -> None:
        """Close them now; once. What the first that cannot be closed raises is raised when all were tried."""
        self._timer.cancel()
        with self._lock:
            if self.is_closed:
                return
            self.is_closed = True
        problems = []
        for close in self._closers:
            try:
                close()
            except Exception as problem:  # noqa: BLE001 - raised below
                problems.append(problem)
        if problems:
            raise problems[0]

    def _close_quietly(self) -> None:
        try:
            self.close()
        except Exception:  # noqa: BLE001 - nobody waits for it
            _log().exception("a client that the configuration no longer has could not be closed")


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
        if not isinstance(interval, int | float) or isinstance(interval, bool) or not 0 < interval < float("inf"):
            raise ValueError("the interval is a positive number of seconds")
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

    def _look(self) -> None:
        unsettled: Signatures | None = None
        while not self._stopped.wait(self.interval):
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
            self.seen = self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def signatures(files: Iterable[str]) -> Signatures:
    """What is different when a file is: also a link to another one, which is how Kubernetes changes all at once."""
    found: Signatures = {}
    for file in files:
        try:
            status = os.stat(file)  # noqa: PTH116 - it follows links
            found[file] = (os.path.realpath(file), status.st_ino, status.st_mtime_ns, status.st_size)
        except (OSError, ValueError):
            found[file] = None
    return found


def files_in(*values: object) -> Iterator[str]:
    """The absolute paths among `values`, at any depth: files that an entry names, such as a certificate."""
    for value in values:
        if isinstance(value, dict):
            yield from files_in(*value.values())
        elif isinstance(value, list):
            yield from files_in(*value)
        elif isinstance(value, str | PathLike) and os.path.isabs(value):  # noqa: PTH117 - no object for each value
            yield os.fspath(value)


def differing(former: Mapping[str, object], new: Mapping[str, object]) -> frozenset[str]:
    """The names of what is different now, or gone."""
    return frozenset(name for name, value in former.items() if new.get(name) != value)


def replace(values: MutableMapping[str, Value], new: Mapping[str, Value | None], changed: Iterable[str]) -> None:
    """Put the new value of every changed name in place, or take it out where there is none."""
    for name in changed:
        value = new.get(name)
        if value is None:
            values.pop(name)
        else:
            values[name] = value
