"""Merges all sources: an entry is taken whole from the first source that has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from architect_core._base.files import Signatures, signatures
from architect_core._runtime import ForkSafeLock, is_computed, once
from architect_core.contract.source import Configuration, Entries, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from architect_core.schema.config import ServiceConfig

    Kind = Literal["services", "datastores"]


@dataclass(frozen=True)
class Found:
    """An entry, and where it was read.

    Attributes:
        entry: a `ServiceConfig` or a `DatastoreConfig`.
        source: the name of the source: "bindings".
        where: the part of it that was read, for error messages: "the service binding /bindings/billing".
        path: the entry's path in that part; empty if the part is the entry.
        keep_unknown_options: as in the source's `Configuration`.
    """

    entry: Any
    source: str
    where: str
    path: str
    keep_unknown_options: bool = False


class Layer:
    """One source of a catalog, which is read on first use."""

    def __init__(self, name: str, source: Source) -> None:
        self.name = name
        self.source = source
        self.signatures: Signatures = {}
        self._lock = ForkSafeLock()

    @once
    def configuration(self) -> Configuration:
        """What the source holds; raises ConfigError if that is malformed."""
        loaded = self.source.load()
        self.signatures = signatures(loaded.files)
        return loaded

    @property
    def is_loaded(self) -> bool:
        """Whether the source was read."""
        return is_computed(self, "configuration")

    def find(self, kind: Kind, name: str, owner: str | None) -> Iterator[Found]:
        """Yields the entries of `name`; a datastore of the service `owner` comes before one without an owner."""
        own = self._datastores_of(owner) if kind == "datastores" else {}
        if name in own:
            yield self._found(own[name], "services", str(owner), f"datastores.{name}")
        entries: Mapping[str, Any] = getattr(self.configuration, kind)
        if name in entries:
            yield self._found(entries[name], kind, name, "")

    def names(self, kind: Kind, owner: str | None) -> set[str]:
        """Returns the names that the source lists, with the datastores of the service `owner`; raises ConfigError."""
        return {*getattr(self.configuration, kind), *(self._datastores_of(owner) if kind == "datastores" else ())}

    def _datastores_of(self, owner: str | None) -> Mapping[str, Any]:
        services = self.configuration.services
        # entries that are read one by one come from platforms, whose services have no datastores
        service = None if owner is None or isinstance(services, Entries) else services.get(owner)
        return {} if service is None else service.datastores

    def _found(self, entry: Any, kind: Kind, key: str, path: str) -> Found:
        configuration = self.configuration
        where = configuration.place(kind, key)
        if where == configuration.where:  # which holds more than one entry
            path = f"{key}.{path}".removesuffix(".")
        return Found(entry, self.name, where, path, configuration.keep_unknown_options)


class Catalog:
    """The merged view of several sources, the first of which wins.

    Fields of two sources are never mixed, because a password must not be sent to a host that another source named. A
    source is neither loaded nor read before a name is looked up that no source above it has.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = layers
        self.services: Mapping[str, ServiceConfig] = Entries(
            (), lambda name: getattr(self.service(name), "entry", None)
        )

    @property
    def current_service(self) -> str | None:
        """The running service's name, from the first source that knows it."""
        may_know = (layer for layer in self.layers if layer.source.knows_current_service)
        return next((name for layer in may_know if (name := layer.configuration.current_service) is not None), None)

    def service(self, name: str) -> Found | None:
        """Returns the entry of a service, or None."""
        return next(self.all("services", name), None)

    def datastore(self, name: str, owner: str | None) -> Found | None:
        """Returns the entry of a datastore of the service `owner` or without an owner, or None."""
        return next(self.all("datastores", name, owner), None)

    def all(self, kind: Kind, name: str, owner: str | None = None) -> Iterator[Found]:
        """Yields every entry of a name, in order of precedence."""
        return (found for layer in self.layers for found in layer.find(kind, name, owner))

    def names(self, kind: Kind, owner: str | None = None) -> list[str]:
        """Reads all sources and returns the names that they list, sorted."""
        return sorted({name for layer in self.layers for name in layer.names(kind, owner)})

    @property
    def where(self) -> str:
        """What was read first, for messages about a name that no source has."""
        read = (layer.configuration.where for layer in self.layers if layer.is_loaded)
        return next(read, "the configuration")

    def signatures(self) -> Signatures:
        """Returns the signatures of the files that were read."""
        return {file: each for layer in self.layers for file, each in layer.signatures.items()}

    def load_as(self, former: Catalog) -> None:
        """Reads the sources that `former` has read; raises ConfigError if one is malformed."""
        read = {layer.name for layer in former.layers if layer.is_loaded}
        for layer in self.layers:
            if layer.name in read:
                _ = layer.configuration
