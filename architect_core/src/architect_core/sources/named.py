"""Sources by name: the core's own, and those of plugins."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from architect_core.contract.source import Configuration, Source
from architect_core.exceptions import ConfigError, PluginError
from architect_core.plugins import loading
from architect_core.plugins.known import PRECEDENCE, known
from architect_core.sources.catalog import NamedSource
from architect_core.sources.environment import EnvironmentSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from architect_core.plugins.registry import Plugins


def _local() -> Source:
    from architect_core.sources.local import LocalSource

    return LocalSource()


# not by entry points, which take milliseconds to search: most programs need no other source
_OWN: dict[str, Callable[[], Source]] = {"environment": EnvironmentSource, "local": _local}


def default_sources(plugins: Plugins) -> list[NamedSource]:
    """The sources that are read by default, in the order of `PRECEDENCE`.

    A source that is not installed, or that `ARCHITECT_DISABLED_PLUGINS` names, is skipped. But if the variable of its
    platform is set, one that is not installed raises NoPluginError when the catalogue reaches it.
    """
    return [_own(name) if name in _OWN else _default(name, plugins) for name in PRECEDENCE]


def sources_named(names: str, asked_by: str, plugins: Plugins) -> list[NamedSource]:
    """The sources that a text such as "bindings,urls" names, in its order.

    Args:
        names: names of sources, separated by commas.
        asked_by: what named them, for messages.
        plugins: where those that are not the core's own are looked up, on first use.

    Raises:
        ConfigError: a name is there twice.
    """
    words = [word.strip() for word in names.split(",") if word.strip()]
    if len(set(words)) != len(words):
        raise ConfigError(asked_by, [("", "names a source twice")])
    return [_own(word) if word in _OWN else _plugin(word, asked_by, plugins) for word in words]


def _own(name: str) -> NamedSource:
    return NamedSource(name, _OWN[name])


def _plugin(name: str, asked_by: str, plugins: Plugins) -> NamedSource:
    def load(source: Source) -> Configuration:
        with plugins.blamed(name, asked_by, secrets=True):
            configuration: object = source.load()
        if not isinstance(configuration, Configuration):
            raise PluginError(
                f"{asked_by}: {plugins.owner(name)} loaded a {type(configuration).__name__}, where the contract asks "
                "for a Configuration"
            )
        return configuration

    return NamedSource(name, lambda: plugins.get(Source, name, asked_by), load)


def _default(name: str, plugins: Plugins) -> NamedSource:
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

    return replace(_plugin(name, asked_by, plugins), find=find, names_service=False)
