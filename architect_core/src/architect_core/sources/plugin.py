"""A source that a plugin provides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from architect_core.contract.source import Configuration, Source
from architect_core.exceptions import PluginError

if TYPE_CHECKING:
    from architect_core.plugins.registry import Plugins


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
        with self.plugins.blamed(self.name, self.asked_by, secrets=True):
            configuration: object = source.load()
        if not isinstance(configuration, Configuration):
            raise PluginError(
                f"{self.asked_by}: {self.plugins.owner(self.name)} loaded a {type(configuration).__name__}, "
                "where the contract asks for a Configuration"
            )
        return configuration
