"""The observer of the clients' calls: one for each process, named in code or by a variable."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from architect_core.contract import ClientObserver, EventOperation, Health, Message, Observer, Outcome
from architect_core.plugins import Plugins

OBSERVER_VARIABLE = "ARCHITECT_OBSERVER"

_log = logging.getLogger("architect")
_plugins = Plugins()
_name_in_code: str | None = None


def observe(name: str | None) -> None:
    """Observe the calls of all clients that are made from now on, for metrics and traces.

        architect.observe("otel")  # of the package architect-otel; the variable ARCHITECT_OBSERVER=otel does the same

    It holds for the whole process, also after `configure` and `reset`. An error of the observer is logged and breaks no
    call.

    Args:
        name: the name of an observer's plugin; None for the one that the variable names, if any.

    Raises:
        NoPluginError: no installed plugin has this name; the message says what to install.
        PluginError: the plugin is broken, or is no observer.
    """
    global _name_in_code  # noqa: PLW0603 - one for the process
    if name is not None:
        _plugins.get(Observer, name, "observe()")
    _name_in_code = name


def client_observer(service: str, protocol: str) -> ClientObserver | None:
    """Returns the observer for a new client, or None if observing is off; raises as `observe` does."""
    name, asked_by = _name_in_code, "observe()"
    if name is None:
        name, asked_by = os.environ.get(OBSERVER_VARIABLE), f"the variable {OBSERVER_VARIABLE}"
    if not name:
        return None
    observer = _plugins.get(Observer, name, asked_by)
    try:
        return _Guarded(observer.observe(service, protocol))
    except Exception:  # noqa: BLE001 - an observer never keeps an application from its client
        _log.exception("the observer %r failed; the calls to %s are not observed", name, service)
        return None


class _Guarded(ClientObserver):
    """Forwards to an observer, or to a call that it has begun, whose errors break no call; the first is logged."""

    def __init__(self, guarded: Any, warn_once: Callable[[], None] | None = None) -> None:
        warning = "an observer of calls failed; its further errors are not logged"
        self._guarded = guarded
        self._warn_once = warn_once or cache(partial(_log.warning, warning, exc_info=True))

    @property
    def headers(self) -> Mapping[str, str]:
        return self._call(lambda: dict(self._guarded.headers)) or {}

    def ended(self, outcome: Outcome) -> None:
        self._call(self._guarded.ended, outcome)

    def made(self, client: Any) -> None:
        self._call(self._guarded.made, client)

    def watch(self, health: Health) -> None:
        self._call(self._guarded.watch, health)

    def begin(self, rpc: str) -> _Guarded | None:
        begun = self._call(self._guarded.begin, rpc)
        return None if begun is None else _Guarded(begun, self._warn_once)

    def begin_event(self, operation: EventOperation, message: Message) -> _Guarded | None:
        begun = self._call(self._guarded.begin_event, operation, message)
        return None if begun is None else _Guarded(begun, self._warn_once)

    def backlog(self, pending: int, oldest: float, dead: int) -> None:
        self._call(self._guarded.backlog, pending, oldest, dead)

    def _call(self, method: Callable[..., Any], *arguments: Any) -> Any:
        """What the method returns; None if it fails."""
        try:
            return method(*arguments)
        except Exception:  # noqa: BLE001 - no error of an observer may break a call
            self._warn_once()
