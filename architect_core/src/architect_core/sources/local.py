"""A file for development, beside the service's `architect.json`, that only a variable turns on."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from architect_core._base.root import search_root
from architect_core.contract.source import Configuration, Source
from architect_core.exceptions import ConfigError
from architect_core.sources.files import path_in, read_services

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "ARCHITECT_LOCAL"
FILES = ("architect.local.json", "architect.local.toml")
_OFF = {"", "0", "false", "no", "off"}
_ON = {"1", "true", "yes", "on"}


@dataclass(frozen=True)
class LocalSource(Source):
    """`architect.local.json` or `architect.local.toml` in the service's folder, where `ARCHITECT_LOCAL=1` is set.

    `ARCHITECT_LOCAL` may also name the file. A release that does not set it never reads one, even if it was packed by
    accident, and every other source wins over it.

    Attributes:
        environ: where the variable is looked up; the process's environment unless given.
    """

    knows_current_service: ClassVar[bool] = False
    environ: Mapping[str, str] | None = field(default=None, repr=False)

    def load(self) -> Configuration:
        """Read it.

        Raises:
            ConfigError: it is asked for and is not there, or is malformed.
        """
        environ = os.environ if self.environ is None else self.environ
        wanted = environ.get(VARIABLE, "")
        if wanted.lower() in _OFF:
            return Configuration({}, None, f"the local file ({VARIABLE} is not set)")
        path = _found() if wanted.lower() in _ON else path_in(VARIABLE, wanted)
        if path is None:
            raise ConfigError(
                f"the environment variable {VARIABLE}",
                [("", f"asks for {' or '.join(FILES)}, which is neither in the service's folder nor here")],
            )
        where = f"the local file {path}"
        services, files = read_services(path, where, environ)
        return Configuration(services, None, where, files=files)


def _found() -> str | None:
    folders = dict.fromkeys(folder for folder in (search_root(), Path.cwd()) if folder is not None)
    return next((str(folder / name) for folder in folders for name in FILES if (folder / name).is_file()), None)
