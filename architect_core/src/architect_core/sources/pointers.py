"""Pointers instead of values: `{"$file": "/run/secrets/db"}`, `{"$env": "PASSWORD"}`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from architect_core._base.files import read_file
from architect_core._base.json_text import dotted, is_text
from architect_core.exceptions import ConfigError

DEEPEST = 32
_FILE, _VARIABLE = "$file", "$env"
_MAX_MIB = 1
_NO_TEXT = "has a character that is no text (a lone surrogate)"


def followed(data: object, where: str, environ: Mapping[str, str]) -> tuple[Any, tuple[str, ...]]:
    """Returns `data` with every pointer replaced by the text that it points to, and the files that were read.

    A file's last line break is not part of the value. Raises ConfigError with the path of each pointer whose target
    cannot be read.
    """
    files: dict[str, None] = {}

    def follow(value: Any, _: int) -> object:
        if not is_pointer(value):
            if isinstance(value, str) and not is_text(value):
                raise ValueError(_NO_TEXT)
            return value
        ((pointer, target),) = value.items()
        if not isinstance(target, str) or not target or "\0" in target:
            raise ValueError(f"{pointer} must name a {'file' if pointer == _FILE else 'variable'}")
        if pointer == _FILE:
            files[target] = None
            text, reason = read_text(target)
            if reason:
                raise ValueError(f"the file that it names {reason}")
            return text
        if not target.isprintable() or target not in environ:
            raise ValueError("$env names a variable that is not set")
        if not is_text(environ[target]):
            raise ValueError(f"the variable that $env names {_NO_TEXT}")
        return environ[target]

    return replaced(data, where, follow), tuple(files)


def is_pointer(value: object) -> bool:
    """Returns whether a value is a pointer."""
    return isinstance(value, dict) and len(value) == 1 and (_FILE in value or _VARIABLE in value)


def read_text(path: str) -> tuple[str, str]:
    """Returns the text of a file without its last line break, and the reason if it cannot be read."""
    content, reason = read_file(path, _MAX_MIB)
    try:
        return content.decode().removesuffix("\n").removesuffix("\r"), reason
    except UnicodeDecodeError:
        return "", "is not UTF-8"


def replaced(data: object, where: str, replace: Callable[[Any, int], object]) -> Any:
    """Returns `data` with every value, however nested, replaced by `replace(value, depth)`.

    A ValueError that `replace` raises becomes a problem of a ConfigError, with the value's path.
    """
    problems: list[tuple[str, str]] = []

    def visit(value: object, path: tuple[int | str, ...]) -> object:
        try:
            value = replace(value, len(path))
        except ValueError as problem:
            problems.append((dotted("", path), str(problem)))
            return None
        if isinstance(value, dict) and len(path) <= DEEPEST:
            return {key: visit(each, (*path, key) if isinstance(key, str) else path) for key, each in value.items()}
        if isinstance(value, list) and len(path) <= DEEPEST:
            return [visit(each, (*path, index)) for index, each in enumerate(value)]
        return value

    result = visit(data, ())
    if problems:
        raise ConfigError(where, problems)
    return result
