"""Talk to other services, databases and events by name.

    import architect.sdk as architect

    architect.service("acme/billing").client.get("/invoices/7")
    architect.datastore("primary_db").username
    architect.notification("order_placed").publish({"id": 7})

Where everything is comes from the environment, such as the variables `ARCHITECT` and `ARCHITECT_CURRENT_SERVICE`, or
from `configure()`. Importing this module reads no environment and imports no protocol library.
"""

from __future__ import annotations

import _thread
import os

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from architect_core.contract.credentials import Credentials
    from architect_core.contract.events import Delivery, Subscription
    from architect_core.contract.source import Source
    from architect_core.deadline import deadline, remaining
    from architect_core.exceptions import (
        ArchitectError,
        ConfigError,
        DriverError,
        ManifestError,
        NoCurrentServiceError,
        NoEventLoopError,
        NoPluginError,
        OriginError,
        PayloadError,
        PluginError,
        RunError,
        StubError,
        UnknownDatastoreError,
        UnknownDriverError,
        UnknownEventError,
        UnknownNameError,
        UnknownServiceError,
    )
    from architect_core.resolver.aio import AioService
    from architect_core.resolver.events import Notification
    from architect_core.resolver.reload import Changes
    from architect_core.resolver.resolver import Resolver
    from architect_core.resolver.service import CurrentService, Service
    from architect_core.resolver.watch import Watcher
    from architect_core.schema.config import DatastoreConfig, Instance, ServiceConfig, SubscriptionConfig
    from architect_core.sources.environment import EnvironmentSource
    from architect_core.sources.mapping import MappingSource

