"""The sources that need no platform, the catalog that merges sources, and helpers for writing a source."""

from architect_core.contract.source import Configuration, Source
from architect_core.sources.variables import EnvironmentSource, MappingSource

__all__ = ["Configuration", "EnvironmentSource", "MappingSource", "Source"]
