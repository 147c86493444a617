"""From the name of a dependency to its client, credentials or subscribers."""

from architect_core.resolver.resolver import Resolver

__all__ = ["Resolver"]
