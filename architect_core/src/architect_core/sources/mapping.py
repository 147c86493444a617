"""A configuration in code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from architect_core.contract.source import Configuration, Source
from architect_core.schema.config import parse_services
from architect_core.sources.pointers import followed


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
        where = "the configuration given in code"
        services = dict(self.services) if isinstance(self.services, Mapping) else self.services
        entries, files = followed(services, where)
        return Configuration(parse_services(entries, where), self.current_service, where, files=files)

    def __repr__(self) -> str:
        count = len(self.services) if isinstance(self.services, Mapping) else "malformed"
        return f"{type(self).__name__}({count} services)"
