"""All sources as one: the first that has an entry wins, and the whole entry is its."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from architect_core._base.signatures import signatures
from architect_core._runtime.once import once
from architect_core.contract.source import Entries
from architect_core.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from architect_core._base.signatures import Signatures
    from architect_core._runtime.fork import ForkSafeLock
    from architect_core.contract.source import Configuration, Source
    from architect_core.schema.config import ServiceConfig

    Kind = Literal["services", "datastores"]
    NamedSource = tuple[str, Callable[[], Source]]

# the built-in sources by precedence: name -> module and class
BUILT_IN = {
    "environment": ("environment", "EnvironmentSource"),
    "bindings": ("bindings", "BindingSource"),
    "aspire": ("aspire", "AspireSource"),
    "vcap": ("vcap", "VcapSource"),
    "urls": ("urls", "UrlSource"),
    "local": ("local", "LocalSource"),
    "dns": ("dns", "DnsSource"),
}


def built_in(name: str) -> Source:
    """The built-in source called `name`."""
    module, kind = BUILT_IN[name]
    source: Source = getattr(import_module(f"architect_core.sources.{module}"), kind)()
    return source


@dataclass(frozen=True)
class Found:
    """An entry, and where it is from.

    Attributes:
        entry: a `ServiceConfig` or a `DatastoreConfig`.
        source: the name of the source: "bindings".
        where: the place in it, for error messages: "the service binding /bindings/billing".
        path: the entry's path in that place; empty where the place is the entry.
    """

    entry: Any
    source: str
    where: str
    path: str


class Layer:
    """One source of a catalogue, read when it is first needed."""

    def __init__(self, name: str, make: Callable[[], Source], lock: ForkSafeLock) -> None:
        self.name = name
        self.signatures: Signatures = {}
        self._make = make
        self._lock = lock

    @once
    def source(self) -> Source:
        """Where it is read from."""
        return self._make()

    @once
    def configuration(self) -> Configuration:
        """What it holds; raises ConfigError where that is malformed."""
        loaded = self.source.load()
        self.signatures = signatures(loaded.files)
        return loaded

    @property
    def is_loaded(self) -> bool:
        """Whether it was read."""
        return "configuration" in vars(self)

    def find(self, kind: Kind, name: str, owner: str | None) -> Iterator[Found]:
        """Its entries of `name`: a datastore may be the owner's and anybody's."""
        configuration = self.configuration
        if kind == "datastores" and owner is not None and not isinstance(configuration.services, Entries):
            own = configuration.services.get(owner)
            if own is not None and name in own.datastores:
                place = configuration.place("services", owner)
                path = f"{owner}.datastores.{name}" if place == configuration.where else f"datastores.{name}"
                yield Found(own.datastores[name], self.name, place, path)
        entries: Mapping[str, Any] = getattr(configuration, kind)
        if name in entries:
            place = configuration.place(kind, name)
            path = name if place == configuration.where else ""
            yield Found(entries[name], self.name, place, path)

    def names(self, kind: Kind, owner: str | None) -> set[str]:
        """The names that it lists, the datastores of the service `owner` among them; raises ConfigError."""
        found = set(getattr(self.configuration, kind))
        services = self.configuration.services
        # entries that are looked for by variables' names hold no datastores
        if kind == "datastores" and owner is not None and not isinstance(services, Entries) and owner in services:
            found.update(services[owner].datastores)
        return found


class Catalog:
    """The merged view of several sources.

    An entry is taken whole from the first source that has it, and fields of two sources are never mixed: a
    password must not be sent to a host that another source named. A source of lower precedence is not read before a
    name is asked for that no other has.
    """

    def __init__(self, sources: Sequence[NamedSource], lock: ForkSafeLock) -> None:
        """Make one of named sources, the first of which wins; nothing is read yet."""
        self.layers = [Layer(name, make, lock) for name, make in sources]
        self.services: Mapping[str, ServiceConfig] = _Services(self)

    @property
    def current_service(self) -> str | None:
        """The running service's name, from the first source that knows it."""
        for layer in self.layers:
            if layer.source.knows_current_service and layer.configuration.current_service is not None:
                return layer.configuration.current_service
        return None

    def service(self, name: str) -> Found | None:
        """The entry of a service, from the first source that has one."""
        return next(self.all("services", name), None)

    def datastore(self, name: str, owner: str | None) -> Found | None:
        """The entry of a datastore: one of the service `owner`, or one that belongs to whoever runs."""
        return next(self.all("datastores", name, owner), None)

    def all(self, kind: Kind, name: str, owner: str | None = None) -> Iterator[Found]:
        """Every entry of a name, the one that wins first."""
        for layer in self.layers:
            yield from layer.find(kind, name, owner)

    def names(self, kind: Kind, owner: str | None = None) -> list[str]:
        """The names that sources list, sorted; all of them are read for it."""
        return sorted({name for layer in self.layers for name in layer.names(kind, owner)})

    @property
    def where(self) -> str:
        """What was read, for messages about what is nowhere."""
        places = [layer.configuration.where for layer in self.layers if layer.is_loaded]
        return places[0] if places else "the configuration"

    def signatures(self) -> Signatures:
        """What the files that were read were like."""
        return {file: each for layer in self.layers for file, each in layer.signatures.items()}

    def load_as(self, former: Catalog) -> None:
        """Read the sources that `former` has read; raises ConfigError where one is malformed."""
        read = {layer.name for layer in former.layers if layer.is_loaded}
        for layer in self.layers:
            if layer.name in read:
                _ = layer.configuration


class _Services(Mapping[str, "ServiceConfig"]):
    """The services of a catalogue as a mapping."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def __getitem__(self, name: str) -> ServiceConfig:
        found = self._catalog.service(name) if isinstance(name, str) else None
        if found is None:
            raise KeyError(name)
        entry: ServiceConfig = found.entry
        return entry

    def __iter__(self) -> Iterator[str]:
        return iter(self._catalog.names("services"))

    def __len__(self) -> int:
        return len(self._catalog.names("services"))


def named_sources(names: str, where: str, plugin: Callable[[str], Source]) -> list[NamedSource]:
    """The sources that a text such as "bindings,urls" names, in its order.

    Args:
        names: names of built-in sources and of plugins, separated by commas.
        where: who named them, for messages.
        plugin: makes the source of a plugin from its name.

    Raises:
        ConfigError: a name is there twice.
    """
    words = [word.strip() for word in names.split(",") if word.strip()]
    if len(set(words)) != len(words):
        raise ConfigError(where, [("", "names a source twice")])
    return [(word, partial(built_in if word in BUILT_IN else plugin, word)) for word in words]
