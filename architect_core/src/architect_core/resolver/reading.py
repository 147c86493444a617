"""The configuration as it was read at one time, and what was resolved from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from architect_core._base.files import Signatures, files_in, signatures
from architect_core.contract import Credentials, Double, EventChannel, EventRuntime, EventTarget
from architect_core.exceptions import ArchitectError, UnknownNameError
from architect_core.plugins import Plugins
from architect_core.resolver.reload import Changes
from architect_core.sources.catalog import Catalog

if TYPE_CHECKING:
    from architect_core.resolver.events import Notification


class StandIns:
    """The doubles of a test, which a resolver asks for first; this class has none."""

    def __init__(self, defers_unknown: Callable[[], bool] = lambda: False) -> None:
        """`defers_unknown()` is whether an unknown service raises when it is used, and not when it is looked up."""
        self.defers_unknown = defers_unknown

    def double(self, service: str) -> Double | None:  # noqa: ARG002 - for subclasses
        """The double of a service that has an entry; None for the real one."""
        return None

    def notification(self, event: str) -> Notification | None:  # noqa: ARG002 - likewise
        """The double of an event of the running service; None for the real one."""
        return None

    def unknown(self, error: UnknownNameError) -> ArchitectError:
        """The error to raise for a name that the configuration does not hold, instead of `error`."""
        return error


@dataclass(frozen=True)
class Reading:
    """One reading of the configuration, with the datastores and events that were resolved so far, by name."""

    catalog: Catalog
    stated_name: str | None  # the running service's, if the program states it
    plugins: Plugins
    stand_ins: StandIns
    find_root: Callable[[], Path]
    credentials: dict[str, Credentials] = field(default_factory=dict)
    notifications: dict[str, Notification] = field(default_factory=dict)
    files: dict[str, Signatures] = field(default_factory=dict)  # those that a datastore's credentials name

    @property
    def current_name(self) -> str | None:
        """The running service's name, or None if it is not known."""
        return self.stated_name or self.catalog.current_service

    def datastore(self, name: str) -> Credentials | None:
        """Returns the credentials of a datastore, or None if there is no such datastore."""
        if name in self.credentials:
            return self.credentials[name]
        from architect_core.resolver.engine import credentials_of

        owner = self.current_name
        found = self.catalog.datastore(name, owner)
        if found is None:
            return None
        credentials = credentials_of(name, found, owner, self.plugins, self.find_root)
        options = credentials.options
        named = [options[key] for key in ("ca", "certificate", "key") if isinstance(options.get(key), str)]
        self.files[name] = signatures(files_in(options, *(Path(file).absolute() for file in named)))
        return self.credentials.setdefault(name, credentials)

    def notification(self, event: str) -> Notification | None:
        """Returns an event of the running service, or None if it has no such event."""
        if event in self.notifications:
            return self.notifications[event]
        from architect_core.resolver.events import Notification, broker_of, subscriptions_of

        owner = self.current_name
        found = self.catalog.service(owner) if owner is not None else None
        if owner is None or found is None or event not in found.entry.subscriptions:
            return None
        notification = self.stand_ins.notification(event)
        if notification is None:
            wanted = found.entry.subscriptions[event]
            subscriptions = subscriptions_of(event, wanted, owner, found.where, self.catalog)
            channel = partial(self.plugins.get, EventChannel, asked_by=f"event {event!r}")
            broker = partial(broker_of, self.plugins, self.find_root)
            target = EventTarget(event, owner, subscriptions, channel, broker)
            runtime = partial(self.plugins.get, EventRuntime, "events", f"event {event!r}")
            notification = Notification(event, subscriptions, lambda: runtime().sender(target))
        return self.notifications.setdefault(event, notification)

    def resolve_as(self, former: Reading) -> None:
        """Resolve what `former` resolved and is still configured; equal results stay the same objects."""
        for name, credentials in former.credentials.items():
            if self.datastore(name) == credentials:
                self.credentials[name] = credentials
        for event, notification in former.notifications.items():
            found = self.notification(event)
            is_same = found is not None and found.subscriptions == notification.subscriptions
            if is_same and self.stand_ins.notification(event) is None:
                self.notifications[event] = notification

    def changes(self, new: Reading, services: frozenset[str]) -> Changes:
        """What differs in `new`; `services` are the names of the services that do."""
        former_events, events = (
            {event: each.subscriptions for event, each in reading.notifications.items()} for reading in (self, new)
        )
        datastores = _differing(self.credentials, new.credentials) | _differing(self.files, new.files)
        return Changes(services, datastores, _differing(former_events, events))


def _differing(former: Mapping[str, object], new: Mapping[str, object]) -> frozenset[str]:
    return frozenset(name for name, value in former.items() if new.get(name) != value)
