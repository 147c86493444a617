"""Pointers instead of values: `{"$file": "/run/secrets/db"}`, `{"$env": "PASSWORD"}`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from architect_core._base.files import read_file
from architect_core._base.json_text import dotted, is_text
from architect_core.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE, _VARIABLE = "$file", "$env"
_MAX_MIB = 1
DEEPEST = 32
_NO_TEXT = "has a character that is no text (a lone surrogate)"


def followed(data: object, where: str, environ: Mapping[str, str] | None = None) -> tuple[Any, tuple[str, ...]]:
    """Returns `data` with every pointer replaced by the text that it points to, and the files that were read.

    A file's last line break is not part of the value. `environ` is that of the process by default.

    Raises:
        ConfigError: a pointer's target cannot be read; the message has the path of each such pointer.
    """
    followed_files: list[str] = []
    problems: list[tuple[str, str]] = []
    variables = os.environ if environ is None else environ

    def follow(value: object, path: tuple[int | str, ...]) -> object:
        if len(path) > DEEPEST:
            return value  # the schema rejects it
        if isinstance(value, dict):
            if is_pointer(value):
                ((pointer, target),) = value.items()
                text, reason = _text_at(pointer, target, variables, followed_files)
                if reason:
                    problems.append((dotted("", path), reason))
                return text
            return {key: follow(each, (*path, key) if isinstance(key, str) else path) for key, each in value.items()}
        if isinstance(value, list):
            return [follow(each, (*path, index)) for index, each in enumerate(value)]
        if isinstance(value, str) and not is_text(value):
            problems.append((dotted("", path), _NO_TEXT))
        return value

    result = follow(data, ())
    if problems:
        raise ConfigError(where, problems)
    return result, tuple(dict.fromkeys(followed_files))


def is_pointer(value: object) -> bool:
    """Returns whether a value is a pointer."""
    return isinstance(value, dict) and len(value) == 1 and (_FILE in value or _VARIABLE in value)


def _text_at(pointer: str, target: object, variables: Mapping[str, str], files: list[str]) -> tuple[str, str]:
    """Returns the text that a pointer leads to, and the reason if it cannot be read."""
    if not isinstance(target, str) or not target or "\0" in target:
        return "", f"{pointer} must name a {'file' if pointer == _FILE else 'variable'}"
    if pointer == _VARIABLE:
        if not target.isprintable() or target not in variables:
            return "", "$env names a variable that is not set"
        return variables[target], "" if is_text(variables[target]) else f"the variable that $env names {_NO_TEXT}"
    files.append(target)
    text, reason = read_text(target)
    return text, reason and f"the file that it names {reason}"


def read_text(path: str) -> tuple[str, str]:
    """Returns the text of a file without its last line break, and the reason if it cannot be read."""
    content, reason = read_file(path, _MAX_MIB)
    if reason:
        return "", reason
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return "", "is not UTF-8"
    return text.removesuffix("\n").removesuffix("\r"), ""
