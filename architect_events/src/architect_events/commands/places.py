"""Where the events of a service are kept: in its outbox, and at a broker."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from architect_core.contract import Topic
from architect_core.exceptions import ConfigError, NoPluginError
from architect_events.commands.dead_letters import DeadLetters
from architect_events.embedded import open_file
from architect_events.outbox.browsing import Browser
from architect_events.outbox.store import Store
from architect_events.outbox.tables import DIALECTS
from architect_events.subscribers import topic_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from architect_core.contract import Credentials
    from architect_core.resolver.resolver import Resolver

Place = Browser | DeadLetters


def outbox_of(resolver: Resolver, name: str | None) -> Store | None:
    """Returns the outbox in the running service's datastore `name`, or in the only one that can hold an outbox.

    Returns None if `name` is None and there is none. Raises UnknownDatastoreError, and ConfigError if several can hold
    one, or the one that is named cannot.
    """
    if name is None:
        names = _able(resolver)
        if not names:
            return None
        if len(names) > 1:
            reason = f"several datastores can hold an outbox: say --datastore and one of {', '.join(names)}"
            raise ConfigError(f"the service {resolver.current_name}", [("", reason)])
        name = names[0]
    credentials, where = resolver.datastore(name), f"the datastore {name!r}"
    if _is_in_memory(credentials):
        raise ConfigError(where, [("", "is in memory, where no relay can read an outbox: name a file")])
    return Store(credentials, where)


def store_of(resolver: Resolver, datastore: str | None) -> Store:
    """Returns the outbox, or else the events file, for its tables; raises ConfigError if there is neither."""
    store = outbox_of(resolver, datastore)
    if store is not None:
        return store
    broker = resolver.broker()
    if broker is None or broker.scheme != "sqlite":
        raise _nowhere(resolver)
    return open_file(broker)


@contextmanager
def places_of(resolver: Resolver, datastore: str | None) -> Iterator[list[Place]]:
    """Where events are kept: in the datastore that is named, or else in the only one; or at the broker.

    Beside a broker, every datastore that has an outbox counts. Raises ConfigError if events are kept nowhere.
    """
    found: list[Place] = []
    broker = resolver.broker() if datastore is None else None
    with ExitStack() as stack:

        def browse(store: Store) -> Browser:
            stack.callback(store.database.close)
            return Browser(store.database)

        for name in [datastore] if broker is None else _able(resolver):
            store = outbox_of(resolver, name)
            if store is not None:
                browser = browse(store)
                if broker is None or browser.exists():
                    found.append(browser)
        if broker is not None and broker.scheme == "sqlite":
            file = open_file(broker)
            file.create()
            found.append(browse(file))
        elif broker is not None:
            found.append(DeadLetters(resolver.channel(f"events.{broker.scheme}"), broker, _queues(resolver)))
        if not found:
            raise _nowhere(resolver)
        yield found


def _able(resolver: Resolver) -> list[str]:
    """Returns the names of the running service's datastores that can hold an outbox."""
    found = []
    for name in resolver.catalog.names("datastores", resolver.current_name):
        with suppress(NoPluginError):  # of an engine that is not one of ours
            credentials = resolver.datastore(name)
            if credentials.engine in DIALECTS and not _is_in_memory(credentials):
                found.append(name)
    return found


def _is_in_memory(credentials: Credentials) -> bool:
    return credentials.engine == "sqlite" and credentials.name in {None, "", ":memory:"}


def _queues(resolver: Resolver) -> Mapping[str, Sequence[Topic]]:
    """Returns the subscribers of the running service's events, and itself with the events that it handles."""
    service = resolver.current_service()
    queues: dict[str, list[Topic]] = defaultdict(list)
    for event in service.config.subscriptions:
        for subscriber in topic_of(event, service.name, resolver.notification(event).subscriptions).subscribers:
            queues[subscriber].append(Topic(event, service.name, (subscriber,)))
    for name in resolver.catalog.names("services"):
        other = resolver.catalog.service(name)
        if other is None or name == service.name:
            continue
        for event, subscribers in other.entry.subscriptions.items():
            if service.name in subscribers and subscribers[service.name].consumes:
                queues[service.name].append(Topic(event, name, (service.name,)))
    return queues


def _nowhere(resolver: Resolver) -> ConfigError:
    if resolver.current_name is None:
        resolver.current_service()  # raises an error that says so
    reason = "has no datastore that can hold an outbox, and ARCHITECT_EVENTS names no broker"
    return ConfigError(f"the service {resolver.current_name}", [("", reason)])
