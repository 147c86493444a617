"""A file for development, in the folder of `architect.json`, that is read only if `ARCHITECT_LOCAL` is set."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from architect_core._base.root import search_root
from architect_core.contract.source import Configuration
from architect_core.exceptions import ConfigError
from architect_core.sources.files import path_in, read_services
from architect_core.sources.variables import VariablesSource

VARIABLE = "ARCHITECT_LOCAL"
FILES = ("architect.local.json", "architect.local.toml")
_OFF = {"", "0", "false", "no", "off"}
_ON = {"1", "true", "yes", "on"}


class LocalSource(VariablesSource):
    """`architect.local.json` or `architect.local.toml` in the service's folder, if `ARCHITECT_LOCAL=1` is set.

    `ARCHITECT_LOCAL` may also name the file. Without it, no file is read, even if one was released by accident.
    """

    name: ClassVar[str] = "local"

    def load(self) -> Configuration:
        """Reads the file; raises ConfigError if the variable is set and the file is missing or malformed."""
        wanted = self.variables.get(VARIABLE, "")
        if wanted.lower() in _OFF:
            return Configuration({}, None, f"the local file ({VARIABLE} is not set)")
        path = _found() if wanted.lower() in _ON else path_in(VARIABLE, wanted)
        if path is None:
            reason = f"asks for {' or '.join(FILES)}, which is neither in the service's folder nor here"
            raise ConfigError(f"the environment variable {VARIABLE}", [("", reason)])
        where = f"the local file {path}"
        services, files = read_services(path, where, self.variables)
        return Configuration(services, None, where, files=files)


def _found() -> str | None:
    folders = dict.fromkeys(folder for folder in (search_root(), Path.cwd()) if folder is not None)
    return next((str(folder / name) for folder in folders for name in FILES if (folder / name).is_file()), None)
