"""Raises errors that hold no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")


def raising(
    error: Callable[[str], Exception],
    function: Callable[Parameters, Result],
    *arguments: Parameters.args,
    **keywords: Parameters.kwargs,
) -> Result:
    """Returns `function(*arguments)`; a ValueError that it raises becomes `error(its text)`.

    >>> raising(KeyError, int, "secret")
    Traceback (most recent call last):
    KeyError: "invalid literal for int() with base 10: 'secret'"

    The new error has neither a cause nor a context, because a traceback would show what the ValueError holds.
    """
    try:
        return function(*arguments, **keywords)
    except ValueError as problem:
        reason = str(problem)
    raise error(reason)
