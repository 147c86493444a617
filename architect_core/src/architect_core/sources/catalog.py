"""The sources of a resolver, and their merged view: an entry is taken whole from the first source that has it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from architect_core._base.files import Signatures, signatures
from architect_core._runtime import ForkSafeLock, is_computed, once
from architect_core.contract import SOURCE_VARIABLE, Configuration, Entries, Source
from architect_core.exceptions import ConfigError, PluginError
from architect_core.plugins import Plugins
from architect_core.plugins.known import BY_NAME, PRECEDENCE, Known
from architect_core.plugins.loading import disabled_names
from architect_core.sources.variables import EnvironmentSource, LocalSource, MappingSource

Kind = Literal["services", "datastores"]


@dataclass(frozen=True)
class Found:
    """An entry, and where it was read.

    Attributes:
        entry: a `ServiceConfig` or a `DatastoreConfig`.
        source: the name of the source: "bindings".
        where: the part of it that was read, for error messages: "the service binding /bindings/billing".
        path: the entry's path in that part; empty if that part is the entry itself.
        keep_unknown_options: as in the source's `Configuration`.
        keys: likewise, of this entry.
    """

    entry: Any
    source: str
    where: str
    path: str
    keep_unknown_options: bool = False
    keys: Mapping[str, str] = field(default_factory=dict)


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
        if where == configuration.where:  # the whole source, which holds several entries
            path = f"{key}.{path}".removesuffix(".")
        keys = configuration.keys_of(kind, key) if configuration.keys_of else {}
        return Found(entry, self.name, where, path, configuration.keep_unknown_options, keys)


class Catalog:
    """The merged view of several sources, the first of which wins.

    Fields of two sources are never mixed, because a password must not be sent to a host that another source named. A
    look-up loads a source only if no source before it has the name.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = layers

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
        """What the first loaded source was read from, for messages about a name that no source has."""
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


# made here, because searching entry points takes milliseconds and most programs need no other source
_OWN = {source.name: source for source in (EnvironmentSource, LocalSource)}


def sources_of(
    config: Mapping[str, object] | None, current_service: str | None, source: Source | str | None, plugins: Plugins
) -> list[Layer]:
    """Returns the sources that the arguments of `configure()` ask for, in order of precedence.

    Without `source`, those that `ARCHITECT_SOURCE` names, else those of `PRECEDENCE`; with `config` alone, only that.
    Raises ConfigError if a source is named twice, or none is.
    """
    if config is not None:
        stated = Layer(MappingSource.name, MappingSource(config, current_service))
        return [stated] if source is None else [stated, *sources_of(None, None, source, plugins)]
    if isinstance(source, str):
        return _named(source, "configure(source=...)", plugins)
    if source is not None:
        return [Layer(source.name or type(source).__name__, source)]
    if names := os.environ.get(SOURCE_VARIABLE):
        return _named(names, f"the variable {SOURCE_VARIABLE}", plugins)
    return [
        Layer(name, _OWN[name]() if name in _OWN else _DefaultSource(BY_NAME[name], plugins)) for name in PRECEDENCE
    ]


def _named(names: str, asked_by: str, plugins: Plugins) -> list[Layer]:
    words = [word.strip() for word in names.split(",") if word.strip()]
    if not words or len(set(words)) != len(words):
        raise ConfigError(asked_by, [("", "names a source twice" if words else "names no source")])
    return [Layer(word, _OWN[word]() if word in _OWN else _PluginSource(word, plugins, asked_by)) for word in words]


class _PluginSource(Source):
    """The source of a plugin, which must be installed. It is found on first use, and errors name the plugin."""

    def __init__(self, plugin: str, plugins: Plugins, asked_by: str) -> None:
        self._plugin = plugin
        self._plugins = plugins
        self._asked_by = asked_by

    @property
    def knows_current_service(self) -> bool:  # type: ignore[override]  # of an object that is found later
        return self._found().knows_current_service

    def load(self) -> Configuration:
        source = self._found()
        with self._plugins.blamed(self._plugin, self._asked_by, secrets=True):
            configuration: object = source.load()
        if not isinstance(configuration, Configuration):
            raise PluginError(
                f"{self._asked_by}: {self._plugins.owner(self._plugin)} loaded a {type(configuration).__name__}, where "
                "the contract asks for a Configuration"
            )
        return configuration

    def _found(self) -> Source:
        return self._plugins.get(Source, self._plugin, self._asked_by)


class _DefaultSource(Source):
    """A source that is skipped if disabled, if its platform's variable is not set or, without one, if not installed."""

    knows_current_service = False

    def __init__(self, about: Known, plugins: Plugins) -> None:
        self._about = about
        self._plugins = plugins
        self._asked_by = f"the variable {about.marker}" if about.marker else "the default sources"

    def load(self) -> Configuration:
        name = self._about.name
        if self._is_used():
            return _PluginSource(name, self._plugins, self._asked_by).load()
        return Configuration({}, None, f"the source {name!r}, which is not used")

    def _is_used(self) -> bool:
        name, marker = self._about.name, self._about.marker
        if marker and not os.environ.get(marker):
            return False
        installed = self._plugins.installed(name)
        is_disabled = disabled_names() & {name, self._about.distribution}
        if is_disabled or (installed and not self._plugins.usable(name)):
            return False
        # another kind of plugin may have the name
        return bool(marker or (installed and self._plugins.find(Source, name, self._asked_by) is not None))
