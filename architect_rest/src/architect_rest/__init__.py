"""REST clients, and the delivery of events over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from architect_rest.client import RestClient
    from architect_rest.origin import ForeignOriginError, PathParameterError

__all__ = ["ForeignOriginError", "PathParameterError", "RestClient"]


def __getattr__(name: str) -> object:
    # requests is imported with the first client, not with the plugin
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from architect_rest import client, origin

    value: object = getattr(client if name == "RestClient" else origin, name)
    return value
