"""The observer of the clients' calls: one for each process, named in code or by a variable."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from architect_core._runtime.fork import ForkSafeLock
from architect_core.contract.observer import ClientObserver, Observer
from architect_core.plugins.registry import Plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from architect_core.contract.observer import BegunCall, Health, Outcome

OBSERVER_VARIABLE = "ARCHITECT_OBSERVER"

_log = logging.getLogger("architect")
_lock = ForkSafeLock()
_name_in_code: str | None = None
_observers: dict[str, Observer] = {}


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
        _load(name, "observe()")
    _name_in_code = name


def client_observer(service: str, protocol: str) -> ClientObserver | None:
    """Returns the observer for a new client, or None if observing is off.

    Raises:
        NoPluginError, PluginError: as for `observe`, and for the observer that the variable names.
    """
    name, asked_by = _name_in_code, "observe()"
    if name is None:
        name, asked_by = os.environ.get(OBSERVER_VARIABLE), f"the variable {OBSERVER_VARIABLE}"
    if not name:
        return None
    observer = _load(name, asked_by)
    try:
        return _Guarded(observer.observe(service, protocol))
    except Exception:  # noqa: BLE001 - an observer never keeps an application from its client
        _log.exception("the observer %r failed; the calls to %s are not observed", name, service)
        return None


def _load(name: str, asked_by: str) -> Observer:
    with _lock:
        if name not in _observers:
            _observers[name] = Plugins().get(Observer, name, asked_by)
        return _observers[name]


class _Guarded(ClientObserver):
    """Forwards to another observer, whose errors break no call; the first is logged by the logger "architect"."""

    def __init__(self, observer: ClientObserver) -> None:
        self._observer = observer
        self._has_failed = False

    def ended(self, outcome: Outcome) -> None:
        self.call(self._observer.ended, outcome)

    def made(self, client: Any) -> None:
        self.call(self._observer.made, client)

    def watch(self, health: Health) -> None:
        self.call(self._observer.watch, health)

    def begin(self, rpc: str) -> BegunCall | None:
        begun = self.call(self._observer.begin, rpc)
        return None if begun is None else _GuardedCall(begun, self)

    def call(self, method: Callable[..., Any], *arguments: Any) -> Any:
        """What the method returns; None if it fails."""
        try:
            return method(*arguments)
        except Exception:  # noqa: BLE001 - no error of an observer may break a call
            if not self._has_failed:
                self._has_failed = True
                _log.warning("an observer of calls failed; its further errors are not logged", exc_info=True)


class _GuardedCall:
    """The observation of one call, with the same guard."""

    def __init__(self, begun: BegunCall, guard: _Guarded) -> None:
        self._begun = begun
        self._guard = guard

    @property
    def headers(self) -> Mapping[str, str]:
        return self._guard.call(lambda: dict(self._begun.headers)) or {}

    def ended(self, outcome: Outcome) -> None:
        self._guard.call(self._begun.ended, outcome)
