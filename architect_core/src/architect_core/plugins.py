"""Finds plugins by entry-point name and loads each on first use, so that one cannot harm the users of another."""

from __future__ import annotations

import threading
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

import pluggy

from architect_core import contract, hookspecs
from architect_core.exceptions import NoPluginError, PluginError

Provided = TypeVar("Provided")

_HOOKS: dict[type[Any], str] = {
    contract.ClientFactory: "architect_client_factory",
    contract.EventPublisher: "architect_event_publisher",
    contract.CredentialParser: "architect_credential_parser",
    contract.StubGenerator: "architect_stub_generator",
    contract.DatastoreProvisioner: "architect_datastore_provisioner",
}


class Plugins:
    """The installed plugins."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._provided: dict[tuple[type[Any], str], Any] = {}

    def names(self) -> list[str]:
        """The protocols and engines that installed plugins serve; none is loaded for it."""
        return sorted({entry.name for entry in entry_points(group=hookspecs.GROUP)})

    def find(self, kind: type[Provided], name: str, asked_by: str) -> Provided | None:
        """What the plugin `name` provides of `kind`, or None where it has no such hook. The plugin is loaded for it.

        Args:
            kind: one of the classes of `architect_core.contract`.
            name: the protocol or engine, which is the entry point's name.
            asked_by: for error messages, such as "service 'acme/billing'".

        Raises:
            NoPluginError: no installed distribution has such an entry point.
            PluginError: the plugin is broken, or several distributions claim the name.
        """
        with self._lock:
            if (kind, name) not in self._provided:
                self._provided[kind, name] = self._load(kind, name, asked_by)
            provided: Provided | None = self._provided[kind, name]
            return provided

    def get(self, kind: type[Provided], name: str, asked_by: str) -> Provided:
        """The same, where a plugin without such a hook is an error.

        Raises:
            NoPluginError: no installed distribution serves `name`.
            PluginError: the plugin is broken, or does not provide a `kind`.
        """
        provided = self.find(kind, name, asked_by)
        if provided is None:
            raise PluginError(
                f"{asked_by}: the plugin {name!r} is installed and has no hook {_HOOKS[kind]}, which this needs"
            )
        return provided

    def _load(self, kind: type[Provided], name: str, asked_by: str) -> Provided | None:
        entry = self._entry(name, asked_by)
        owner = f"the plugin {name!r} of {_distribution(entry)}"
        manager = self._registered(entry, owner, asked_by)
        try:
            results = getattr(manager.hook, _HOOKS[kind])()
        except Exception as problem:  # whatever a plugin raises is told with its name
            raise PluginError(f"{asked_by}: {owner} failed in {_HOOKS[kind]}: {_described(problem)}") from problem
        if not results:
            return None
        if not isinstance(results[0], kind):
            raise PluginError(
                f"{asked_by}: {owner} returned a {type(results[0]).__name__} from {_HOOKS[kind]}, "
                f"where the contract asks for a {kind.__name__}"
            )
        return results[0]

    def _entry(self, name: str, asked_by: str) -> EntryPoint:
        # one distribution found twice on sys.path is one
        found = {(_distribution(entry), entry.value): entry for entry in entry_points(group=hookspecs.GROUP, name=name)}
        if not found:
            raise NoPluginError(name, self.names(), asked_by)
        if len(found) > 1:
            owners = ", ".join(sorted(owner for owner, _ in found))
            raise PluginError(f"{asked_by}: several distributions serve {name!r}: {owners}. Uninstall all but one")
        return next(iter(found.values()))

    def _registered(self, entry: EntryPoint, owner: str, asked_by: str) -> pluggy.PluginManager:
        try:
            plugin: object = entry.load()
        except (Exception, SystemExit) as problem:
            raise PluginError(f"{asked_by}: {owner} cannot be imported: {_described(problem)}") from problem
        # a manager for it alone: one for all would compare and hash plugins, whatever they are, with each other
        manager = pluggy.PluginManager(hookspecs.GROUP)
        manager.add_hookspecs(hookspecs)
        try:
            manager.register(plugin, name=entry.value)
            manager.check_pending()
        except Exception as problem:
            raise PluginError(f"{asked_by}: {owner} breaks the plugin contract: {problem}") from problem
        return manager

    def _after_fork_in_child(self) -> None:
        self._lock = threading.RLock()  # another thread of the parent may have held it


def _distribution(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown distribution"


def _described(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {problem}"
