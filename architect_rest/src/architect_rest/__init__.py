"""REST clients, and the delivery of events over HTTP."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

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

__all__ = [
    "AnswerTooLargeError",
    "AsgiDeadlineMiddleware",
    "CircuitOpenError",
    "DeadlineError",
    "DeadlineMiddleware",
    "ForeignOriginError",
    "PathParameterError",
    "RestClient",
]

_MODULES = {
    "AnswerTooLargeError": "sync.errors",
    "AsgiDeadlineMiddleware": "serving",
    "CircuitOpenError": "sync.errors",
    "DeadlineError": "sync.errors",
    "DeadlineMiddleware": "serving",
    "ForeignOriginError": "sync.errors",
    "PathParameterError": "sync.errors",
    "RestClient": "sync.client",
}


def __getattr__(name: str) -> object:
    # requests is imported with the first client, not with the plugin
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"architect_rest.{_MODULES[name]}"), name)
    return value
