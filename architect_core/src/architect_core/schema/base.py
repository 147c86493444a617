"""The two bases of the schemas, and validation whose errors have the path of a wrong field and never its value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from architect_core._base.json_text import dotted, showable
from architect_core._base.names import did_you_mean
from architect_core.exceptions import ConfigError

Model = TypeVar("Model", bound=BaseModel)

_MAX_PROBLEMS = 20
# replace pydantic's messages, which use Python's terms and may name a class
_REASONS = {
    "missing": "is missing",
    "model_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "list_type": "must be a JSON array",
    "string_type": "must be text",
}


class Strict(BaseModel):
    """A frozen model: an unknown key is an error, and no error repeats the input."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


class _Masked:
    def __repr__(self) -> str:
        return "***"


class Config(Mapping[str, Any], BaseModel):
    """A frozen model that is also a mapping, as in architect.sdk 0.2.1: `config["port"]`, `dict(config)`.

    The mapping has the configured keys, unknown ones included, and no defaults. A repr shows no value that may be a
    secret.
    """

    # defer_build: the models are built together for the first configuration, not one by one on import
    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True, defer_build=True)

    # keys whose values a repr shows, because they are no secrets
    _SHOWN: ClassVar = frozenset({"port", "api", "type"})

    def __repr_args__(self) -> list[tuple[str, object]]:
        # used by repr, str, rich and devtools; a key that does not look like a name may be a misplaced secret
        return [(showable(key), value if key in self._SHOWN else _Masked()) for key, value in self.items()]

    def _configured(self) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}
        return fields | (self.__pydantic_extra__ or {})

    def __getitem__(self, key: str) -> Any:
        return self._configured()[key]

    def __iter__(self) -> Iterator[str]:  # type: ignore[override] # a mapping's iterator, not pydantic's pairs
        return iter(self._configured())

    def __len__(self) -> int:
        return len(self._configured())

    def __bool__(self) -> bool:
        return True  # even without keys, as any other model


def validate(
    model: type[Model],
    data: object,
    where: str,
    path: str = "",
    *,
    error: type[ConfigError] = ConfigError,
    written: Callable[[str], str] = str,
) -> Model:
    """Make a `model` from `data`, or raise an `error` that names the path of every wrong field.

    For the message, `where` is what `data` was read from, `path` is its path there, and `written` returns the path to
    show, for fields that were read from keys with other names.
    """
    try:
        return model.model_validate(data)
    except ValidationError as problem:
        # include_input=False: an input may be a secret
        errors = problem.errors(include_input=False, include_url=False, include_context=False)
    known = _field_names(model)
    problems = [(written(dotted(path, each["loc"])), _reason(each, known)) for each in errors[:_MAX_PROBLEMS]]
    if len(errors) > _MAX_PROBLEMS:
        problems.append(("", f"and {len(errors) - _MAX_PROBLEMS} more problems"))
    raise error(where, problems)


def _reason(found: ErrorDetails, known_fields: set[str]) -> str:
    if found["type"] == "extra_forbidden":
        return f"unknown key{did_you_mean(found['loc'][-1], known_fields)}"
    message = found["msg"].removeprefix("Value error, ") or "is invalid"
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
