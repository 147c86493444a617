"""Watching files, and reloading when they change."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from architect_core._base.files import Signatures, signatures
from architect_core.resolver.reload import log

if TYPE_CHECKING:
    from collections.abc import Callable


class Watcher:
    """Reloads when files have changed, in a thread of its own, until `stop()` or the end of a `with` block.

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
        """Start looking every `interval` seconds.

        Args:
            reload: called when files have changed, and have then stayed the same from one look to the next.
            seen: returns what the files were like when the configuration was read.
            interval: seconds between looks.
            start: what they were like at first; `seen()` unless given.
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
                log().warning("the configuration has changed and is not used: %s", problem)
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
        raise ValueError(f"{name} is a positive number of seconds")
