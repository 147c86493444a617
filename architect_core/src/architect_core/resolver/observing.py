"""Who is told of the clients' calls: one observer for the process, which code or a variable names."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any

from architect_core.contract.observer import ClientObserver, Observer
from architect_core.plugins.registry import Plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from architect_core.contract.observer import BegunCall, Health, Outcome

OBSERVER_VARIABLE = "ARCHITECT_OBSERVER"

_log = logging.getLogger("architect")
_lock = threading.RLock()
_stated: str | None = None
_observers: dict[str, Observer] = {}


def observe(name: str | None) -> None:
    """Have the observer `name` told of the calls of all clients that are made from now on; None takes that back.

    Raises:
        NoPluginError: no installed distribution has such an observer; the message says what to install.
        PluginError: its plugin is broken, or is no observer.
    """
    global _stated  # noqa: PLW0603 - one for the process
    if name is not None:
        _load(name, "observe()")
    _stated = name


def client_observer(service: str, protocol: str) -> ClientObserver | None:
    """Who is told of a client that is about to be made, or None where nobody is to be.

    Raises:
        NoPluginError, PluginError: as `observe`, of what the variable names.
    """
    name, asked_by = _stated, "observe()"
    if name is None:
        name, asked_by = os.environ.get(OBSERVER_VARIABLE), f"the variable {OBSERVER_VARIABLE}"
    if not name:
        return None
    observer = _load(name, asked_by)
    try:
        return Harmless(observer.observe(service, protocol))
    except Exception:  # noqa: BLE001 - whatever it raises must not keep anyone from a client
        _log.exception("the observer %r failed; the calls to %s are not observed", name, service)
        return None


def _load(name: str, asked_by: str) -> Observer:
    with _lock:
        if name not in _observers:
            _observers[name] = Plugins().get(Observer, name, asked_by)
        return _observers[name]


class Harmless(ClientObserver):
    """Tells another observer, whose errors break no call: the first of them is logged by the logger "architect"."""

    def __init__(self, observer: ClientObserver) -> None:
        self._observer = observer
        self._has_failed = False

    def ended(self, outcome: Outcome) -> None:
        """As the other's."""
        self._tell(self._observer.ended, outcome)

    def made(self, client: Any) -> None:
        """As the other's."""
        self._tell(self._observer.made, client)

    def watch(self, health: Health) -> None:
        """As the other's."""
        self._tell(self._observer.watch, health)

    def begin(self, rpc: str) -> BegunCall | None:
        """As the other's; None where that fails."""
        begun = self._tell(self._observer.begin, rpc)
        return None if begun is None else _HarmlessCall(begun, self._tell)

    def _tell(self, method: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return method(*arguments)
        except Exception:  # noqa: BLE001 - whatever it raises
            if not self._has_failed:
                self._has_failed = True
                _log.warning("an observer of calls failed; this is told once for a client", exc_info=True)


class _HarmlessCall:
    """The same for what tells of one call."""

    def __init__(self, begun: BegunCall, tell: Callable[..., Any]) -> None:
        self._begun = begun
        self._tell = tell

    @property
    def headers(self) -> Mapping[str, str]:
        return self._tell(lambda: dict(self._begun.headers)) or {}

    def ended(self, outcome: Outcome) -> None:
        self._tell(self._begun.ended, outcome)


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - the module's one lock
    _lock = threading.RLock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
