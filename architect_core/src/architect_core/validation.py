"""From text to checked models, with errors that say where and never repeat a value."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from architect_core.exceptions import ConfigError
from architect_core.names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import TypeAdapter

Model = TypeVar("Model", bound=BaseModel)

# A key may itself hold what nobody should see; only what looks like a name is repeated.
_SHOWABLE = re.compile(r"[A-Za-z0-9_$<>][A-Za-z0-9_./$<>-]{0,79}", re.ASCII)
_MOST_PROBLEMS = 20
# where pydantic's own words are Python's, and may name a class
_TYPES = {
    "model_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "list_type": "must be a JSON array",
    "string_type": "must be text",
}


def read_json(text: str | bytes, where: str, *, error: type[ConfigError] = ConfigError) -> Any:
    """Parse JSON (RFC 8259) strictly: a key that appears twice, NaN and a number that is too large are errors.

    Raises:
        ConfigError: with the line and column, never with a piece of the text.
    """
    reason = ""
    try:
        if isinstance(text, str):
            # the environment holds bytes that are no UTF-8 as lone surrogates
            text = text.encode("utf-8", "surrogateescape")
        decoded = text.decode("utf-8-sig")
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
    except _RefusedJSONError as problem:
        reason = str(problem)
    except ValueError:  # an integer of more digits than Python converts
        reason = "holds a number that is too large"
    # raised here and not above: a JSONDecodeError in __context__ carries the whole text
    raise error(where, [("", reason)])


class _RefusedJSONError(Exception):
    pass


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _RefusedJSONError(f"has the key {showable(twice)!r} twice in one object")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _RefusedJSONError("holds a number that is too large")
    return number


def _no_constant(name: str) -> NoReturn:
    raise _RefusedJSONError(f"holds {name}, which is not JSON")


def validate(
    model: type[Model], data: object, where: str, path: str = "", *, error: type[ConfigError] = ConfigError
) -> Model:
    """Make a `model` from `data`, or raise a ConfigError that names the path of every wrong field.

    Args:
        model: the pydantic class.
        data: what was read.
        where: what it was read from, for the message.
        path: the path of `data` inside of that.
        error: the class to raise.
    """
    try:
        return model.model_validate(data)
    except ValidationError as problem:
        problems = _problems(problem, path, _field_names(model))
    raise error(where, problems)


def validate_all(adapter: TypeAdapter[Any], data: object, where: str, known_fields: Iterable[str] = ()) -> Any:
    """The same for a pydantic TypeAdapter."""
    try:
        return adapter.validate_python(data)
    except ValidationError as problem:
        problems = _problems(problem, "", set(known_fields))
    raise ConfigError(where, problems)


def _problems(problem: ValidationError, path: str, known_fields: set[str]) -> list[tuple[str, str]]:
    # include_input=False: an input may be a secret
    errors = problem.errors(include_input=False, include_url=False, include_context=False)
    problems = [
        (dotted(path, found["loc"]), _reason(found["type"], found["loc"], found["msg"], known_fields))
        for found in errors[:_MOST_PROBLEMS]
    ]
    if len(errors) > _MOST_PROBLEMS:
        problems.append(("", f"and {len(errors) - _MOST_PROBLEMS} more problems"))
    return problems


def _reason(kind: str, loc: tuple[int | str, ...], message: str, known_fields: set[str]) -> str:
    if kind == "extra_forbidden":
        return f"unknown key{did_you_mean(loc[-1], known_fields)}"
    if kind == "missing":
        return "is missing"
    if kind in _TYPES:
        return _TYPES[kind]
    message = message.removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _field_names(model: type[BaseModel]) -> set[str]:
    """The names of the fields of `model` and of every model below it."""
    names: set[str] = set()
    pending: list[Any] = [model]
    seen: set[type] = set()
    while pending:
        annotation = pending.pop()
        pending.extend(getattr(annotation, "__args__", ()))
        if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in seen:
            seen.add(annotation)
            for name, field in annotation.model_fields.items():
                names.add(field.alias or name)
                pending.append(field.annotation)
    return names


def dotted(path: str, loc: Iterable[int | str]) -> str:
    """`acme/checkout.port`; the items of a list are counted from 0: `dependencies[2]`."""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]":
            path += f".{showable(part)}" if path else showable(part)
    return path


def showable(key: str) -> str:
    """`key` if it looks like a name, else a placeholder."""
    return key if _SHOWABLE.fullmatch(key) else "<key that is no name>"


def is_text(value: str) -> bool:
    """Whether UTF-8 can encode it, which it cannot where it has a lone surrogate."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def require_object(
    data: object, where: str, path: str = "", *, error: type[ConfigError] = ConfigError
) -> Mapping[str, Any]:
    """`data` if it is a JSON object."""
    if not isinstance(data, dict):
        raise error(where, [(path, f"must be a JSON object, not {_json_type(data)}")])
    return data


def _json_type(data: object) -> str:
    names = {
        list: "an array",
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        type(None): "null",
    }
    return names.get(type(data), f"a Python {type(data).__name__}")
