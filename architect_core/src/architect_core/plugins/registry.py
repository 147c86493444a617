"""Finds plugins by entry-point name and loads each on first use, so that a broken one affects only its own users."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from architect_core._runtime import ForkSafeLock, once
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
        """Returns the names of all installed plugins, sorted; none is loaded."""
        return sorted(self._entry_points.names)

    def installed(self, name: str) -> list[EntryPoint]:
        """Returns the entry points of that name, disabled ones included; no plugin is loaded."""
        return loading.installed(name, self._entry_points)

    def usable(self, name: str) -> list[EntryPoint]:
        """Returns the entry points of that name that are not disabled."""
        return [entry for entry in self.installed(name) if not loading.is_disabled(entry)]

    def find(self, kind: type[Kind], name: str, asked_by: str) -> Kind | None:
        """Loads the plugin `name` and returns what it provides of `kind`, or None if it has no such hook.

        `asked_by` is for error messages, such as "service 'acme/billing'".

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
        """Like `find`, but raises PluginError if the plugin has no such hook."""
        provided = self.find(kind, name, asked_by)
        if provided is None:
            raise PluginError(f"{asked_by}: {self.owner(name)} has no hook {kind.hook}, which this needs")
        return provided

    def owner(self, name: str) -> str:
        """Returns the plugin `name` with its distribution: "the plugin 'rest' of architect-rest 0.3.0"."""
        usable = self.usable(name)
        return _owner(usable[0]) if usable else f"the plugin {name!r}"

    @contextmanager
    def blamed(self, name: str, asked_by: str, *, secrets: bool = False) -> Iterator[None]:
        """Turns any exception but an ArchitectError into a PluginError that names the plugin.

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
        return loading.search()

    def _load(self, kind: type[Kind], name: str, asked_by: str) -> Kind | None:
        found, usable = self.installed(name), self.usable(name)
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
        try:
            provided: Kind | None = loading.call(loading.load(usable[0]), kind)
        except loading.BrokenError as problem:
            raise PluginError(f"{asked_by}: {_owner(usable[0])} {problem}") from problem.__cause__
        return provided


def _owner(entry: EntryPoint) -> str:
    return f"the plugin {entry.name!r} of {loading.distribution(entry)}"
