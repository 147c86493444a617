"""Where the events of a service are kept: in its outbox, and at a broker."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from architect_core.contract import Topic
from architect_core.exceptions import ConfigError
from architect_events.commands.dead_letters import DeadLetters
from architect_events.embedded import open_file
from architect_events.outbox.browsing import Browser
from architect_events.outbox.database import NoTablesError
from architect_events.outbox.selecting import outbox_of
from architect_events.subscribers import topic_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from architect_core.resolver.resolver import Resolver
    from architect_events.outbox.store import Store

Place = Browser | DeadLetters


@contextmanager
def places_of(resolver: Resolver, datastore: str | None) -> Iterator[list[Place]]:
    """Where events are kept: in the datastore that is named, or else in the only one and at the broker.

    A datastore that has no outbox does not count beside a broker. Raises ConfigError if there is no such place.
    """
    found: list[Place] = []
    broker = resolver.broker() if datastore is None else None
    with ExitStack() as stack:

        def browse(store: Store) -> Browser:
            stack.callback(store.database.close)
            return Browser(store.database)

        store = outbox_of(resolver, datastore)
        if store is not None:
            browser = browse(store)
            if broker is None or _has_tables(browser):
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


def store_of(resolver: Resolver, datastore: str | None) -> Store:
    """Returns the outbox, or else the events file, for its tables; raises ConfigError if there is neither."""
    store = outbox_of(resolver, datastore)
    if store is not None:
        return store
    broker = resolver.broker()
    if broker is None or broker.scheme != "sqlite":
        raise _nowhere(resolver)
    return open_file(broker)


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


def _has_tables(browser: Browser) -> bool:
    try:
        browser.check()
    except NoTablesError:
        return False
    return True


def _nowhere(resolver: Resolver) -> ConfigError:
    reason = "has no datastore that can hold an outbox, and ARCHITECT_EVENTS names no broker"
    return ConfigError(f"the service {resolver.current_name}", [("", reason)])
