"""Which datastore of a service holds its outbox."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from architect_core.exceptions import ConfigError, NoPluginError
from architect_events.outbox.store import Store
from architect_events.outbox.tables import DIALECTS

if TYPE_CHECKING:
    from architect_core.resolver.resolver import Resolver


def outbox_of(resolver: Resolver, name: str | None) -> Store | None:
    """Returns the outbox in the running service's datastore `name`, or in the only one that can hold an outbox.

    Returns None if `name` is None and there is none. Raises UnknownDatastoreError, and ConfigError if several can hold
    one, or the one that is asked for cannot.
    """
    if name is None:
        found = _able(resolver)
        if not found:
            return None
        if len(found) > 1:
            reason = f"several datastores can hold an outbox: say --datastore and one of {', '.join(found)}"
            raise ConfigError(f"the service {resolver.current_name}", [("", reason)])
        name = found[0]
    return Store(resolver.datastore(name), f"the datastore {name!r}")


def _able(resolver: Resolver) -> list[str]:
    found = []
    for name in resolver.catalog.names("datastores", resolver.current_name):
        with suppress(NoPluginError):  # of an engine that is not one of ours
            if resolver.datastore(name).engine in DIALECTS:
                found.append(name)
    return found
