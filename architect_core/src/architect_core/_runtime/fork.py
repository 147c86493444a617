"""What has to be made anew in a forked child: locks, and objects that say so."""

from __future__ import annotations

import os
import threading
from typing import Protocol
from weakref import WeakSet


class ForkSafeLock:
    """A re-entrant lock that is free in a forked child, even if another thread of the parent held it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _locks.add(self)

    def renew(self) -> None:
        """Replace the lock by a free one; called in a forked child, in which no other thread runs."""
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class Forked(Protocol):
    """An object with something to do in a forked child."""

    def after_fork_in_child(self) -> None:
        """Make anew what does not survive a fork; every lock is free already."""


_locks: WeakSet[ForkSafeLock] = WeakSet()
_forked: WeakSet[Forked] = WeakSet()


def call_after_fork(instance: Forked) -> None:
    """Call `instance.after_fork_in_child()` in every forked child for as long as the instance lives."""
    _forked.add(instance)


def _after_fork_in_child() -> None:
    for lock in list(_locks):
        lock.renew()
    for instance in list(_forked):
        instance.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
