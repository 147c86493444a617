"""The resolver: from the name of a dependency to its client, credentials or subscribers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

from architect_core._base.files import Signatures, find_root
from architect_core._base.names import did_you_mean, listing
from architect_core._runtime import ForkSafeLock, call_after_fork, once
from architect_core.contract import CURRENT_SERVICE_VARIABLE, Broker, Credentials, EventChannel, EventRuntime, Source
from architect_core.exceptions import (
    ArchitectError,
    NoCurrentServiceError,
    UnknownDatastoreError,
    UnknownEventError,
    UnknownServiceError,
)
from architect_core.plugins import Plugins
from architect_core.resolver.reading import Reading, StandIns
from architect_core.resolver.reload import Changes, Draining, Watcher, close_all, notify, require_seconds
from architect_core.resolver.service import Clients, CurrentService, Generation, Service, default_lock
from architect_core.sources.catalog import Catalog, Found, sources_of

if TYPE_CHECKING:
    from architect_core.resolver.events import Notification


class Resolver:
    """Finds dependencies by name. `architect.service` and its siblings share a default one.

    >>> resolver = Resolver({"acme/billing": {"host": "http://billing", "port": 8080, "api": "rest"}})
    >>> resolver.service("acme/billing")
    Service('acme/billing', api='rest')

    Attributes:
        services: the services looked up so far, by name.
    """

    def __init__(
        self,
        config: Mapping[str, object] | None = None,
        *,
        current_service: str | None = None,
        root: str | os.PathLike[str] | None = None,
        source: Source | str | None = None,
        plugins: Plugins | None = None,
        stand_ins: StandIns | None = None,
        handed_out: WeakSet[Service] | None = None,
    ) -> None:
        """Make a resolver; nothing is read before the first look-up.

        `config`, `current_service`, `root` and `source` are those of `architect.configure`. Protocols and engines are
        looked up in `plugins`, by default the installed ones; `stand_ins` replaces real dependencies in a test; every
        service that is looked up is added to `handed_out`.
        """
        self.services: dict[str, Service] = {}
        self._config = config
        self._source = source
        self._current_service = current_service
        stated_root = None if root is None else Path(root).absolute()
        self._find_root = cache(lambda: stated_root or find_root())
        self._plugins = plugins or Plugins()
        self._stand_ins = stand_ins or StandIns()
        self._handed_out: WeakSet[Service] = WeakSet() if handed_out is None else handed_out
        self._all_services: list[Service] = []  # looked up or adopted, including those no longer configured
        self._lock = ForkSafeLock()
        self._reload_lock = ForkSafeLock()
        self._listeners: dict[object, Callable[[Changes], object]] = {}
        self._draining = Draining()
        self._watcher: Watcher | None = None
        call_after_fork(self)

    def service(self, name: str) -> Service:
        """See `architect.service`."""
        try:
            return self.services[name]  # without the lock, which a reload holds while it resolves
        except (KeyError, TypeError):
            if not isinstance(name, str):
                raise self._unknown_service(name) from None
        with self._lock:
            found = self.catalog.service(name)
            if found is None and not self._stand_ins.defers_unknown():
                raise self._unknown_service(name)
            kind = CurrentService if name == self.current_name else Service
            service = next((each for each in self._all_services if each.name == name and type(each) is kind), None)
            if service is None:
                service = kind(name, self._generation(name, found))
                self._all_services.append(service)
                with default_lock:
                    self._handed_out.add(service)
            if found is not None:
                self.services[name] = service
            return service

    def current_service(self) -> CurrentService:
        """See `architect.current_service`."""
        name = self.current_name
        if name is None:
            raise NoCurrentServiceError(
                f"the running service is not known. Set {CURRENT_SERVICE_VARIABLE} (`architect run` does), or "
                "pass current_service= to configure()"
            )
        if self.catalog.service(name) is None:
            known = self.catalog.names("services")
            raise NoCurrentServiceError(
                f"the running service {name!r} has no entry in {self.catalog.where}{did_you_mean(name, known)}; "
                f"{listing(known)}"
            )
        service = self.service(name)
        assert isinstance(service, CurrentService)  # noqa: S101 - service() makes it one
        return service

    def datastore(self, name: str) -> Credentials:
        """See `architect.datastore`."""
        known = self._reading.credentials
        if isinstance(name, str) and name in known:
            return known[name]
        with self._lock:
            reading = self._reading
            credentials = reading.datastore(name) if isinstance(name, str) else None
            if credentials is None:
                names = reading.catalog.names("datastores", reading.current_name)
                if not names:
                    self.current_service()  # raises if the running service is not known, or has no entry
                raise self._stand_ins.unknown(UnknownDatastoreError(name, names))
            return credentials

    def notification(self, event: str) -> Notification:
        """See `architect.notification`."""
        known = self._reading.notifications
        if isinstance(event, str) and event in known:
            return known[event]
        with self._lock:
            reading = self._reading
            events = self.current_service().config.subscriptions
            notification = reading.notification(event) if isinstance(event, str) else None
            if notification is None:
                raise self._stand_ins.unknown(UnknownEventError(event, events))
            return notification

    @property
    def events(self) -> EventRuntime:
        """What publishes and consumes events; raises NoPluginError if architect-events is not installed."""
        return self._plugins.get(EventRuntime, "events", "events")

    def channel(self, name: str) -> EventChannel:
        """Returns the channel of a plugin such as "events.amqp"; raises NoPluginError if it is not installed."""
        return self._plugins.get(EventChannel, name, "events")

    def broker(self) -> Broker | None:
        """Returns the broker of `ARCHITECT_EVENTS`, or None if it is not set; raises ConfigError if it is malformed."""
        from architect_core.resolver.events import broker_of

        return broker_of(self._plugins, self._find_root)

    def reload(self, *, drain: float = 30.0) -> Changes:
        """See `architect.reload`. If anything fails, everything stays as it was."""
        require_seconds("drain", drain)
        with self._reload_lock:
            new = self._new_reading()
            new.catalog.load_as(self.catalog)
            with self._lock, ExitStack() as undo:
                former = self._reading
                # whatever can fail comes first, so that a failure changes nothing
                successors = self._next_generations(new, undo)
                new.resolve_as(former)
                undo.pop_all()
                changed = [each for each in successors if each.generation.clients is not successors[each].clients]
                changes = former.changes(new, frozenset(each.name for each in changed))
                self._reading = new
                self.services.clear()  # some may be gone, or another one may be the running service
            self._replace(successors, drain)  # without the lock, which a thread that makes a client may need
        notify(list(self._listeners.values()), changes)
        return changes

    def drain(self) -> None:
        """Close at once the clients that reloads have replaced; the first error is raised once all have been tried."""
        self._draining.close()

    def adopt(self, services: Iterable[Service]) -> None:
        """From now on, let this resolver resolve `services`, which another one handed out."""
        with self._lock:
            adopted = [each for each in services if each not in self._all_services]
            self._all_services += adopted
            successors = {each: self._generation(each.name, self.catalog.service(each.name)) for each in adopted}
        for each in adopted:
            each.become(successors[each])

    def on_change(self, listener: Callable[[Changes], object]) -> Callable[[], None]:
        """See `architect.on_change`."""
        from inspect import iscoroutinefunction

        if iscoroutinefunction(listener):
            raise TypeError(
                "a listener is called in the thread that reloads, and not awaited: give a plain function; "
                "asyncio.run_coroutine_threadsafe takes a coroutine to a loop"
            )
        key = object()  # a listener that is added twice is called twice, and each is removed once
        self._listeners[key] = listener

        def remove() -> None:
            self._listeners.pop(key, None)

        return remove

    def watch(self, interval: float = 2.0, *, drain: float = 30.0) -> Watcher:
        """See `architect.watch`."""
        require_seconds("drain", drain)
        with self._lock:
            former = self._watcher
            watcher = self._watcher = Watcher(partial(self.reload, drain=drain), self._signatures, interval)
        if former is not None:  # without the lock, which its thread may need before it ends
            former.stop()
        return watcher

    def stop_watching(self) -> None:
        """End what `watch()` began, if it did."""
        with self._lock:
            watcher, self._watcher = self._watcher, None
        if watcher is not None:  # without the lock, which its thread may need before it ends
            watcher.stop()

    def close(self) -> None:
        """Release the sockets of all clients; the resolver may be used again, with new ones.

        If one cannot be closed, the others still are, and then the first error is raised.
        """
        with self._lock:
            services = list(self._all_services)
        self.stop_watching()
        # without the lock, which a thread that makes a client may need
        problems = close_all([self.drain, *(service.close for service in services)])
        if problems:
            raise problems[0]

    @property
    def catalog(self) -> Catalog:
        """All sources of this resolver, merged."""
        return self._reading.catalog

    @property
    def current_name(self) -> str | None:
        """The running service's name, or None if it is not known."""
        return self._reading.current_name

    def after_fork_in_child(self) -> None:
        """Close nothing that is the parent's, and go on watching."""
        self._draining = Draining()
        self._watcher = self._watcher and self._watcher.in_forked_child()

    @once
    def _reading(self) -> Reading:
        return self._new_reading()

    def _new_reading(self) -> Reading:
        sources = sources_of(self._config, self._current_service, self._source, self._plugins)
        return Reading(Catalog(sources), self._current_service, self._plugins, self._stand_ins, self._find_root)

    def _unknown_service(self, name: object) -> ArchitectError:
        return self._stand_ins.unknown(UnknownServiceError(name, self.catalog.names("services")))

    def _generation(self, name: str, found: Found | None, former: Generation | None = None) -> Generation:
        """The generation of a service for an entry or for none; it keeps the clients of `former` if they still fit."""
        if found is None:
            return Generation(former.config if former else None, unknown=partial(self._unknown_service, name))
        double = self._stand_ins.double(name)
        clients = former.clients if former else None
        if clients is None or not clients.fit(found.entry, double):
            clients = Clients(name, found.entry, found.where, self._plugins, self._find_root, double)
        return Generation(found.entry, clients)

    def _next_generations(self, new: Reading, undo: ExitStack) -> dict[Service, Generation]:
        """The generation of every service in a new reading; clients in use are made again, and closed by `undo`."""
        successors: dict[Service, Generation] = {}
        for service in self._all_services:
            former = service.generation
            successor = self._generation(service.name, new.catalog.service(service.name), former)
            successors[service] = successor
            if former.clients and successor.clients and successor.clients is not former.clients:
                undo.callback(lambda clients: close_all(clients.closers()), successor.clients)
                successor.clients.make_as(former.clients)
        return successors

    def _replace(self, successors: Mapping[Service, Generation], drain: float) -> None:
        former = {service.generation.clients for service in successors}
        for service, successor in successors.items():
            service.become(successor)
        replaced = former - {successor.clients for successor in successors.values()}
        closers = [close for clients in replaced if clients for close in clients.closers()]
        if closers:
            self._draining.add(closers, drain)

    def _signatures(self) -> Signatures:
        reading = self._reading
        clients = [each.generation.clients for each in self._all_services]
        named = [*(each.files for each in clients if each), *reading.files.values()]
        return {**reading.catalog.signatures(), **{file: each for files in named for file, each in files.items()}}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.services)} services resolved)"
