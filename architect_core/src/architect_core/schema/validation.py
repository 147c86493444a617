"""Validation by pydantic, with errors that name the path of every wrong field and never repeat a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from architect_core._base.json_text import dotted
from architect_core._base.names import did_you_mean
from architect_core.exceptions import ConfigError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Model = TypeVar("Model", bound=BaseModel)
Value = TypeVar("Value")

_MAX_PROBLEMS = 20
# instead of pydantic's words, which are Python's and may name a class
_TYPES = {
    "model_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "list_type": "must be a JSON array",
    "string_type": "must be text",
}


def validate(
    model: type[Model], data: object, where: str, path: str = "", *, error: type[ConfigError] = ConfigError
) -> Model:
    """Make a `model` from `data`, or raise an `error` that names the path of every wrong field.

    `where` and `path` are what `data` was read from and its path there, for the message.
    """
    try:
        return model.model_validate(data)
    except ValidationError as problem:
        problems = _problems(problem, path, _field_names(model))
    raise error(where, problems)


def validate_all(adapter: TypeAdapter[Value], data: object, where: str) -> Value:
    """The same for a pydantic TypeAdapter whose models keep unknown keys."""
    try:
        return adapter.validate_python(data)
    except ValidationError as problem:
        problems = _problems(problem, "", set())
    raise ConfigError(where, problems)


def _problems(problem: ValidationError, path: str, known_fields: set[str]) -> list[tuple[str, str]]:
    # include_input=False: an input may be a secret
    errors = problem.errors(include_input=False, include_url=False, include_context=False)
    problems = [
        (dotted(path, found["loc"]), _reason(found["type"], found["loc"], found["msg"], known_fields))
        for found in errors[:_MAX_PROBLEMS]
    ]
    if len(errors) > _MAX_PROBLEMS:
        problems.append(("", f"and {len(errors) - _MAX_PROBLEMS} more problems"))
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
