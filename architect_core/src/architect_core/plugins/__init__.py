"""Finding plugins by name, and loading each on first use."""

from architect_core.plugins.registry import Plugins

__all__ = ["Plugins"]
