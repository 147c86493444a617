"""The environment of a run: the variables of this process, and those of a `.env` file that are not set."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv.parser import parse_stream
from dotenv.variables import parse_variables

from architect_core.exceptions import ConfigError
from architect_core.sources.pointers import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FILE = ".env"


def read_variables(folders: Sequence[Path], stated: Path | None = None) -> Mapping[str, str]:
    """Returns the environment, with the variables of the file `stated` that are not set.

    By default the file is the `.env` in the first of `folders` that has one, else the one in the working directory. As
    in Compose, a variable that is set, even to an empty text, goes before the file's, and `${NAME}` in a value is
    replaced unless the value is in single quotes. Raises ConfigError if the file cannot be read or a line is malformed.
    """
    path = stated or next((each / _FILE for each in (*folders, Path.cwd()) if (each / _FILE).is_file()), None)
    return {**({} if path is None else _read(path)), **os.environ}


def _read(path: Path) -> dict[str, str]:
    text, reason = read_text(str(path))
    if reason:
        raise ConfigError(str(path), [("", reason)])
    found: dict[str, str] = {}
    for line in parse_stream(io.StringIO(text)):
        if line.error:
            raise ConfigError(str(path), [("", f"line {line.original.line} is no NAME=value")])
        if line.key is None or line.value is None:  # a comment, or a name alone
            continue
        is_literal = line.original.string.partition("=")[2].lstrip().startswith("'")
        known = {**found, **os.environ}
        atoms = parse_variables(line.value)
        found[line.key] = line.value if is_literal else "".join(atom.resolve(known) for atom in atoms)
    return found
