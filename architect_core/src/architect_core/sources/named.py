"""The sources of a resolver: those in code, the core's own, and those of plugins by name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from architect_core.contract.source import SOURCE_VARIABLE, Configuration, Source
from architect_core.exceptions import ConfigError, PluginError
from architect_core.plugins import loading
from architect_core.plugins.known import PRECEDENCE, known
from architect_core.sources.catalog import Layer
from architect_core.sources.environment import EnvironmentSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from architect_core.plugins.registry import Plugins


def _local() -> Source:
    from architect_core.sources.local import LocalSource

    return LocalSource()


# not by entry points, which take milliseconds to search: most programs need no other source
_OWN: dict[str, Callable[[], Source]] = {"environment": EnvironmentSource, "local": _local}


def sources_of(
    config: Mapping[str, object] | None, current_service: str | None, source: Source | str | None, plugins: Plugins
) -> list[Layer]:
    """Returns the sources for the arguments of `configure()`, the first of which wins.

    Without `source`, they are those that `ARCHITECT_SOURCE` names, or those of `PRECEDENCE`; with `config`, none.

    Raises:
        ConfigError: a source is named twice.
    """
    if config is not None:
        from architect_core.sources.mapping import MappingSource

        stated = Layer(MappingSource.name, lambda: MappingSource(config, current_service))
        return [stated] if source is None else [stated, *sources_of(None, None, source, plugins)]
    if source is not None and not isinstance(source, str):
        return [Layer(source.name or type(source).__name__, lambda: source)]
    if source is not None:
        return _named(source, "configure(source=...)", plugins)
    names = os.environ.get(SOURCE_VARIABLE)
    if names:
        return _named(names, f"the variable {SOURCE_VARIABLE}", plugins)
    return [_default(name, plugins) for name in PRECEDENCE]


def _named(names: str, asked_by: str, plugins: Plugins) -> list[Layer]:
    words = [word.strip() for word in names.split(",") if word.strip()]
    if len(set(words)) != len(words):
        raise ConfigError(asked_by, [("", "names a source twice")])
    return [_required(word, asked_by, plugins) for word in words]


def _required(name: str, asked_by: str, plugins: Plugins) -> Layer:
    """A source that must be installed."""
    if name in _OWN:
        return Layer(name, _OWN[name])
    return Layer(name, lambda: plugins.get(Source, name, asked_by), _loader(name, asked_by, plugins))


def _default(name: str, plugins: Plugins) -> Layer:
    """A source that is skipped if it is disabled, or if it is not installed and its platform's variable is not set."""
    if name in _OWN:
        return Layer(name, _OWN[name])
    about = known(name)
    marker = about and about.marker
    asked_by = f"the variable {marker}" if marker else "the default sources"

    def find() -> Source | None:
        if marker and not os.environ.get(marker):
            return None
        installed = plugins.installed(name)
        is_disabled = about is not None and loading.disabled_names() & {name, about.distribution}
        if is_disabled or (installed and all(loading.is_disabled(entry) for entry in installed)):
            return None
        if marker:
            return plugins.get(Source, name, asked_by)
        # another kind of plugin may have the name
        return plugins.find(Source, name, asked_by) if installed else None

    return Layer(name, find, _loader(name, asked_by, plugins), names_service=False)


def _loader(name: str, asked_by: str, plugins: Plugins) -> Callable[[Source], Configuration]:
    """Returns a function that loads a plugin's source; what it raises names the plugin."""

    def load(source: Source) -> Configuration:
        with plugins.blamed(name, asked_by, secrets=True):
            configuration: object = source.load()
        if not isinstance(configuration, Configuration):
            raise PluginError(
                f"{asked_by}: {plugins.owner(name)} loaded a {type(configuration).__name__}, where the contract asks "
                "for a Configuration"
            )
        return configuration

    return load
