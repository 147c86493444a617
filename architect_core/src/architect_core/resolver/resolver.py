"""The resolver: from the name of a dependency to its client, credentials or subscribers."""

from __future__ import annotations

import os
import threading
import weakref
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from architect_core._base.names import did_you_mean, listing
from architect_core._base.root import find_root
from architect_core._base.signatures import files_in, signatures
from architect_core._runtime.once import once
from architect_core.contract.source import CURRENT_SERVICE_VARIABLE, SOURCE_VARIABLE
from architect_core.exceptions import (
    NoCurrentServiceError,
    UnknownDatastoreError,
    UnknownEventError,
    UnknownServiceError,
)
from architect_core.plugins.registry import Plugins
from architect_core.resolver.reload import Draining, Listeners, close_all, differing, replace
from architect_core.resolver.service import CurrentService, Service
from architect_core.resolver.watch import Watcher, require_seconds
from architect_core.sources.catalog import Catalog, NamedSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from architect_core._base.signatures import Signatures
    from architect_core.contract.credentials import Credentials
    from architect_core.contract.source import Source
    from architect_core.resolver.events import Notification
    from architect_core.resolver.reload import Changes
    from architect_core.sources.catalog import Found


class _Root:
    """The running service's folder, under a lock of its own: who makes a client asks for it while a reload waits."""

    def __init__(self, stated: str | os.PathLike[str] | None) -> None:
        self._stated = stated
        self._lock = threading.RLock()

    @once
    def folder(self) -> Path:
        """The one that was stated, else the one that is found."""
        return find_root() if self._stated is None else Path(self._stated).absolute()


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
            source: what is read where `config` has no entry: a source, or names of built-in sources and plugins,
                separated by commas, the first of which wins. If it is absent and `config` is given, nothing else is
                read; if both are, what the variable `ARCHITECT_SOURCE` names, else all built-in sources.
            plugins: where protocols and engines are looked up; those installed unless given.
        """
        self.services: dict[str, Service] = {}
        self._config = config
        self._source = source
        self._current_service = current_service
        self._root = _Root(root)
        self._lock = threading.RLock()
        self._reloading = threading.RLock()
        self._plugins = Plugins() if plugins is None else plugins
        self._listeners = Listeners()
        self._watcher: Watcher | None = None
        self._draining = Draining()
        self._gone: dict[str, Service] = {}  # those that a reload did not find any more
        # the files that entries name were like this when they were resolved, by name of the service or datastore
        self._files: dict[str, Signatures] = {}
        self._certificates: dict[str, Signatures] = {}
        _alive.add(self)

    def service(self, name: str) -> Service:
        """The service called `name`; the same object for the same name.

        Raises:
            ConfigError: the configuration is malformed.
            UnknownServiceError: it holds no such service; the message has the names that exist.
        """
        known = self.services.get(name) if isinstance(name, str) else None
        if known is not None:  # without the lock, which a reload holds while it reads
            return known
        with self._lock:
            if isinstance(name, str) and name in self.services:
                return self.services[name]
            found = self.catalog.service(name) if isinstance(name, str) else None
            if found is None:
                raise UnknownServiceError(name, self.catalog.names("services"))
            kind = CurrentService if name == self.current_name else Service
            self._files[name] = _files_of(found)
            self.services[name] = kind(name, found.entry, found.where, self._plugins, self._find_root)
            return self.services[name]

    def current_service(self) -> CurrentService:
        """The running service.

        Raises:
            NoCurrentServiceError: nothing says which it is, or the configuration has no entry for it.
        """
        name = self.current_name
        if name is None:
            raise NoCurrentServiceError(
                f"which service is running is not known. Set {CURRENT_SERVICE_VARIABLE} (`architect run` does), or "
                "pass current_service= to configure()"
            )
        if self.catalog.service(name) is None:
            known = self.catalog.names("services")
            raise NoCurrentServiceError(
                f"{name!r} is running and has no entry in {self.catalog.where}{did_you_mean(name, known)}; "
                f"{listing(known)}"
            )
        service = self.service(name)
        assert isinstance(service, CurrentService)  # noqa: S101 - service() makes it one
        return service

    def datastore(self, name: str) -> Credentials:
        """The credentials of the running service's datastore `name`.

        Raises:
            NoCurrentServiceError: nothing has such a datastore, and which service is running is not known.
            UnknownDatastoreError: it has no such datastore.
            ConfigError: the datastore's entry is malformed.
            NoPluginError: no installed plugin reads its engine's credentials.
        """
        known = self._credentials.get(name) if isinstance(name, str) else None
        if known is not None:
            return known
        with self._lock:
            if not isinstance(name, str) or name not in self._credentials:
                found = self.catalog.datastore(name, self.current_name) if isinstance(name, str) else None
                if found is None:
                    names = self.catalog.names("datastores", self.current_name)
                    if not names:
                        self.current_service()  # tells what is missing first
                    raise UnknownDatastoreError(name, names)
                credentials = self._credentials_of(name, found, self.current_name)
                self._certificates[name] = _certificates(credentials)
                self._credentials[name] = credentials
            return self._credentials[name]

    def notification(self, event: str) -> Notification:
        """The current service's event `event`, with its subscribers.

        Raises:
            NoCurrentServiceError: which service is running is not known.
            UnknownEventError: it has no such event.
            ConfigError: a subscriber has no entry of its own, or a malformed one.
        """
        known = self._notifications.get(event) if isinstance(event, str) else None
        if known is not None:
            return known
        with self._lock:
            if not isinstance(event, str) or event not in self._notifications:
                current = self.current_service()
                events = current.config.subscriptions
                if not isinstance(event, str) or event not in events:
                    raise UnknownEventError(event, events)
                notification = self._notification(event, self.catalog, current.name)
                assert notification is not None  # noqa: S101 - it was found
                self._notifications[event] = notification
            return self._notifications[event]

    def reload(self, *, drain: float = 30.0) -> Changes:
        """Read the configuration anew; gives the names whose values have changed.

        A service's client stays the same object where its entry did not change. Where it did, `.client` is a new one,
        and the former is closed after some time, so that calls on it can end. If anything is malformed, all stays as it
        was.

        Args:
            drain: seconds until former clients are closed; what they are still doing then may fail.

        Raises:
            ConfigError: the new configuration is malformed; the former one stays in use.
        """
        from contextlib import ExitStack

        from architect_core.resolver.reload import Changes

        require_seconds("drain", drain)
        with self._reloading:
            catalog = self._read_catalog()
            catalog.load_as(self.catalog)
            owner = self._current_service or catalog.current_service
            with self._lock, ExitStack() as undo:
                # whatever can fail comes first
                services = {**self._gone, **self.services}
                found = {name: catalog.service(name) for name in services}
                credentials = {
                    name: self._credentials_of(name, entry, owner)
                    for name in self._credentials
                    if (entry := catalog.datastore(name, owner)) is not None
                }
                events = {event: self._notification(event, catalog, owner) for event in self._notifications}
                files = {name: _files_of(entry) for name, entry in found.items() if entry is not None}
                certificates = {name: _certificates(each) for name, each in credentials.items()}
                changes = Changes(
                    frozenset(name for name, service in self.services.items() if _is_new(service, found[name]))
                    | frozenset(name for name in self._gone if found[name] is not None)
                    | differing(self._files, files),
                    differing(self._credentials, credentials) | differing(self._certificates, certificates),
                    differing(_subscriptions(self._notifications), _subscriptions(events)),
                )
                successors = {}
                for name, entry in found.items():
                    if entry is not None and name in changes.services:
                        successors[name] = services[name].successor(entry.entry, entry.where)
                        undo.callback(successors[name].close)
                undo.pop_all()  # nothing fails any more
                vars(self)["catalog"] = catalog
                self._files, self._certificates = files, certificates
                replace(self._credentials, credentials, changes.datastores)
                replace(self._notifications, events, changes.events)
                self._gone = {name: services[name] for name, entry in found.items() if entry is None}
                replace(self.services, {name: services[name] for name in successors}, {*successors, *self._gone})
            # without the lock, which a thread that makes a client may need
            self._settle(services, found, successors, drain)
        self._listeners.tell(changes)
        return changes

    def on_change(self, listener: Callable[[Changes], object]) -> Callable[[], None]:
        """Have `listener` called after a reload that changed something; gives what takes it back.

        It is called in the thread that reloads. What it raises is logged, and keeps no other from being called.
        """
        return self._listeners.add(listener)

    def watch(self, interval: float = 2.0, *, drain: float = 30.0) -> Watcher:
        """Look for changes of the files that the configuration is read from, and reload after one.

        A change that makes it malformed is logged as a warning of the logger "architect", and changes nothing.

        Args:
            interval: seconds between looks.
            drain: seconds until the clients that a change replaces are closed.
        """
        require_seconds("drain", drain)
        with self._lock:
            former = self._watcher
            watcher = Watcher(partial(self.reload, drain=drain), self._signatures, interval)
            self._watcher = watcher
        if former is not None:  # without the lock, which it may need to end
            former.stop()
        return watcher

    def stop_watching(self) -> None:
        """End what `watch()` began; nothing happens where nothing watches."""
        with self._lock:
            watcher, self._watcher = self._watcher, None
        if watcher is not None:  # without the lock, which it may need to end
            watcher.stop()

    def close(self) -> None:
        """Release the sockets of all clients; the resolver may be used again, with new ones.

        One client that cannot be closed keeps no other open; what it raised is raised when all were tried.
        """
        with self._lock:
            services = list(self.services.values())
        self.stop_watching()
        # without the lock, which a thread that makes a client may need for the root
        problems = close_all([self._draining.close, *(service.close for service in services)])
        if problems:
            raise problems[0]

    @once
    def catalog(self) -> Catalog:
        """All sources of this resolver, merged."""
        return self._read_catalog()

    @property
    def current_name(self) -> str | None:
        """The running service's name, or None where nothing says it."""
        return self._current_service or self.catalog.current_service

    def _signatures(self) -> Signatures:
        named = [*self._files.values(), *self._certificates.values()]
        return {**self.catalog.signatures(), **{file: each for files in named for file, each in files.items()}}

    @once
    def _credentials(self) -> dict[str, Credentials]:
        return {}

    @once
    def _notifications(self) -> dict[str, Notification]:
        return {}

    def _find_root(self) -> Path:
        return self._root.folder

    def _read_catalog(self) -> Catalog:
        return Catalog([*self._stated(), *self._sources()], self._lock)

    def _stated(self) -> list[NamedSource]:
        config = self._config
        if config is None:
            return []
        from architect_core.sources.mapping import MappingSource

        return [NamedSource(MappingSource.name, lambda: MappingSource(config, self._current_service))]

    def _sources(self) -> list[NamedSource]:
        source = self._source
        if source is not None and not isinstance(source, str):
            return [NamedSource(source.name or type(source).__name__, lambda: source)]
        if source is None and self._config is not None:
            return []
        from architect_core.sources.named import default_sources, sources_named

        if source is not None:
            return sources_named(source, "configure(source=...)", self._plugins)
        names = os.environ.get(SOURCE_VARIABLE)
        if names:
            return sources_named(names, f"the variable {SOURCE_VARIABLE}", self._plugins)
        return default_sources(self._plugins)

    def _credentials_of(self, name: str, found: Found, owner: str | None) -> Credentials:
        from architect_core.resolver.engine import credentials_of

        return credentials_of(name, found, owner, self._plugins, self._find_root)

    def _notification(self, event: str, catalog: Catalog, owner: str | None) -> Notification | None:
        """An event of the service `owner`, or None where it has no such event."""
        from architect_core.resolver.events import Notification, subscriptions_of

        found = catalog.service(owner) if owner is not None else None
        if found is None or event not in found.entry.subscriptions:
            return None
        assert owner is not None  # noqa: S101 - it was found
        subscribers = found.entry.subscriptions[event]
        return Notification(
            event, subscriptions_of(event, subscribers, owner, catalog.services, found.where), self._plugins
        )

    def _settle(
        self,
        services: Mapping[str, Service],
        found: Mapping[str, Found | None],
        successors: Mapping[str, Service],
        drain: float,
    ) -> None:
        """Give each service its new entry, and let former clients end."""
        closers: list[Callable[[], None]] = []
        for name, entry in found.items():
            if entry is None:
                closers += services[name].leave(lambda: self.catalog.names("services"))
            elif name in successors:
                closers += services[name].move(successors[name])
            else:
                services[name].settle(entry.entry, entry.where)
        if closers:
            self._draining.add(closers, drain)

    def _after_fork_in_child(self) -> None:
        self._lock = threading.RLock()  # another thread of the parent may have held it
        self._reloading = threading.RLock()
        self._root._lock = threading.RLock()  # noqa: SLF001 - the resolver's own
        if "catalog" in vars(self):
            self.catalog.use_lock(self._lock)
        self._plugins._after_fork_in_child()  # noqa: SLF001 - the resolver's own
        for service in (*self.services.values(), *self._gone.values()):
            service._after_fork_in_child()  # noqa: SLF001 - a service is the resolver's own
        self._draining = Draining()  # the parent closes what its own has
        former = self._watcher
        if former is not None and not former.is_stopped:
            self._watcher = former.again()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.services)} services resolved)"


def _is_new(service: Service, found: Found | None) -> bool:
    """Whether a service's entry is another than the one that its client was made of."""
    return found is None or not service.is_at(found.entry)


def _files_of(found: Found) -> Signatures:
    return signatures(files_in(found.entry.options))


def _certificates(credentials: Credentials) -> Signatures:
    options = credentials.options
    named = (Path(options[key]).absolute() for key in ("ca", "certificate", "key") if isinstance(options.get(key), str))
    return signatures(files_in(options, *named))


def _subscriptions(notifications: Mapping[str, Notification | None]) -> dict[str, object]:
    return {event: each and each.subscriptions for event, each in notifications.items()}


_alive: weakref.WeakSet[Resolver] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for resolver in list(_alive):
        resolver._after_fork_in_child()  # noqa: SLF001


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
