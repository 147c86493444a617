"""A service or a datastore as the dialects get it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from architect_core.exceptions import ArchitectError
from architect_core.schema import DatastoreConfig, ServiceConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from architect_cli.resolved import Resolved
    from architect_core.contract import Credentials
    from architect_core.resolver import Resolver
    from architect_core.sources.catalog import Kind

# fields that are exported by other means
_SAID = {
    "services": set(ServiceConfig.model_fields) - {"options", "subscriptions"},
    "datastores": {*DatastoreConfig.model_fields, "connection_string", "hosts"},
}


@dataclass(frozen=True)
class Place:
    """The address and the login of a service or a datastore.

    Attributes:
        kind: "services" or "datastores".
        name: its name.
        entry: its entry as JSON, with its secrets.
        credentials: the credentials that the application gets for a datastore; None for a service.
    """

    kind: Kind
    name: str
    entry: Mapping[str, Any] = field(repr=False)
    credentials: Credentials | None = field(default=None, repr=False)

    @property
    def label(self) -> str:
        """What it is called in messages: "the service 'acme/billing'"."""
        return f"the {self.kind.removesuffix('s')} {self.name!r}"

    @property
    def is_nowhere(self) -> bool:
        """Whether it is a service without a host, such as the running one."""
        return self.kind == "services" and self.entry.get("host") is None

    @property
    def further(self) -> dict[str, Any]:
        """The fields of its entry beside the address and the login."""
        return {key: value for key, value in self.entry.items() if key not in _SAID[self.kind] and value}


def places_of(found: Iterable[Resolved], resolver: Resolver) -> tuple[list[Place], list[ArchitectError]]:
    """Returns the places, and an error for each datastore whose credentials cannot be read."""
    places: list[Place] = []
    problems: list[ArchitectError] = []
    for each in found:
        try:
            credentials = resolver.datastore(each.name) if each.kind == "datastores" else None
            places.append(Place(each.kind, each.name, each.entry, credentials))
        except ArchitectError as problem:
            problems.append(problem)
    return places, problems
