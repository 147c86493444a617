"""The resolver: from the name of a dependency to its client, credentials or subscribers."""

from __future__ import annotations

import os
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from architect_core.exceptions import (
    NoCurrentServiceError,
    UnknownDatastoreError,
    UnknownEventError,
    UnknownServiceError,
)
from architect_core.lazy import once
from architect_core.names import did_you_mean, listing
from architect_core.notification import Notification, subscriptions_of
from architect_core.plugins import Plugins
from architect_core.root import find_root
from architect_core.service import CurrentService, Service
from architect_core.sources import (
    CURRENT_SERVICE_VARIABLE,
    SOURCE_VARIABLE,
    EnvironmentSource,
    MappingSource,
    PluginSource,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.datastore import Credentials
    from architect_core.sources import Configuration, Source


class Resolver:
    """Finds dependencies by name. `architect.service` and its like ask one that the module keeps.

    >>> resolver = Resolver({"acme/billing": {"host": "http://billing", "port": 8080, "api": "rest"}})
    >>> resolver.service("acme/billing")
    Service('acme/billing', api='rest')

    Attributes:
        services: what was resolved so far, name -> `Service`; a name's first look-up adds to it.
    """

    def __init__(
        self,
        config: Mapping[str, object] | None = None,
        *,
        current_service: str | None = None,
        root: str | os.PathLike[str] | None = None,
        source: Source | str | None = None,
        plugins: Plugins | None = None,
    ) -> None:
        """Make a resolver; nothing is read before the first question.

        Args:
            config: service name -> entry, in the shape of the variable `ARCHITECT`.
            current_service: the running service's name.
            root: the running service's own folder; looked for where it is not given.
            source: what to read instead of `config`, or the name of the plugin that reads it. If both are absent, the
                one that the variable `ARCHITECT_SOURCE` names, else the environment.
            plugins: where protocols and engines are looked up; those installed unless given.
        """
        self.services: dict[str, Service] = {}
        self._source = MappingSource(config, current_service) if source is None and config is not None else source
        self._current_service = current_service
        self._root = root
        self._lock = threading.RLock()
        self._plugins = Plugins() if plugins is None else plugins
        _alive.add(self)

    def service(self, name: str) -> Service:
        """The service called `name`; the same object for the same name.

        Raises:
            ConfigError: the configuration is malformed.
            UnknownServiceError: it holds no such service; the message has the names that exist.
        """
        if isinstance(name, str) and name in self.services:
            return self.services[name]
        with self._lock:
            configuration = self._configuration
            if not isinstance(name, str) or name not in configuration.services:
                raise UnknownServiceError(name, configuration.services)
            if name not in self.services:
                kind = CurrentService if name == self._current_name else Service
                config = configuration.services[name]
                self.services[name] = kind(name, config, configuration.where, self._plugins, self._find_root)
            return self.services[name]

    def current_service(self) -> CurrentService:
        """The running service.

        Raises:
            NoCurrentServiceError: nothing says which it is, or the configuration has no entry for it.
        """
        name = self._current_name
        if name is None:
            raise NoCurrentServiceError(
                f"which service is running is not known. Set {CURRENT_SERVICE_VARIABLE} (`architect run` does), or "
                "pass current_service= to configure()"
            )
        known = sorted(self._configuration.services)
        if name not in known:
            raise NoCurrentServiceError(
                f"{name!r} is running and has no entry in {self._configuration.where}{did_you_mean(name, known)}; "
                f"{listing(known)}"
            )
        service = self.service(name)
        assert isinstance(service, CurrentService)  # noqa: S101 - service() makes it one
        return service

    def datastore(self, name: str) -> Credentials:
        """The credentials of the current service's datastore `name`.

        Raises:
            NoCurrentServiceError: which service is running is not known.
            UnknownDatastoreError: it has no such datastore.
            ConfigError: the datastore's entry is malformed.
            NoPluginError: no installed plugin reads its engine's credentials.
        """
        from architect_core.engine import credentials_of

        with self._lock:
            if not isinstance(name, str) or name not in self._credentials:
                current = self.current_service()
                if not isinstance(name, str) or name not in current.config.datastores:
                    raise UnknownDatastoreError(name, current.config.datastores)
                self._credentials[name] = credentials_of(
                    name, current, self._configuration.where, self._plugins, self._find_root
                )
            return self._credentials[name]

    def notification(self, event: str) -> Notification:
        """The current service's event `event`, with its subscribers.

        Raises:
            NoCurrentServiceError: which service is running is not known.
            UnknownEventError: it has no such event.
            ConfigError: a subscriber has no entry of its own, or a malformed one.
        """
        with self._lock:
            if not isinstance(event, str) or event not in self._notifications:
                current = self.current_service()
                events = current.config.subscriptions
                if not isinstance(event, str) or event not in events:
                    raise UnknownEventError(event, events)
                configuration = self._configuration
                subscriptions = subscriptions_of(
                    event, events[event], current.name, configuration.services, configuration.where
                )
                self._notifications[event] = Notification(event, subscriptions, self._plugins)
            return self._notifications[event]

    def close(self) -> None:
        """Release the sockets of all clients; the resolver may be used again, with new ones.

        One client that cannot be closed keeps no other open; what it raised is raised when all were tried.
        """
        with self._lock:
            services = list(self.services.values())
        problems = []
        for service in services:  # without the lock, which a thread that makes a client may need for the root
            try:
                service.close()
            except Exception as problem:  # noqa: BLE001 - raised below
                problems.append(problem)
        if problems:
            raise problems[0]

    @once
    def _configuration(self) -> Configuration:
        source, asked_by = self._source, "configure(source=...)"
        if source is None:
            source, asked_by = os.environ.get(SOURCE_VARIABLE) or EnvironmentSource(), f"the variable {SOURCE_VARIABLE}"
        if isinstance(source, str):
            source = PluginSource(source, asked_by, self._plugins)
        return source.load()

    @once
    def _credentials(self) -> dict[str, Credentials]:
        return {}

    @once
    def _notifications(self) -> dict[str, Notification]:
        return {}

    @property
    def _current_name(self) -> str | None:
        return self._current_service or self._configuration.current_service

    @once
    def _found_root(self) -> Path:
        return Path(self._root).absolute() if self._root is not None else find_root()

    def _find_root(self) -> Path:
        return self._found_root

    def _after_fork_in_child(self) -> None:
        self._lock = threading.RLock()  # another thread of the parent may have held it
        self._plugins._after_fork_in_child()  # noqa: SLF001 - the resolver's own
        for service in self.services.values():
            service._after_fork_in_child()  # noqa: SLF001 - a service is the resolver's own

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.services)} services resolved)"


_alive: weakref.WeakSet[Resolver] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for resolver in list(_alive):
        resolver._after_fork_in_child()  # noqa: SLF001


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