# where each name that is imported on first use comes from
_HOMES = {
    "resolver.aio": ("AioService",),
    "resolver.reload": ("Changes",),
    "schema.config": ("DatastoreConfig", "Instance", "ServiceConfig", "SubscriptionConfig"),
    "contract.credentials": ("Credentials",),
    "deadline": ("deadline", "remaining"),
    "exceptions": (
        "ArchitectError",
        "ConfigError",
        "DriverError",
        "ManifestError",
        "NoCurrentServiceError",
        "NoEventLoopError",
        "NoPluginError",
        "OriginError",
        "PayloadError",
        "PluginError",
        "RunError",
        "StubError",
        "UnknownDatastoreError",
        "UnknownDriverError",
        "UnknownEventError",
        "UnknownNameError",
        "UnknownServiceError",
    ),
    "contract.events": ("Delivery", "Subscription"),
    "resolver.events": ("Notification",),
    "resolver.watch": ("Watcher",),
    "resolver.resolver": ("Resolver",),
    "resolver.service": ("CurrentService", "Service"),
    "contract.source": ("Source",),
    "sources.environment": ("EnvironmentSource",),
    "sources.mapping": ("MappingSource",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AioService",
    "ArchitectError",
    "Changes",
    "ConfigError",
    "Credentials",
    "CurrentService",
    "DatastoreConfig",
    "Delivery",
    "DriverError",
    "EnvironmentSource",
    "Instance",
    "ManifestError",
    "MappingSource",
    "NoCurrentServiceError",
    "NoEventLoopError",
    "NoPluginError",
    "Notification",
    "OriginError",
    "PayloadError",
    "PluginError",
    "Resolver",
    "RunError",
    "Service",
    "ServiceConfig",
    "Source",
    "StubError",
    "Subscription",
    "SubscriptionConfig",
    "UnknownDatastoreError",
    "UnknownDriverError",
    "UnknownEventError",
    "UnknownNameError",
    "UnknownServiceError",
    "Watcher",
    "configure",
    "current_service",
    "datastore",
    "deadline",
    "notification",
    "observe",
    "on_change",
    "reload",
    "remaining",
    "reset",
    "service",
    "watch",
]

_lock = _thread.allocate_lock()
_resolver: Resolver | None = None
_services: dict[str, Service] = {}  # the resolver's own dictionary


def service(name: str) -> Service:
    """The service called `name`: `.client` to talk to it, `.defs` for its messages, `.config` for where it is.

        architect.service("acme/billing").client.get("/invoices/7")
        await architect.service("acme/billing").aio.client.get("/invoices/7")

    The same object for the same name, whichever thread asks.

    Raises:
        ConfigError: the configuration is malformed.
        UnknownServiceError: it holds no such service; the message has the names that exist.
    """
    try:
        return _services[name]
    except (KeyError, TypeError):
        pass
    return _default().service(name)


def datastore(name: str) -> Credentials:
    """The credentials of the running service's datastore `name`, as attributes and as a mapping.

        db = architect.datastore("primary_db")
        psycopg.connect(host=db.host, port=db.port, dbname=db.name, user=db.username, password=db.password)

    Raises:
        NoCurrentServiceError: which service is running is not known.
        UnknownDatastoreError: it has no such datastore.
        ConfigError: the configuration is malformed.
        NoPluginError: no installed plugin reads this engine's credentials.
    """
    return _default().datastore(name)


def notification(event: str) -> Notification:
    """The running service's event `event`: `.publish(payload)` tells its subscribers, `.subscriptions` lists them.

    Raises:
        NoCurrentServiceError: which service is running is not known.
        UnknownEventError: it has no such event.
        ConfigError: the configuration is malformed.
    """
    return _default().notification(event)


def current_service() -> CurrentService:
    """The running service itself: for gRPC with `.Servicer` and `.add_servicer(servicer, server)`.

    Raises:
        ConfigError: the configuration is malformed.
        NoCurrentServiceError: which service is running is not known.
    """
    return _default().current_service()


def configure(
    config: Mapping[str, object] | None = None,
    *,
    current_service: str | None = None,
    root: str | os.PathLike[str] | None = None,
    source: Source | str | None = None,
) -> Resolver:
    """Say what is where, instead of leaving it to the environment; returns the resolver that this module now asks.

        architect.configure({"acme/billing": {"host": "http://localhost", "port": 8080, "api": "rest"}})

    Args:
        config: service name -> entry, in the shape of the variable `ARCHITECT`.
        current_service: the running service's name; `ARCHITECT_CURRENT_SERVICE` otherwise, unless `config` is given.
        root: the running service's own folder, which holds `architect.json` and `architect_services`.
        source: what is read where `config` has no entry: a source, or names of built-in sources and plugins, separated
            by commas, the first of which wins. If it is absent and `config` is given, nothing else is read; if both
            are absent, what the variable `ARCHITECT_SOURCE` names, else all built-in sources.

    The resolver asked before is not closed: clients that were handed out go on working.
    """
    from architect_core.resolver.resolver import Resolver

    resolver = Resolver(config, current_service=current_service, root=root, source=source)
    former = _swap(resolver)
    if former is not None:
        former.stop_watching()
    return resolver


def reload(*, drain: float = 30.0) -> Changes:
    """Read the configuration anew, after a password was rotated for example; gives the names whose values have changed.

        changes = architect.reload()
        "primary_db" in changes.datastores

    A client whose entry did not change stays the same object. One whose entry did is replaced, so that `.client` is a
    new one, and the former is closed after some time, so that calls on it can end.

    Args:
        drain: seconds until former clients are closed; what they are still doing then may fail.

    Raises:
        ConfigError: the new configuration is malformed; the former one stays in use.
    """
    return _default().reload(drain=drain)


def on_change(listener: Callable[[Changes], object]) -> Callable[[], None]:
    """Have `listener` called with the `Changes` of every reload that changed something; gives what takes it back.

        forget = architect.on_change(lambda changes: reconnect() if "primary_db" in changes.datastores else None)

    It is called in the thread that reloads. What it raises is logged.
    """
    return _default().on_change(listener)


def watch(interval: float = 2.0, *, drain: float = 30.0) -> Watcher:
    """Reload when a file that the configuration is read from has changed, until `reset()` or the watcher's `stop()`.

    Files are those of `ARCHITECT_FILE`, service bindings, the local file, and those that `{"$file": ...}` names. A link
    that leads elsewhere, which is how Kubernetes changes secrets, is a change too. One that makes the configuration
    malformed is logged as a warning of the logger "architect", and changes nothing.

    Args:
        interval: seconds between looks; a change is used when it has stayed the same for two.
        drain: seconds until the clients that a change replaces are closed.
    """
    return _default().watch(interval, drain=drain)


def observe(name: str | None) -> None:
    """Have an observer told of the calls of all clients that are made from now on, for metrics and traces.

        architect.observe("otel")  # of the package architect-otel; the variable ARCHITECT_OBSERVER=otel does the same

    It is for the whole process, whatever `configure` and `reset` do. What it cannot do is logged, and breaks no call.

    Args:
        name: the name of an observer's plugin; None for what the variable names, if anything.

    Raises:
        NoPluginError: no installed plugin has this name; the message says what to install.
        PluginError: the plugin is broken, or is no observer.
    """
    from architect_core.resolver.observing import observe

    observe(name)


def reset() -> None:
    """Close all clients and forget what `configure` said; the next question reads the environment anew."""
    former = _swap(None)
    if former is not None:
        former.close()


def _default() -> Resolver:
    resolver = _resolver  # once: another thread may reset it meanwhile
    if resolver is not None:
        return resolver
    from architect_core.resolver.resolver import Resolver

    with _lock:
        return _resolver if _resolver is not None else _set(Resolver())


def _swap(resolver: Resolver | None) -> Resolver | None:
    """Ask `resolver` from now on, or the environment where it is None; gives what was asked before, still open."""
    global _resolver, _services
    with _lock:
        former = _resolver
        if resolver is None:
            _resolver, _services = None, {}
        else:
            _set(resolver)
        return former


def _set(resolver: Resolver) -> Resolver:
    global _resolver, _services
    _resolver, _services = resolver, resolver.services
    return resolver


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - the module's one lock
    _lock = _thread.allocate_lock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"architect_core.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
