"""The sources that need no platform: environment variables, the files that these name, and a mapping in code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar

from architect_core._base.files import read_file, search_root
from architect_core._base.json_text import read_json
from architect_core.contract import CURRENT_SERVICE_VARIABLE, FILE_VARIABLE, SERVICES_VARIABLE, Configuration, Source
from architect_core.exceptions import ConfigError
from architect_core.schema import parse_services
from architect_core.sources.pointers import DEEPEST, followed, replaced

LOCAL_VARIABLE = "ARCHITECT_LOCAL"
LOCAL_FILES = ("architect.local.json", "architect.local.toml")
_MAX_MIB = 16
_OFF = {"", "0", "false", "no", "off"}
_ON = {"1", "true", "yes", "on"}


@dataclass(frozen=True)
class VariablesSource(Source):
    """A source that reads environment variables, by default those of the process; tests pass others as `environ`."""

    knows_current_service: ClassVar[bool] = False
    environ: Mapping[str, str] | None = field(default=None, repr=False)

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables to read."""
        return os.environ if self.environ is None else self.environ


class EnvironmentSource(VariablesSource):
    """`ARCHITECT`, one JSON object, or `ARCHITECT_FILE`, a file that holds it; and `ARCHITECT_CURRENT_SERVICE`."""

    name: ClassVar[str] = "environment"
    knows_current_service: ClassVar[bool] = True

    def load(self) -> Configuration:
        """Reads the variables; raises ConfigError if one is malformed or both of the first two are set."""
        environ = self.variables
        current = environ.get(CURRENT_SERVICE_VARIABLE) or None
        text, path = environ.get(SERVICES_VARIABLE), _path_in(FILE_VARIABLE, environ.get(FILE_VARIABLE, ""))
        if text is not None and path:
            reason = f"both {SERVICES_VARIABLE} and {FILE_VARIABLE} are set; unset one"
            raise ConfigError("the environment", [("", reason)])
        if path:
            return _read(path, f"the file {path} ({FILE_VARIABLE})", environ, current)
        where = f"the environment variable {SERVICES_VARIABLE}"
        if text is None:
            return Configuration({}, current, where)
        data = read_json(text, where)
        # most have no pointer, and looking for one takes as long as parsing; "$" may be written \u0024
        if "$" in text or "\\u" in text:
            return _checked(data, where, environ, current)
        return Configuration(parse_services(data, where), current, where)


class LocalSource(VariablesSource):
    """`architect.local.json` or `architect.local.toml` in the service's folder, if `ARCHITECT_LOCAL=1` is set.

    `ARCHITECT_LOCAL` may also name the file. Without it, no file is read, even if one was released by accident.
    """

    name: ClassVar[str] = "local"

    def load(self) -> Configuration:
        """Reads the file; raises ConfigError if the variable is set and the file is missing or malformed."""
        wanted = self.variables.get(LOCAL_VARIABLE, "")
        if wanted.lower() in _OFF:
            return Configuration({}, None, f"the local file ({LOCAL_VARIABLE} is not set)")
        path = _local_file() if wanted.lower() in _ON else _path_in(LOCAL_VARIABLE, wanted)
        if path is None:
            reason = f"asks for {' or '.join(LOCAL_FILES)}, which is neither in the service's folder nor here"
            raise ConfigError(f"the environment variable {LOCAL_VARIABLE}", [("", reason)])
        return _read(path, f"the local file {path}", self.variables)


@dataclass(frozen=True)
class MappingSource(Source):
    """A configuration in the shape of `ARCHITECT`.

    Attributes:
        services: service name -> entry.
        current_service: the running service's name.
    """

    name: ClassVar[str] = "configure"
    services: Mapping[str, object]
    current_service: str | None = None

    def load(self) -> Configuration:
        """Checks the entries; raises ConfigError if one is malformed."""
        services = dict(self.services) if isinstance(self.services, Mapping) else self.services
        return _checked(services, "the configuration given in code", os.environ, self.current_service)

    def __repr__(self) -> str:
        count = len(self.services) if isinstance(self.services, Mapping) else "malformed"
        return f"{type(self).__name__}({count} services)"


def _path_in(variable: str, value: str) -> str:
    """Returns the path that a variable holds; a configuration is refused, which messages would show as a path."""
    if value.lstrip().startswith(("{", "[")) or "\n" in value:
        reason = "must name a file, but holds something else; a configuration itself goes into ARCHITECT"
        raise ConfigError(f"the environment variable {variable}", [("", reason)])
    return value


def _local_file() -> str | None:
    folders = dict.fromkeys(folder for folder in (search_root(), Path.cwd()) if folder is not None)
    paths = (folder / name for folder in folders for name in LOCAL_FILES)
    return next((str(path) for path in paths if path.is_file()), None)


def _checked(
    data: object, where: str, environ: Mapping[str, str], current_service: str | None = None, path: str | None = None
) -> Configuration:
    """Returns the configuration `data`, whose values may point to variables of `environ`, read from the file `path`."""
    entries, files = followed(data, where, environ)
    files = files if path is None else (path, *files)
    return Configuration(parse_services(entries, where), current_service, where, files=files)


def _read(path: str, where: str, environ: Mapping[str, str], current_service: str | None = None) -> Configuration:
    """Returns the configuration in a file, which is TOML if its name ends with ".toml", else JSON."""
    content, reason = read_file(path, _MAX_MIB)
    if reason:
        raise ConfigError(where, [("", reason)])
    data = _read_toml(content, where) if path.endswith(".toml") else read_json(content, where)
    return _checked(data, where, environ, current_service, path)


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
