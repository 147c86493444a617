"""An attribute that is computed once for each instance, however many threads ask first."""

from __future__ import annotations

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Generic, Self, TypeVar, overload

    Value = TypeVar("Value")

    class once(Generic[Value]):  # noqa: N801
        """What type checkers see: a read-only attribute."""

        def __init__(self, compute: Callable[[Any], Value]) -> None: ...
        @overload
        def __get__(self, instance: None, owner: type) -> Self: ...
        @overload
        def __get__(self, instance: object, owner: type | None = None) -> Value: ...
        def __get__(self, instance: object | None, owner: type | None = None) -> Any: ...

else:

    class once:  # noqa: N801 - a decorator, named like property
        """A method whose first result becomes a plain attribute of the instance.

        `functools.cached_property` has no lock since Python 3.12, and one lock for all instances before. Here the
        instance brings its own, a re-entrant one in `_lock`. Once computed, the value lies in the instance's
        `__dict__`, and reading it costs what reading any attribute costs.
        """

        def __init__(self, compute):
            self.compute = compute
            self.name = compute.__name__
            self.__doc__ = compute.__doc__

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            values = instance.__dict__
            with instance._lock:  # noqa: SLF001 - what the class promises
                if self.name not in values:
                    values[self.name] = self.compute(instance)
                return values[self.name]
