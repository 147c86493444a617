"""Where the configuration comes from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from architect_core.config import ServiceConfig, parse_services
from architect_core.validation import read_json

if TYPE_CHECKING:
    from collections.abc import MutableMapping

SERVICES_VARIABLE = "ARCHITECT"
CURRENT_SERVICE_VARIABLE = "ARCHITECT_CURRENT_SERVICE"


@dataclass(frozen=True)
class Configuration:
    """What a source holds.

    Attributes:
        services: service name -> its checked entry.
        current_service: the name of the running service, or None where nothing names it.
        where: what was read, for error messages: "the environment variable ARCHITECT".
    """

    services: Mapping[str, ServiceConfig]
    current_service: str | None
    where: str


class Source(Protocol):
    """Something that a configuration can be read from."""

    def load(self) -> Configuration:
        """Read it now. Raises ConfigError if it is malformed."""


@dataclass(frozen=True)
class EnvironmentSource:
    """The variables `ARCHITECT`, one JSON object, and `ARCHITECT_CURRENT_SERVICE`.

    Attributes:
        environ: where they are looked up; the process's environment unless given.
    """

    environ: Mapping[str, str] | MutableMapping[str, str] | None = None

    def load(self) -> Configuration:
        """Read both; `ARCHITECT` may be absent, which means that no service is configured."""
        environ = os.environ if self.environ is None else self.environ
        where = f"the environment variable {SERVICES_VARIABLE}"
        text = environ.get(SERVICES_VARIABLE)
        services = {} if text is None else parse_services(read_json(text, where), where)
        return Configuration(services, environ.get(CURRENT_SERVICE_VARIABLE) or None, where)


@dataclass(frozen=True)
class MappingSource:
    """A configuration that the program states itself, in the shape of `ARCHITECT`."""

    services: Mapping[str, object]
    current_service: str | None = None

    def load(self) -> Configuration:
        """Check it."""
        where = "the configuration given in code"
        services = dict(self.services) if isinstance(self.services, Mapping) else self.services
        return Configuration(parse_services(services, where), self.current_service, where)
