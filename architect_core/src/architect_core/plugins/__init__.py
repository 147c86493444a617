"""Finding plugins by name, and loading each on first use."""

from architect_core.plugins.loading import Plugins

__all__ = ["Plugins"]
