"""A configuration in a JSON or TOML file, structured like `ARCHITECT`."""

from __future__ import annotations

from datetime import date, time
from math import isfinite
from typing import TYPE_CHECKING, Any

from architect_core._base.files import read_file
from architect_core._base.json_text import dotted, read_json
from architect_core.exceptions import ConfigError
from architect_core.schema.config import parse_services
from architect_core.sources.pointers import DEEPEST, followed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from architect_core.schema.config import ServiceConfig

_MAX_MIB = 16


def read_services(
    path: str, where: str, environ: Mapping[str, str] | None = None
) -> tuple[dict[str, ServiceConfig], tuple[str, ...]]:
    """Returns the checked services of a file, and the files that were read: itself and those it points to.

    Args:
        path: the file; TOML if its name ends with ".toml", else JSON.
        where: what error messages call it.
        environ: the environment variables that values may point to; those of the process by default.

    Raises:
        ConfigError: the file cannot be read, or is malformed.
    """
    content, reason = read_file(path, _MAX_MIB)
    if reason:
        raise ConfigError(where, [("", reason)])
    data = _read_toml(content, where) if path.endswith(".toml") else read_json(content, where)
    entries, files = followed(data, where, environ)
    return parse_services(entries, where), (path, *files)


def path_in(variable: str, value: str) -> str:
    """Returns the path that a variable holds.

    Raises:
        ConfigError: it holds a configuration instead; messages would show it, secrets included, as a path.
    """
    if value.lstrip().startswith(("{", "[")) or "\n" in value:
        reason = "must name a file, but holds something else; a configuration itself goes into ARCHITECT"
        raise ConfigError(f"the environment variable {variable}", [("", reason)])
    return value


def _read_toml(content: bytes, where: str) -> Any:
    import tomllib

    reason = ""
    try:
        data = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as problem:
        reason = f"is not UTF-8 (at byte {problem.start})"
    except (ValueError, RecursionError) as problem:
        # a TOMLDecodeError's text may quote the content, so only the position at its end is shown; others have none
        position = str(problem).rpartition("(")[2].rstrip(")")
        reason = f"is not TOML: {position}" if position.startswith("at ") else "is not TOML"
    problems = [("", reason)] if reason else list(_not_representable(data, ()))
    if problems:
        raise ConfigError(where, problems)
    return data


def _not_representable(value: object, path: tuple[int | str, ...]) -> Iterator[tuple[str, str]]:
    """Yields the path of every value that JSON cannot represent, with the reason."""
    if len(path) > DEEPEST:
        yield dotted("", path), "is nested too deeply"
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _not_representable(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _not_representable(each, (*path, index))
    elif isinstance(value, date | time):  # a datetime is a date
        yield dotted("", path), "is a date or a time, which JSON does not have; write it as text, in quotes"
    elif isinstance(value, float) and not isfinite(value):
        yield dotted("", path), "must be a finite number"
