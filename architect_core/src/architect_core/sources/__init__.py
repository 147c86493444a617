"""Where the configuration comes from: one module for each place, and the catalogue that merges them."""

from __future__ import annotations

from architect_core.sources.environment import EnvironmentSource
from architect_core.sources.mapping import MappingSource
from architect_core.sources.plugin import PluginSource
from architect_core.sources.source import (
    CURRENT_SERVICE_VARIABLE,
    FILE_VARIABLE,
    SERVICES_VARIABLE,
    SOURCE_VARIABLE,
    Configuration,
    Source,
)

__all__ = [
    "CURRENT_SERVICE_VARIABLE",
    "FILE_VARIABLE",
    "SERVICES_VARIABLE",
    "SOURCE_VARIABLE",
    "Configuration",
    "EnvironmentSource",
    "MappingSource",
    "PluginSource",
    "Source",
]
