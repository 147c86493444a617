"""A configuration with the structure of `ARCHITECT`, in memory or in a JSON or TOML file."""

from __future__ import annotations

from datetime import date, time
from math import isfinite
from typing import TYPE_CHECKING, Any

from architect_core._base.json_text import read_json
from architect_core._base.reading import read_file
from architect_core.contract.source import Configuration
from architect_core.exceptions import ConfigError
from architect_core.schema.config import parse_services
from architect_core.sources.pointers import DEEPEST, followed, replaced

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_MIB = 16


def checked(
    data: object, where: str, environ: Mapping[str, str], current_service: str | None = None, path: str | None = None
) -> Configuration:
    """Returns the configuration `data`, with pointers followed; raises ConfigError if it is malformed.

    Args:
        data: service name -> entry.
        where: what error messages call it.
        environ: the environment variables that values may point to.
        current_service: the running service's name.
        path: the file that `data` was read from.
    """
    entries, files = followed(data, where, environ)
    files = files if path is None else (path, *files)
    return Configuration(parse_services(entries, where), current_service, where, files=files)


def read(path: str, where: str, environ: Mapping[str, str], current_service: str | None = None) -> Configuration:
    """Returns the configuration in a file, which is TOML if its name ends with ".toml", else JSON.

    The arguments are those of `checked`. Raises ConfigError if the file cannot be read, or is malformed.
    """
    content, reason = read_file(path, _MAX_MIB)
    if reason:
        raise ConfigError(where, [("", reason)])
    data = _read_toml(content, where) if path.endswith(".toml") else read_json(content, where)
    return checked(data, where, environ, current_service, path)


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
    if reason:
        raise ConfigError(where, [("", reason)])
    return replaced(data, where, _representable)


def _representable(value: object, depth: int) -> object:
    """Returns a value that JSON can represent; raises ValueError otherwise."""
    if depth > DEEPEST:
        raise ValueError("is nested too deeply")
    if isinstance(value, date | time):  # a datetime is a date
        raise ValueError("is a date or a time, which JSON does not have; write it as text, in quotes")  # noqa: TRY004
    if isinstance(value, float) and not isfinite(value):
        raise ValueError("must be a finite number")
    return value
