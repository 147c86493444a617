"""The sources of a resolver: those in code, the core's own, and those of plugins by name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from architect_core.contract.source import SOURCE_VARIABLE, Configuration, Source
from architect_core.exceptions import ConfigError, PluginError
from architect_core.plugins import loading
from architect_core.plugins.known import BY_NAME, PRECEDENCE
from architect_core.sources.catalog import Layer
from architect_core.sources.variables import EnvironmentSource, LocalSource, MappingSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.plugins.known import Known
    from architect_core.plugins.registry import Plugins

# not by entry points, which take milliseconds to search: most programs need no other source
_OWN = {source.name: source for source in (EnvironmentSource, LocalSource)}


def sources_of(
    config: Mapping[str, object] | None, current_service: str | None, source: Source | str | None, plugins: Plugins
) -> list[Layer]:
    """Returns the sources for the arguments of `configure()`, the first of which wins.

    Without `source`, they are those that `ARCHITECT_SOURCE` names, or those of `PRECEDENCE`; with `config`, none.

    Raises:
        ConfigError: a source is named twice.
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
    return [Layer(name, _OWN[name]()) if name in _OWN else _DefaultLayer(BY_NAME[name], plugins) for name in PRECEDENCE]


def _named(names: str, asked_by: str, plugins: Plugins) -> list[Layer]:
    words = [word.strip() for word in names.split(",") if word.strip()]
    if len(set(words)) != len(words):
        raise ConfigError(asked_by, [("", "names a source twice")])
    return [Layer(word, _OWN[word]()) if word in _OWN else _PluginLayer(word, plugins, asked_by) for word in words]


class _PluginLayer(Layer):
    """The source of a plugin, which must be installed."""

    def __init__(self, name: str, plugins: Plugins, asked_by: str) -> None:
        super().__init__(name)
        self._plugins = plugins
        self._asked_by = asked_by

    def _find(self) -> Source | None:
        return self._plugins.get(Source, self.name, self._asked_by)

    def _load(self, source: Source) -> Configuration:
        with self._plugins.blamed(self.name, self._asked_by, secrets=True):
            configuration: object = source.load()
        if not isinstance(configuration, Configuration):
            raise PluginError(
                f"{self._asked_by}: {self._plugins.owner(self.name)} loaded a {type(configuration).__name__}, where "
                "the contract asks for a Configuration"
            )
        return configuration


class _DefaultLayer(_PluginLayer):
    """A source that is skipped if it is disabled, or if it is not installed and its platform's variable is not set."""

    names_service = False

    def __init__(self, about: Known, plugins: Plugins) -> None:
        self._about = about
        super().__init__(about.name, plugins, f"the variable {about.marker}" if about.marker else "the default sources")

    def _find(self) -> Source | None:
        marker = self._about.marker
        if marker and not os.environ.get(marker):
            return None
        installed = self._plugins.installed(self.name)
        is_disabled = loading.disabled_names() & {self.name, self._about.distribution}
        if is_disabled or (installed and all(loading.is_disabled(entry) for entry in installed)):
            return None
        if marker:
            return super()._find()
        # another kind of plugin may have the name
        return self._plugins.find(Source, self.name, self._asked_by) if installed else None
