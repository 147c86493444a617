"""The variables `ARCHITECT`, `ARCHITECT_FILE` and `ARCHITECT_CURRENT_SERVICE`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from architect_core._base.json_text import read_json
from architect_core.contract.source import (
    CURRENT_SERVICE_VARIABLE,
    FILE_VARIABLE,
    SERVICES_VARIABLE,
    Configuration,
    Source,
)
from architect_core.exceptions import ConfigError
from architect_core.schema.config import parse_services
from architect_core.sources.files import path_in, read_services
from architect_core.sources.pointers import followed

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class EnvironmentSource(Source):
    """`ARCHITECT`, one JSON object, or `ARCHITECT_FILE`, a file that holds it; and `ARCHITECT_CURRENT_SERVICE`.

    Attributes:
        environ: where they are looked up; the process's environment unless given.
    """

    environ: Mapping[str, str] | None = field(default=None, repr=False)

    def load(self) -> Configuration:
        """Read them; `ARCHITECT` and `ARCHITECT_FILE` may be absent, which means that no service is configured."""
        environ = os.environ if self.environ is None else self.environ
        current = environ.get(CURRENT_SERVICE_VARIABLE) or None
        text, path = environ.get(SERVICES_VARIABLE), path_in(FILE_VARIABLE, environ.get(FILE_VARIABLE, ""))
        where = f"the environment variable {SERVICES_VARIABLE}"
        if text is None and not path:
            return Configuration({}, current, where)
        if text is not None and path:
            raise ConfigError(
                "the environment", [("", f"both {SERVICES_VARIABLE} and {FILE_VARIABLE} are set; unset one")]
            )
        if text is None and path:
            services, files = read_services(path, f"the file {path} ({FILE_VARIABLE})", environ)
            return Configuration(services, current, f"the file {path} ({FILE_VARIABLE})", files=files)
        data = read_json(text or "", where)
        # most have no pointer, and looking for one takes as long as parsing; "$" may be written \u0024
        entries, files = followed(data, where, environ) if text and ("$" in text or "\\u" in text) else (data, ())
        return Configuration(parse_services(entries, where), current, where, files=files)
