"""The sources that need no platform, the catalog that merges sources, and helpers for writing a source."""

from architect_core.contract.source import (
    CURRENT_SERVICE_VARIABLE,
    FILE_VARIABLE,
    SERVICES_VARIABLE,
    SOURCE_VARIABLE,
    Configuration,
    Source,
)
from architect_core.sources.environment import EnvironmentSource
from architect_core.sources.mapping import MappingSource

__all__ = [
    "CURRENT_SERVICE_VARIABLE",
    "FILE_VARIABLE",
    "SERVICES_VARIABLE",
    "SOURCE_VARIABLE",
    "Configuration",
    "EnvironmentSource",
    "MappingSource",
    "Source",
]
