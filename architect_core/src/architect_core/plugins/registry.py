"""Finds plugins by entry-point name and loads each on first use, so that a broken one harms only its own users."""

from __future__ import annotations

from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, TypeVar

from architect_core._runtime.fork import ForkSafeLock
from architect_core._runtime.once import once
from architect_core.contract.hooks import GROUP
from architect_core.contract.provided import Provided
from architect_core.exceptions import ArchitectError, NoPluginError, PluginError
from architect_core.plugins import loading
from architect_core.plugins.known import remedy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import EntryPoint, EntryPoints

Kind = TypeVar("Kind", bound=Provided)


class Plugins:
    """The installed plugins."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._provided: dict[tuple[type[Any], str], Any] = {}

    def names(self) -> list[str]:
        """The names that installed plugins serve; none is loaded for it."""
        return sorted(self._entry_points.names)

    def installed(self, name: str) -> list[EntryPoint]:
        """The entry points of that name, disabled ones included; no plugin is loaded."""
        return loading.unique(self._entry_points.select(name=name))

    def find(self, kind: type[Kind], name: str, asked_by: str) -> Kind | None:
        """Load the plugin `name` and return what it provides of `kind`, or None if it has no such hook.

        Args:
            kind: one of the classes of `architect_core.contract`, or `Source`.
            name: the protocol or engine, which is the entry point's name.
            asked_by: for error messages, such as "service 'acme/billing'".

        Raises:
            NoPluginError: no installed distribution has such an entry point.
            PluginError: the plugin is broken or disabled, or several distributions claim the name.
        """
        with self._lock:
            if (kind, name) not in self._provided:
                self._provided[kind, name] = self._load(kind, name, asked_by)
            provided: Kind | None = self._provided[kind, name]
            return provided

    def get(self, kind: type[Kind], name: str, asked_by: str) -> Kind:
        """The same, but a plugin without such a hook is an error.

        Raises:
            NoPluginError: no installed distribution serves `name`.
            PluginError: the plugin is broken or disabled, or does not provide a `kind`.
        """
        provided = self.find(kind, name, asked_by)
        if provided is None:
            raise PluginError(f"{asked_by}: {self.owner(name)} has no hook {kind.hook}, which this needs")
        return provided

    def owner(self, name: str) -> str:
        """The plugin `name` with its distribution, for messages: "the plugin 'rest' of architect-rest 0.3.0"."""
        usable = [entry for entry in self.installed(name) if not loading.is_disabled(entry)]
        return _owner(usable[0]) if usable else f"the plugin {name!r}"

    @contextmanager
    def blamed(self, name: str, asked_by: str, *, secrets: bool = False) -> Iterator[None]:
        """Turn any exception but an ArchitectError into a PluginError that names the plugin `name`.

        The original is its cause; its text is not repeated, because it may hold configured values.
        """
        try:
            yield
        except ArchitectError:
            raise
        except (Exception, SystemExit) as problem:
            error = PluginError(f"{asked_by}: {self.owner(name)} failed with a {type(problem).__name__}")
            error.may_hold_secrets = secrets
            raise error from problem

    @once
    def _entry_points(self) -> EntryPoints:
        """Those of all plugins, searched once: the metadata of every installed distribution takes milliseconds."""
        return entry_points(group=GROUP)

    def _load(self, kind: type[Kind], name: str, asked_by: str) -> Kind | None:
        entry = self._entry(name, asked_by)
        try:
            provided: Kind | None = loading.call(loading.load(entry), kind)
        except loading.BrokenError as problem:
            reason, cause = str(problem), problem.__cause__
        else:
            return provided
        raise PluginError(f"{asked_by}: {_owner(entry)} {reason}") from cause

    def _entry(self, name: str, asked_by: str) -> EntryPoint:
        found = self.installed(name)
        usable = [entry for entry in found if not loading.is_disabled(entry)]
        if not found:
            raise NoPluginError(name, self.names(), asked_by, remedy(name))
        if not usable:
            raise PluginError(f"{asked_by}: {_owner(found[0])} is disabled by {loading.DISABLED_VARIABLE}")
        if len(usable) > 1:
            owners = ", ".join(loading.distribution(entry) for entry in usable)
            raise PluginError(
                f"{asked_by}: several distributions serve {name!r}: {owners}. Uninstall all but one, or name the "
                f"others in {loading.DISABLED_VARIABLE}"
            )
        return usable[0]


def _owner(entry: EntryPoint) -> str:
    return f"the plugin {entry.name!r} of {loading.distribution(entry)}"
