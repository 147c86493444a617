"""The observer of the clients' calls: one for the process, named by code or by a variable."""

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
_stated: str | None = None
_observers: dict[str, Observer] = {}


def observe(name: str | None) -> None:
    """Observe the calls of all clients that are made from now on by the observer `name`; None ends that.

    Raises:
        NoPluginError: no installed distribution has such an observer; the message says what to install.
        PluginError: its plugin is broken, or is no observer.
    """
    global _stated  # noqa: PLW0603 - one for the process
    if name is not None:
        _load(name, "observe()")
    _stated = name


def client_observer(service: str, protocol: str) -> ClientObserver | None:
    """Returns the observer for a new client, or None if observing is off.

    Raises:
        NoPluginError, PluginError: as `observe`, about the observer that the variable names.
    """
    name, asked_by = _stated, "observe()"
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
    """Calls another observer, whose errors break no call; the first of them is logged by the logger "architect"."""

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
        except Exception:  # noqa: BLE001 - whatever it raises
            if not self._has_failed:
                self._has_failed = True
                _log.warning("an observer of calls failed; its next errors are not logged", exc_info=True)


class _GuardedCall:
    """The same for the observation of one call."""

    def __init__(self, begun: BegunCall, guard: _Guarded) -> None:
        self._begun = begun
        self._guard = guard

    @property
    def headers(self) -> Mapping[str, str]:
        return self._guard.call(lambda: dict(self._begun.headers)) or {}

    def ended(self, outcome: Outcome) -> None:
        self._guard.call(self._begun.ended, outcome)
