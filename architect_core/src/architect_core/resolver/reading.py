"""The configuration as it was read at one time, and what was resolved from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from architect_core._base.files import Signatures, files_in, signatures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.contract.credentials import Credentials
    from architect_core.contract.events import Subscriptions
    from architect_core.resolver.events import Notification
    from architect_core.sources.catalog import Catalog


@dataclass(frozen=True)
class Reading:
    """One reading of the configuration. A reload replaces it by the next one.

    Attributes:
        catalog: the sources, merged.
        stated_name: the running service's name, as far as the program stated it.
        credentials: the datastores that were resolved so far, by name.
        notifications: the events that were resolved so far, by name.
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
        self.files[name] = _signatures_of(credentials)
        self.credentials[name] = credentials
        return credentials

    def changed_datastores(self, new: Reading) -> frozenset[str]:
        """The names of datastores whose credentials, or the files that these name, differ in `new`."""
        return _differing(self.credentials, new.credentials) | _differing(self.files, new.files)

    def changed_events(self, new: Reading) -> frozenset[str]:
        """The names of events whose subscribers differ in `new`."""
        return _differing(self._subscriptions(), new._subscriptions())

    def _subscriptions(self) -> dict[str, Subscriptions]:
        return {event: each.subscriptions for event, each in self.notifications.items()}


def _differing(former: Mapping[str, object], new: Mapping[str, object]) -> frozenset[str]:
    return frozenset(name for name, value in former.items() if new.get(name) != value)


def _signatures_of(credentials: Credentials) -> Signatures:
    options = credentials.options
    named = (Path(options[key]).absolute() for key in ("ca", "certificate", "key") if isinstance(options.get(key), str))
    return signatures(files_in(options, *named))
