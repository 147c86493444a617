"""Where the configuration comes from."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from architect_core.config import ServiceConfig, parse_services
from architect_core.exceptions import PluginError
from architect_core.validation import read_json

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from architect_core.plugins import Plugins

SOURCE_VARIABLE = "ARCHITECT_SOURCE"
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


class Source(ABC):
    """Something that a configuration can be read from."""

    @abstractmethod
    def load(self) -> Configuration:
        """Read it now; what holds nothing is an empty configuration.

        Raises:
            ConfigError: it is malformed; the message names the path of every wrong field, and no value.
        """


@dataclass(frozen=True)
class EnvironmentSource(Source):
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
class MappingSource(Source):
    """A configuration that the program states itself, in the shape of `ARCHITECT`."""

    services: Mapping[str, object]
    current_service: str | None = None

    def load(self) -> Configuration:
        """Check it."""
        where = "the configuration given in code"
        services = dict(self.services) if isinstance(self.services, Mapping) else self.services
        return Configuration(parse_services(services, where), self.current_service, where)


@dataclass(frozen=True)
class PluginSource(Source):
    """A source that a plugin provides, by the plugin's name.

    Attributes:
        name: the plugin's name.
        asked_by: who asked for it, for error messages.
        plugins: where it is looked up.
    """

    name: str
    asked_by: str
    plugins: Plugins

    def load(self) -> Configuration:
        """Load the plugin, and what its source holds.

        Raises:
            NoPluginError: no installed plugin has the name.
            PluginError: the plugin is broken, or has no source.
            ConfigError: what the source holds is malformed.
        """
        source = self.plugins.get(Source, self.name, self.asked_by)
        with self.plugins.blamed(self.name, self.asked_by):
            configuration: object = source.load()
        if not isinstance(configuration, Configuration):
            raise PluginError(
                f"{self.asked_by}: {self.plugins.owner(self.name)} loaded a {type(configuration).__name__}, "
                "where the contract asks for a Configuration"
            )
        return configuration
