"""What the core runs on: locks that survive a fork, and attributes computed once. It imports nothing of the core."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakSet

Value = TypeVar("Value")


class Forked(Protocol):
    """An object with something to do in a forked child."""

    def after_fork_in_child(self) -> None:
        """Make anew what does not survive a fork; every lock is free already."""


_locks: WeakSet[Forked] = WeakSet()
_others: WeakSet[Forked] = WeakSet()


class ForkSafeLock:
    """A re-entrant lock that is free in a forked child, even if another thread of the parent held it."""

    def __init__(self) -> None:
        self.after_fork_in_child()
        _locks.add(self)

    def after_fork_in_child(self) -> None:
        """Make a new lock, which is free."""
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def call_after_fork(instance: Forked) -> None:
    """Call `instance.after_fork_in_child()` in every forked child for as long as the instance lives."""
    _others.add(instance)


def _after_fork_in_child() -> None:
    for instance in [*_locks, *_others]:
        instance.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


class once(Generic[Value]):  # noqa: N801 - a decorator, named like property
    """A method whose first result becomes a plain attribute of the instance.

    `functools.cached_property` has no lock since Python 3.12, and one lock for all instances before. Here the instance
    brings its own, a re-entrant one in `_lock`. Once computed, reading the value costs what any attribute costs.
    """

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> Value:
        if instance is None:
            return self  # type: ignore[return-value] # for tools that look at the class, such as `help`
        with instance._lock:  # noqa: SLF001 - what the class promises
            if self._name not in vars(instance):
                vars(instance)[self._name] = self._compute(instance)
            value: Value = vars(instance)[self._name]
            return value


def forget(instance: object, *names: str) -> None:
    """Have each attribute of `names` computed again when it is read next."""
    for name in names:
        vars(instance).pop(name, None)


def is_computed(instance: object, name: str) -> bool:
    """Whether the attribute `name` has been computed and not forgotten."""
    return name in vars(instance)
