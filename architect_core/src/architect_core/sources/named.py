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
    Raises ConfigError if a source is named twice.
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
    if len(set(words)) != len(words):
        raise ConfigError(asked_by, [("", "names a source twice")])
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
    """A source that is skipped if it is disabled, or if it is not installed and its platform's variable is not set."""

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
        is_disabled = loading.disabled_names() & {name, self._about.distribution}
        if is_disabled or (installed and not self._plugins.usable(name)):
            return False
        # another kind of plugin may have the name
        return bool(marker or (installed and self._plugins.find(Source, name, self._asked_by)))
