"""Watching files, and reloading when they change."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Self

from architect_core._base.signatures import Signatures, signatures

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("architect")


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
                _log.warning("the configuration has changed and is not used: %s", problem)
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
