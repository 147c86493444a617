"""The variables `ARCHITECT`, `ARCHITECT_FILE` and `ARCHITECT_CURRENT_SERVICE`."""

from __future__ import annotations

from typing import ClassVar

from architect_core._base.json_text import read_json
from architect_core.contract.source import CURRENT_SERVICE_VARIABLE, FILE_VARIABLE, SERVICES_VARIABLE, Configuration
from architect_core.exceptions import ConfigError
from architect_core.schema.config import parse_services
from architect_core.sources.files import path_in, read_services
from architect_core.sources.pointers import followed
from architect_core.sources.variables import VariablesSource


class EnvironmentSource(VariablesSource):
    """`ARCHITECT`, one JSON object, or `ARCHITECT_FILE`, a file that holds it; and `ARCHITECT_CURRENT_SERVICE`."""

    name: ClassVar[str] = "environment"
    knows_current_service: ClassVar[bool] = True

    def load(self) -> Configuration:
        """Reads the variables; raises ConfigError if one is malformed or both of the first two are set."""
        environ = self.variables
        current = environ.get(CURRENT_SERVICE_VARIABLE) or None
        text, path = environ.get(SERVICES_VARIABLE), path_in(FILE_VARIABLE, environ.get(FILE_VARIABLE, ""))
        if text is not None and path:
            reason = f"both {SERVICES_VARIABLE} and {FILE_VARIABLE} are set; unset one"
            raise ConfigError("the environment", [("", reason)])
        if path:
            where = f"the file {path} ({FILE_VARIABLE})"
            services, files = read_services(path, where, environ)
            return Configuration(services, current, where, files=files)
        where = f"the environment variable {SERVICES_VARIABLE}"
        if text is None:
            return Configuration({}, current, where)
        data = read_json(text, where)
        # most have no pointer, and looking for one takes as long as parsing; "$" may be written \u0024
        entries, files = followed(data, where, environ) if "$" in text or "\\u" in text else (data, ())
        return Configuration(parse_services(entries, where), current, where, files=files)
