"""All sources as one: the first that has an entry wins, and the whole entry is its."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from architect_core._base.signatures import signatures
from architect_core._runtime.once import once
from architect_core.contract.source import Configuration, Entries, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from architect_core._base.signatures import Signatures
    from architect_core._runtime.fork import ForkSafeLock
    from architect_core.schema.config import ServiceConfig

    Kind = Literal["services", "datastores"]


@dataclass(frozen=True)
class NamedSource:
    """A source of a catalogue, found when it is first needed.

    Attributes:
        name: what it is called: "bindings".
        find: returns it, or None if there is nothing to read.
        load: reads it.
        names_service: False if it need not be found for the name of the running service.
    """

    name: str
    find: Callable[[], Source | None]
    load: Callable[[Source], Configuration] = lambda source: source.load()
    names_service: bool = True


@dataclass(frozen=True)
class Found:
    """An entry, and where it is from.

    Attributes:
        entry: a `ServiceConfig` or a `DatastoreConfig`.
        source: the name of the source: "bindings".
        where: the part of it that was read, for error messages: "the service binding /bindings/billing".
        path: the entry's path in that part; empty if the part is the entry.
        keep_unknown_options: as the source's configuration says.
    """

    entry: Any
    source: str
    where: str
    path: str
    keep_unknown_options: bool = False


class Layer:
    """One source of a catalogue, read when it is first needed."""

    def __init__(self, source: NamedSource, lock: ForkSafeLock) -> None:
        self.name = source.name
        self.signatures: Signatures = {}
        self._source = source
        self._lock = lock

    @once
    def source(self) -> Source | None:
        """The source, or None if there is nothing to read."""
        return self._source.find()

    @once
    def configuration(self) -> Configuration:
        """What it holds; raises ConfigError if that is malformed."""
        if self.source is None:
            return Configuration({}, None, f"the source {self.name!r}, which is not used")
        loaded = self._source.load(self.source)
        self.signatures = signatures(loaded.files)
        return loaded

    @property
    def is_loaded(self) -> bool:
        """Whether it was read."""
        return "configuration" in vars(self)

    @property
    def current_service(self) -> str | None:
        """The running service's name; the source is read only if it may know it."""
        is_asked = self._source.names_service and self.source is not None and self.source.knows_current_service
        return self.configuration.current_service if is_asked else None

    def find(self, kind: Kind, name: str, owner: str | None) -> Iterator[Found]:
        """Its entries of `name`: of a datastore, the owner's comes before one without an owner."""
        configuration = self.configuration
        services = configuration.services
        # services that are looked up by the names of variables hold no datastores
        if kind == "datastores" and owner is not None and not isinstance(services, Entries):
            own = services.get(owner)
            if own is not None and name in own.datastores:
                yield self._found(own.datastores[name], "services", owner, f"datastores.{name}")
        entries: Mapping[str, Any] = getattr(configuration, kind)
        if name in entries:
            yield self._found(entries[name], kind, name, "")

    def _found(self, entry: Any, kind: Kind, key: str, path: str) -> Found:
        configuration = self.configuration
        where = configuration.place(kind, key)
        if where == configuration.where:  # which holds more than one entry
            path = f"{key}.{path}".removesuffix(".")
        return Found(entry, self.name, where, path, configuration.keep_unknown_options)

    def names(self, kind: Kind, owner: str | None) -> set[str]:
        """The names that it lists, among them the datastores of the service `owner`; raises ConfigError."""
        found = set(getattr(self.configuration, kind))
        services = self.configuration.services
        if kind == "datastores" and owner is not None and not isinstance(services, Entries) and owner in services:
            found.update(services[owner].datastores)
        return found


class Catalog:
    """The merged view of several sources.

    An entry is taken whole from the first source that has it. Fields of two sources are never mixed, because a
    password must not be sent to a host that another source named. A source is neither loaded nor read before a name is
    looked up that no source above it has.
    """

    def __init__(self, sources: Sequence[NamedSource], lock: ForkSafeLock) -> None:
        """Make one of sources, the first of which wins; nothing is read yet."""
        self.layers = [Layer(source, lock) for source in sources]
        self.services: Mapping[str, ServiceConfig] = Entries((), self._service_entry)

    @property
    def current_service(self) -> str | None:
        """The running service's name, from the first source that knows it."""
        return next((name for layer in self.layers if (name := layer.current_service) is not None), None)

    def service(self, name: str) -> Found | None:
        """The entry of a service, from the first source that has one."""
        return next(self.all("services", name), None)

    def datastore(self, name: str, owner: str | None) -> Found | None:
        """The entry of a datastore: one of the service `owner`, or one without an owner."""
        return next(self.all("datastores", name, owner), None)

    def all(self, kind: Kind, name: str, owner: str | None = None) -> Iterator[Found]:
        """Every entry of a name, in order of precedence."""
        for layer in self.layers:
            yield from layer.find(kind, name, owner)

    def names(self, kind: Kind, owner: str | None = None) -> list[str]:
        """The names that sources list, sorted; all sources are read for it."""
        return sorted({name for layer in self.layers for name in layer.names(kind, owner)})

    @property
    def where(self) -> str:
        """What was read first, for messages about a name that no source has."""
        read = (layer.configuration.where for layer in self.layers if layer.is_loaded)
        return next(read, "the configuration")

    def signatures(self) -> Signatures:
        """The signatures of the files that were read."""
        return {file: each for layer in self.layers for file, each in layer.signatures.items()}

    def load_as(self, former: Catalog) -> None:
        """Read the sources that `former` has read; raises ConfigError if one is malformed."""
        read = {layer.name for layer in former.layers if layer.is_loaded}
        for layer in self.layers:
            if layer.name in read:
                _ = layer.configuration

    def _service_entry(self, name: str) -> ServiceConfig | None:
        found = self.service(name)
        return None if found is None else found.entry
