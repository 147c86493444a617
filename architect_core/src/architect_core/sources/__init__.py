"""Where the configuration comes from: one module for each place, and the catalogue that merges them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from architect_core.contract.source import (
    CURRENT_SERVICE_VARIABLE,
    FILE_VARIABLE,
    SERVICES_VARIABLE,
    SOURCE_VARIABLE,
    Configuration,
    Source,
)

if TYPE_CHECKING:
    from architect_core.sources.environment import EnvironmentSource
    from architect_core.sources.mapping import MappingSource
    from architect_core.sources.plugin import PluginSource

# where each name that is imported on first use comes from
_HOME_OF = {"EnvironmentSource": "environment", "MappingSource": "mapping", "PluginSource": "plugin"}

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


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
