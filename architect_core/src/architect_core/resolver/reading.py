"""The configuration as it was read at one time, and what was resolved from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from architect_core._base.signatures import Signatures, files_in, signatures
from architect_core.resolver.reload import Changes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.contract.credentials import Credentials
    from architect_core.resolver.events import Notification
    from architect_core.sources.catalog import Catalog


@dataclass(frozen=True)
class Reading:
    """One reading of the configuration, with the datastores and events that were resolved so far, by name.

    Attributes:
        stated_name: the running service's name, as far as the program stated it.
        files: what the files that credentials name, such as certificates, were like; by the datastore's name.
    """

    catalog: Catalog
    stated_name: str | None
    credentials: dict[str, Credentials] = field(default_factory=dict)
    notifications: dict[str, Notification] = field(default_factory=dict)
    files: dict[str, Signatures] = field(default_factory=dict)

    @property
    def current_name(self) -> str | None:
        """The running service's name, or None if it is not known."""
        return self.stated_name or self.catalog.current_service

    def keep(self, name: str, credentials: Credentials) -> Credentials:
        """Keep the credentials of the datastore `name`."""
        options = credentials.options
        named = [options[key] for key in ("ca", "certificate", "key") if isinstance(options.get(key), str)]
        self.files[name] = signatures(files_in(options, *(Path(file).absolute() for file in named)))
        self.credentials[name] = credentials
        return credentials

    def changes(self, new: Reading, services: frozenset[str]) -> Changes:
        """What differs in `new`; `services` are the names of the services that do."""
        former_events, events = (
            {event: each.subscriptions for event, each in reading.notifications.items()} for reading in (self, new)
        )
        datastores = _differing(self.credentials, new.credentials) | _differing(self.files, new.files)
        return Changes(services, datastores, _differing(former_events, events))


def _differing(former: Mapping[str, object], new: Mapping[str, object]) -> frozenset[str]:
    return frozenset(name for name, value in former.items() if new.get(name) != value)
