"""The two bases of the schemas, and validation whose errors have the path of a wrong field and never its value."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from architect_core._base.json_text import MARKS, dotted, showable
from architect_core._base.names import did_you_mean
from architect_core.exceptions import ConfigError

Model = TypeVar("Model", bound=BaseModel)
Problem = tuple[str, str]  # the path of a value, and what is wrong with it

_MAX_PROBLEMS = 20
_UNKNOWN_KEY = "extra_forbidden"
_ANY = "*"
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


class Section(Strict):
    """A part of a file that people write, in which null is the same as a key that is absent.

    Attributes:
        MEANT: keys that people write instead of others, and what to say about each.
    """

    MEANT: ClassVar[Mapping[str, str]] = {}
    _NULLS: ClassVar = frozenset[str]()  # the keys for which null has a meaning

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        unset = _keys(cls) - cls._NULLS
        return {key: value for key, value in data.items() if value is not None or key not in unset}


def empty_if_null(value: object) -> object:
    """In a mapping of sections, null is an empty section."""
    return {key: {} if each is None else each for key, each in value.items()} if isinstance(value, dict) else value


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
    unknown: list[Problem] | None = None,
) -> Model:
    """Make a `model` from `data`, or raise an `error` that names the path of every wrong field.

    For the message, `where` is what `data` was read from, `path` is its path there, and `written` returns the path to
    show, for fields that were read from keys with other names. If nothing is wrong but keys that no field has, and
    `unknown` is given, these are added to it as problems, and the model is made without them.
    """
    try:
        return model.model_validate(data)
    except ValidationError as problem:
        # include_input=False: an input may be a secret
        errors = problem.errors(include_input=False, include_url=False, include_context=False)
    problems = [(written(dotted(path, each["loc"])), _reason(each, model)) for each in errors[:_MAX_PROBLEMS]]
    if len(errors) > _MAX_PROBLEMS:
        problems.append(("", f"and {len(errors) - _MAX_PROBLEMS} more problems"))
    if unknown is None or any(each["type"] != _UNKNOWN_KEY for each in errors):
        raise error(where, problems)
    unknown += problems
    for each in errors:
        data = _without(data, [part for part in each["loc"] if part not in MARKS])
    return validate(model, data, where, path, error=error)


def _without(data: Any, loc: Sequence[int | str]) -> Any:
    """A copy of `data` without the key at a path."""
    first, *others = loc
    if isinstance(data, list):
        return [_without(each, others) if index == first else each for index, each in enumerate(data)]
    kept = {key: value for key, value in data.items() if key != first}
    return {**kept, first: _without(data[first], others)} if others else kept


def _reason(found: ErrorDetails, model: type[BaseModel]) -> str:
    if found["type"] == _UNKNOWN_KEY:
        *parents, key = found["loc"]
        return f"unknown key{_hint(model, parents, str(key))}"
    message = found["msg"].removeprefix("Value error, ") or "is invalid"
    return _REASONS.get(found["type"]) or message[0].lower() + message[1:]


def _hint(model: type[BaseModel], parents: Sequence[int | str], key: str) -> str:
    """What an unknown key may be meant to be: another key of that section, or the same one in another section."""
    sections = list(_sections(model))
    loc = [part for part in parents if part not in MARKS]
    here = next((each for path, each in sections if len(path) == len(loc) and all(map(_matches, path, loc))), model)
    if meant := getattr(here, "MEANT", {}).get(key):
        return f" ({meant})"
    paths = [".".join((*path, key)) for path, each in sections if key in _keys(each)]
    if key in paths:  # a path would be the key itself
        return " (it is a key of the top level)"
    return f" (did you mean {paths[0]!r}?)" if paths else did_you_mean(key, _keys(here))


def _matches(expected: str, part: int | str) -> bool:
    return expected in {_ANY, part}


def _keys(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _sections(
    annotation: Any, path: tuple[str, ...] = (), above: tuple[type, ...] = ()
) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
    """A model and every model in it, each with its path, in which "*" is any key or index."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation not in above:
            yield path, annotation
            for name, field in annotation.model_fields.items():
                yield from _sections(field.annotation, (*path, field.alias or name), (*above, annotation))
        return
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, Collection):
        path = (*path, _ANY)
    for each in get_args(annotation):
        yield from _sections(each, path, above)
