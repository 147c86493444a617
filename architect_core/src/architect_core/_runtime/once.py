"""An attribute that is computed once for each instance, however many threads ask first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")


class once(Generic[Value]):  # noqa: N801 - a decorator, named like property
    """A method whose first result becomes a plain attribute of the instance.

    `functools.cached_property` has no lock since Python 3.12, and one lock for all instances before. Here the instance
    brings its own, a re-entrant one in `_lock`. Once computed, reading the value costs what any attribute costs.
    """

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> Value: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        values = instance.__dict__
        with instance._lock:  # noqa: SLF001 - what the class promises
            if self._name not in values:
                values[self._name] = self._compute(instance)
            return values[self._name]


def forget(instance: object, *names: str) -> None:
    """Have each attribute of `names` computed again when it is read next."""
    for name in names:
        instance.__dict__.pop(name, None)


def is_computed(instance: object, name: str) -> bool:
    """Whether the attribute `name` has been computed and not forgotten."""
    return name in instance.__dict__
