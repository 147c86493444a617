"""Strict reading of JSON, and errors that hold no secret."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, ParamSpec, TypeVar

from architect_core.exceptions import ConfigError

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")

# a key may hold a secret; a message repeats it only if it looks like a name
_SHOWABLE = re.compile(r"[A-Za-z0-9_$<>][A-Za-z0-9_./$<>-]{0,79}", re.ASCII)
# what pydantic, and the tags of our unions, add to the path of a value
MARKS = frozenset({"[key]", "[text]", "[reference]"})
_SURROGATE = re.compile("[\ud800-\udfff]")
_TYPES = {list: "an array", str: "text", bool: "true or false", int: "a number", float: "a number", type(None): "null"}


def read_json(text: str | bytes, where: str, *, error: type[ConfigError] = ConfigError) -> Any:
    """Parses JSON (RFC 8259) strictly: a duplicate key, NaN and a number that is too large are errors.

    The message of the error has the line and column, and never a part of the text.
    """
    try:
        # in the environment, bytes that are not UTF-8 are lone surrogates
        raw = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        decoded = raw.decode("utf-8-sig")
        if decoded.strip():
            return json.loads(
                decoded, object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_float=_finite
            )
        reason = "is empty"
    except UnicodeDecodeError as problem:
        reason = f"is not UTF-8 (at byte {problem.start})"
    except UnicodeEncodeError:
        reason = "is not text"
    except json.JSONDecodeError as problem:
        reason = f"is not JSON: {problem.msg} at line {problem.lineno}, column {problem.colno}"
    except RecursionError:
        reason = "is nested too deeply"
    except _RejectedJSONError as problem:
        reason = str(problem)
    except ValueError:  # an integer with more digits than Python converts
        reason = "holds a number that is too large"
    # raised here and not above: a JSONDecodeError in __context__ carries the whole text
    raise error(where, [("", reason)])


class _RejectedJSONError(Exception):
    pass


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise _RejectedJSONError(f"has the key {showable(twice)!r} twice in one object")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _RejectedJSONError("holds a number that is too large")
    return number


def _no_constant(name: str) -> NoReturn:
    raise _RejectedJSONError(f"holds {name}, which is not JSON")


def require_object(
    data: object, where: str, path: str = "", *, error: type[ConfigError] = ConfigError
) -> Mapping[str, Any]:
    """Returns `data` if it is a JSON object, otherwise raises `error`."""
    if not isinstance(data, dict):
        found = _TYPES.get(type(data), f"a Python {type(data).__name__}")
        raise error(where, [(path, f"must be a JSON object, not {found}")])
    return data


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


def dotted(path: str, loc: Iterable[int | str]) -> str:
    """Returns a path with the parts of `loc`: "acme/checkout.port", or "dependencies[2]" for an item of a list."""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part not in MARKS:
            path += f".{showable(part)}" if path else showable(part)
    return path


def as_written(path: str, keys: Mapping[str, str]) -> str:
    """Returns the path with its start replaced by the key that it was read from, if `keys` has one.

    >>> as_written("url.sslmode", {"url": "credentials.uri"}), as_written("url.sslmode", {"url": ""})
    ('credentials.uri.sslmode', 'sslmode')
    """
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        start = ".".join(parts[:length])
        if start in keys:
            return ".".join(part for part in (keys[start], *parts[length:]) if part)
    return path


def showable(key: str) -> str:
    """Returns `key` if it looks like a name, otherwise a placeholder."""
    return key if _SHOWABLE.fullmatch(key) else "<key that is no name>"


def is_text(value: str) -> bool:
    """Returns whether UTF-8 can encode `value`, which it cannot if there is a lone surrogate."""
    return _SURROGATE.search(value) is None
