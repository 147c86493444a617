"""Validation by pydantic, with errors that name the path of every wrong field and never repeat a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from architect_core._base.json_text import dotted
from architect_core._base.names import did_you_mean
from architect_core.exceptions import ConfigError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)

_MAX_PROBLEMS = 20
# instead of pydantic's words, which are Python's and may name a class
_REASONS = {
    "missing": "is missing",
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
        # include_input=False: an input may be a secret
        errors = problem.errors(include_input=False, include_url=False, include_context=False)
    known = _field_names(model)
    problems = [(dotted(path, each["loc"]), _reason(each, known)) for each in errors[:_MAX_PROBLEMS]]
    if len(errors) > _MAX_PROBLEMS:
        problems.append(("", f"and {len(errors) - _MAX_PROBLEMS} more problems"))
    raise error(where, problems)


def _reason(found: ErrorDetails, known_fields: set[str]) -> str:
    if found["type"] == "extra_forbidden":
        return f"unknown key{did_you_mean(found['loc'][-1], known_fields)}"
    message = found["msg"].removeprefix("Value error, ")
    return _REASONS.get(found["type"]) or message[0].lower() + message[1:]


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
