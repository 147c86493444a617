"""Talk to other services, databases and events by name.

    import architect.sdk as architect

    architect.service("acme/billing").client.get("/invoices/7")
    architect.datastore("primary_db").username
    architect.notification("order_placed").publish({"id": 7})

The configuration comes from the environment, such as the variables `ARCHITECT` and `ARCHITECT_CURRENT_SERVICE`, or
from `configure()`. Importing this module reads no environment and imports no protocol library.
"""

from __future__ import annotations

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from typing import Any

    from architect_core.contract import Credentials, Delivery, Event, Message, Once, Source, Subscription
    from architect_core.deadline import deadline, remaining
    from architect_core.exceptions import (  # isort: skip
        ArchitectError, ConfigError, DriverError, InboxError, ManifestError, NoCurrentServiceError, NoEventLoopError,
        NoPluginError, OriginError, PayloadError, PluginError, PublishError, RunError, StubError,
        UnknownDatastoreError, UnknownDriverError, UnknownEventError, UnknownNameError, UnknownServiceError,
    )  # fmt: skip
    from architect_core.resolver.events import Notification, on
    from architect_core.resolver.observing import observe
    from architect_core.resolver.reload import Changes, Watcher
    from architect_core.resolver.resolver import Resolver
    from architect_core.resolver.service import AioService, CurrentService, Service
    from architect_core.schema import DatastoreConfig, Instance, ServiceConfig, SubscriptionConfig
    from architect_core.sources.variables import EnvironmentSource, MappingSource

__all__ = [
    "AioService", "ArchitectError", "Changes", "ConfigError", "Credentials", "CurrentService", "DatastoreConfig",
    "Delivery", "DriverError", "EnvironmentSource", "Event", "InboxError", "Instance", "ManifestError", "MappingSource",
    "NoCurrentServiceError", "NoEventLoopError", "NoPluginError", "Notification", "OriginError", "PayloadError",
    "PluginError", "PublishError", "Resolver", "RunError", "Service", "ServiceConfig", "Source", "StubError",
    "Subscription", "SubscriptionConfig", "UnknownDatastoreError", "UnknownDriverError", "UnknownEventError",
    "UnknownNameError", "UnknownServiceError", "Watcher", "configure", "consume", "current_service", "datastore",
    "deadline", "inbox", "notification", "observe", "on", "on_change", "reload", "remaining", "reset", "service",
    "watch",
]  # fmt: skip

# the modules of the names that are imported on first use; all others are errors
_MODULES = {
    "contract": "Credentials Delivery Event Source Subscription",
    "deadline": "deadline remaining",
    "resolver.events": "Notification on",
    "resolver.observing": "observe",
    "resolver.reload": "Changes Watcher",
    "resolver.resolver": "Resolver",
    "resolver.service": "AioService CurrentService Service",
    "schema": "DatastoreConfig Instance ServiceConfig SubscriptionConfig",
    "sources.variables": "EnvironmentSource MappingSource",
}
_HOMES = dict.fromkeys(__all__, "architect_core.exceptions") | {
    name: f"architect_core.{module}" for module, names in _MODULES.items() for name in names.split()
}

_resolver: Resolver | None = None
_services: dict[str, Service] = {}  # the resolver's own dictionary
_defers_unknown = False


def service(name: str) -> Service:
    """The service called `name`: `.client` to talk to it, `.defs` for its messages, `.config` for where it is.

        architect.service("acme/billing").client.get("/invoices/7")
        await architect.service("acme/billing").aio.client.get("/invoices/7")

    It is the same object for the same name, in every thread.

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
        NoCurrentServiceError: the running service is not known.
        UnknownDatastoreError: it has no such datastore.
        ConfigError: the configuration is malformed.
        NoPluginError: no installed plugin reads this engine's credentials.
    """
    return _default().datastore(name)


def notification(event: str) -> Notification:
    """The running service's event `event`: `.publish(payload)` reaches its subscribers, `.subscriptions` lists them.

    Raises:
        NoCurrentServiceError: the running service is not known.
        UnknownEventError: it has no such event.
        ConfigError: the configuration is malformed, or a subscriber has no entry.
    """
    return _default().notification(event)


def consume(*, concurrency: int = 10) -> None:
    """Call the functions that `architect.on` decorates, for the events of the broker in `ARCHITECT_EVENTS`.

    It returns after SIGTERM or SIGINT, once the calls that run have ended; `architect consume MODULE` does the same.
    At most `concurrency` calls run at once. Raises ConfigError if `ARCHITECT_EVENTS` is not set or malformed, and
    NoCurrentServiceError if the running service is not known.
    """
    resolver = _default()
    resolver.events.consume(resolver, concurrency)


