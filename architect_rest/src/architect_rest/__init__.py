"""REST clients, and the delivery of events over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from architect_core.lazy import load

if TYPE_CHECKING:
    from architect_rest.serving import AsgiDeadlineMiddleware, DeadlineMiddleware
    from architect_rest.sync.client import RestClient
    from architect_rest.sync.errors import (
        AnswerTooLargeError,
        CircuitOpenError,
        DeadlineError,
        ForeignOriginError,
        PathParameterError,
    )
    from architect_rest.sync.mixin import with_mixin

__all__ = [
    "AnswerTooLargeError",
    "AsgiDeadlineMiddleware",
    "CircuitOpenError",
    "DeadlineError",
    "DeadlineMiddleware",
    "ForeignOriginError",
    "PathParameterError",
    "RestClient",
    "with_mixin",
]

_HOMES = {
    **dict.fromkeys(__all__, "architect_rest.sync.errors"),
    "AsgiDeadlineMiddleware": "architect_rest.serving",
    "DeadlineMiddleware": "architect_rest.serving",
    "RestClient": "architect_rest.sync.client",
    "with_mixin": "architect_rest.sync.mixin",
}


def __getattr__(name: str) -> object:
    # requests is imported with the first client, not with the plugin
    return load(__name__, _HOMES, name)
