"""REST clients, and the delivery of events over HTTP."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from architect_rest.adapter import CircuitOpenError
    from architect_rest.answer import AnswerTooLargeError
    from architect_rest.client import RestClient
    from architect_rest.limits import DeadlineError
    from architect_rest.origin import ForeignOriginError, PathParameterError
    from architect_rest.serving import AsgiDeadlineMiddleware, DeadlineMiddleware

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
    "AnswerTooLargeError": "answer",
    "AsgiDeadlineMiddleware": "serving",
    "CircuitOpenError": "adapter",
    "DeadlineError": "limits",
    "DeadlineMiddleware": "serving",
    "ForeignOriginError": "origin",
    "PathParameterError": "origin",
    "RestClient": "client",
}


def __getattr__(name: str) -> object:
    # requests is imported with the first client, not with the plugin
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"architect_rest.{_MODULES[name]}"), name)
    return value