def inbox(connection: Any, event: Message | str, *, consumer: str | None = None) -> Once:
    """A context whose value is whether the event, or the text that identifies it, is new; for an effect that is once.

        with connection.transaction(), architect.inbox(connection, event) as is_new:
            if is_new:
                connection.execute("update ...")

    The event is recorded in the transaction of `connection`, which is not committed, in the inbox's table, which
    `architect events init` creates. `consumer` is the running service if it is None. For asyncio, use `async with`.
    Raises NoCurrentServiceError if neither is known, because services that share a table need different ones.
    Entering it raises InboxError if the connection is unsuitable or the table is missing.
    """
    resolver = _default()
    name = consumer or resolver.current_name or resolver.current_service().name
    return resolver.events.inbox(connection, event, name)


def current_service() -> CurrentService:
    """The running service itself: for gRPC with `.Servicer` and `.add_servicer(servicer, server)`.

    Raises NoCurrentServiceError if it is not known or has no entry, and ConfigError if the configuration is malformed.
    """
    return _default().current_service()


def configure(
    config: Mapping[str, object] | None = None,
    *,
    current_service: str | None = None,
    root: str | os.PathLike[str] | None = None,
    source: Source | str | None = None,
) -> Resolver:
    """State the configuration in code instead of the environment; returns the resolver that this module now uses.

        architect.configure({"acme/billing": {"host": "http://localhost", "port": 8080, "api": "rest"}})

    The former resolver is not closed: clients that were handed out go on working.

    Args:
        config: service name -> entry, in the shape of the variable `ARCHITECT`.
        current_service: the running service's name; `ARCHITECT_CURRENT_SERVICE` otherwise, unless `config` is given.
        root: the running service's folder, which holds `architect.json` and `architect_services`; else it is searched.
        source: what is read for names that `config` does not have: a source, or names of sources, separated by commas,
            the first of which wins. If it is absent and `config` is given, nothing else is read; if both are absent,
            the sources that the variable `ARCHITECT_SOURCE` names, else all that are installed.
    """
    from architect_core.resolver.resolver import Resolver
    from architect_core.resolver.service import handed_out

    resolver = Resolver(config, current_service=current_service, root=root, source=source, handed_out=handed_out)
    former = use(resolver)
    if former is not None:
        former.stop_watching()
    return resolver


def reload(*, drain: float = 30.0) -> Changes:
    """Read the configuration anew, after a password was rotated for example; returns the names whose values changed.

        changes = architect.reload()
        "primary_db" in changes.datastores

    A client whose entry did not change stays the same object. Otherwise `.client` is a new one; the former is closed
    after `drain` seconds, and calls on it that have not ended by then may fail. Raises ConfigError if the new
    configuration is malformed; the former one then stays in use.
    """
    return _default().reload(drain=drain)


def on_change(listener: Callable[[Changes], object]) -> Callable[[], None]:
    """Call `listener` with the `Changes` of every reload that changed something; returns what ends that.

        forget = architect.on_change(lambda changes: reconnect() if "primary_db" in changes.datastores else None)

    It is called in the thread that reloads. What it raises is logged.
    """
    return _default().on_change(listener)


def watch(interval: float = 2.0, *, drain: float = 30.0) -> Watcher:
    """Reload when a file that the configuration is read from has changed, until `reset()` or the watcher's `stop()`.

    Files are those of `ARCHITECT_FILE`, service bindings, the local file, and those that `{"$file": ...}` names. A link
    that points elsewhere, which is how Kubernetes changes secrets, is a change too. A change that makes the
    configuration malformed is logged as a warning of the logger "architect", and changes nothing. There are `interval`
    seconds between looks, and a change is used when two looks find the same. `drain` is as for `reload`.
    """
    return _default().watch(interval, drain=drain)


def reset() -> None:
    """Close all clients and undo `configure`; the next look-up reads the environment anew."""
    former = use(None)
    if former is not None:
        former.close()


def use(resolver: Resolver | None) -> Resolver | None:
    """Look names up in `resolver` from now on, or in the environment if it is None; returns the former one, still open.

    It is for packages that replace the environment, such as architect_testing; an application calls `configure`.
    """
    global _resolver, _services
    from architect_core.resolver.service import default_lock

    with default_lock:
        former = _resolver
        _resolver, _services = resolver, {} if resolver is None else resolver.services
        return former


def defer_unknown(defers: bool) -> None:
    """Raise the error for an unknown service when it is used, and not when it is looked up, for as long as `defers`.

    It is for test frameworks, which import an application before its tests make doubles.
    """
    global _defers_unknown  # noqa: PLW0603 - one for the process
    _defers_unknown = defers


def _default() -> Resolver:
    global _resolver, _services  # noqa: PLW0603 - the module's one resolver
    resolver = _resolver  # once, because another thread may reset it meanwhile
    if resolver is not None:
        return resolver
    from architect_core.resolver.reading import StandIns
    from architect_core.resolver.resolver import Resolver
    from architect_core.resolver.service import default_lock, handed_out

    with default_lock:
        if _resolver is None:
            _resolver = Resolver(handed_out=handed_out, stand_ins=StandIns(lambda: _defers_unknown))
            _services = _resolver.services
        return _resolver


def __getattr__(name: str) -> object:
    from architect_core.lazy import load

    return load(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
