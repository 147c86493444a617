"""Finds plugins by entry-point name and loads each on first use, so that a broken one affects only its own users."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, EntryPoints, entry_points, version
from importlib.util import find_spec
from inspect import isroutine
from pathlib import Path
from typing import Any, TypeVar

import pluggy
from pydantic import BaseModel

from architect_core._runtime import ForkSafeLock, once
from architect_core.contract import hooks
from architect_core.contract.hooks import Provided
from architect_core.exceptions import ArchitectError, NoPluginError, PluginError
from architect_core.plugins.known import remedy

Kind = TypeVar("Kind", bound=Provided)

DISABLED_VARIABLE = "ARCHITECT_DISABLED_PLUGINS"
VERSION_ATTRIBUTE = "ARCHITECT_CONTRACT"


@pluggy.HookspecMarker(hooks.GROUP)
def _without_arguments() -> None: ...


_SPECIFICATIONS = type("Specifications", (), {kind.hook: _without_arguments for kind in hooks.kinds()})


class BrokenError(Exception):
    """A plugin breaks the contract; the text says how, and does not name the plugin: "cannot be imported: ..."."""


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
        return installed(name, self._entry_points)

    def usable(self, name: str) -> list[EntryPoint]:
        """Returns the entry points of that name that are not disabled."""
        return [entry for entry in self.installed(name) if not is_disabled(entry)]

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
        return entry_points(group=hooks.GROUP)

    def _load(self, kind: type[Kind], name: str, asked_by: str) -> Kind | None:
        found, usable = self.installed(name), self.usable(name)
        if not found:
            alike = [each for each in self.names() if ("." in each) == ("." in name)]  # channels are "events.rest"
            raise NoPluginError(name, alike, asked_by, remedy(name))
        if not usable:
            raise PluginError(f"{asked_by}: {_owner(found[0])} is disabled by {DISABLED_VARIABLE}")
        if len(usable) > 1:
            owners = ", ".join(distribution(entry) for entry in usable)
            raise PluginError(
                f"{asked_by}: several distributions serve {name!r}: {owners}. Uninstall all but one, or name the "
                f"others in {DISABLED_VARIABLE}"
            )
        try:
            provided: Kind | None = call(load(usable[0]), kind)
        except BrokenError as problem:
            raise PluginError(f"{asked_by}: {_owner(usable[0])} {problem}") from problem.__cause__
        return provided


def _owner(entry: EntryPoint) -> str:
    return f"the plugin {entry.name!r} of {distribution(entry)}"


def installed(name: str | None = None, among: EntryPoints | None = None) -> list[EntryPoint]:
    """Returns all entry points, or those named `name`, sorted and without duplicates.

    `among` are all that there are, to search only once: reading every distribution's metadata takes milliseconds.
    """
    entries = entry_points(group=hooks.GROUP) if among is None else among
    if name is not None:
        entries = entries.select(name=name)
    if len(entries) < 2:  # the distribution's metadata takes milliseconds to read
        return list(entries)
    found = {(entry.name, distribution(entry), entry.value): entry for entry in entries}
    return [found[key] for key in sorted(found)]


def distribution(entry: EntryPoint) -> str:
    """Returns the name and version of an entry point's distribution: "architect-rest 0.3.0"."""
    name, version_found = named(entry)
    return f"{name} {version_found}".rstrip() if name else "an unknown distribution"


def named(entry: EntryPoint) -> tuple[str, str]:
    """Returns the name and the version of an entry point's distribution; empty if its metadata is damaged."""
    metadata: object = entry.dist and entry.dist.metadata
    name, found = (metadata["Name"], metadata["Version"]) if metadata else (None, None)  # type: ignore[index]
    return name or "", found or ""


def is_disabled(entry: EntryPoint) -> bool:
    """Returns whether `ARCHITECT_DISABLED_PLUGINS` has the name of a plugin or of its distribution."""
    disabled = disabled_names()
    return bool(disabled) and (entry.name in disabled or normalised(named(entry)[0]) in disabled)


def disabled_names() -> set[str]:
    """Returns the names in `ARCHITECT_DISABLED_PLUGINS`, which are separated by commas, as written and normalised."""
    words = os.environ.get(DISABLED_VARIABLE, "").split(",")
    return {form for word in words if word.strip() for form in (word.strip(), normalised(word.strip()))}


def normalised(distribution: str) -> str:
    """Returns the normal form of a distribution's name (PEP 503).

    >>> normalised("Architect.Sources")
    'architect-sources'
    """
    return re.sub(r"[-_.]+", "-", distribution).lower()


def load(entry: EntryPoint) -> pluggy.PluginManager:
    """Imports a plugin and registers its hooks; raises BrokenError if it or the installed `architect.sdk` is broken."""
    if collision := facade_problem():
        raise BrokenError(f"cannot be used: {collision}")
    with _broken("cannot be imported"):
        plugin: object = entry.load()
    # a manager for it alone: one for all would compare and hash plugins, whatever they are, with each other
    manager = pluggy.PluginManager(hooks.GROUP)
    manager.add_hookspecs(_SPECIFICATIONS)
    with _broken("breaks the plugin contract"):
        stated = getattr(plugin, VERSION_ATTRIBUTE, getattr(sys.modules.get(entry.module), VERSION_ATTRIBUTE, None))
        _check_version(stated)
        manager.register(plugin, name=entry.value)
        manager.check_pending()
        for name in dir(plugin):
            is_hook = name.startswith("architect_") and isroutine(getattr(plugin, name))
            if is_hook and manager.parse_hookimpl_opts(plugin, name) is None:
                raise BrokenError(f"breaks the plugin contract: {name} is not marked with @hookimpl")
    return manager


def call(manager: pluggy.PluginManager, kind: type[Any]) -> Any:
    """Calls the plugin's hook for `kind`; returns None if it has none, and raises BrokenError if that is broken."""
    with _broken(f"failed in {kind.hook}"):
        results = getattr(manager.hook, kind.hook)()
    if not results:
        return None
    provided = results[0]
    if not isinstance(provided, kind):
        what = f"the class {provided.__name__}" if isinstance(provided, type) else f"a {type(provided).__name__}"
        raise BrokenError(f"returned {what} from {kind.hook}, where the contract asks for a {kind.__name__}")
    options = getattr(provided, "Options", BaseModel)
    if not (isinstance(options, type) and issubclass(options, BaseModel)):
        raise BrokenError(f"breaks the plugin contract: {kind.__name__}.Options is no pydantic model")
    return provided


def facade_problem() -> str | None:
    """Returns what is wrong with the installed `architect.sdk` and the command that repairs it, or None.

    Python imports the package `architect/sdk/` of architect-sdk 0.2.1 and not the module `architect/sdk.py`, whichever
    of the two was installed first. The module is not imported to find out.
    """
    spec = find_spec("architect.sdk")
    try:
        if spec is None or spec.origin is None or b"architect_core" in Path(spec.origin).read_bytes():
            return None
    except OSError:  # in an archive or a packed program, which pip does not change
        return None
    return (
        "architect.sdk is the one of architect-sdk 0.2.1, which hides architect-core's. "
        "To remove it, run: pip uninstall --yes architect-sdk"
    )


@contextmanager
def _broken(what: str) -> Iterator[None]:
    """Turns whatever a plugin raises into a BrokenError."""
    try:
        yield
    except BrokenError:
        raise
    except (Exception, SystemExit) as problem:
        try:
            text = str(problem)
        except Exception:  # noqa: BLE001 - it is the plugin's own
            text = "it cannot say why"
        kind = "" if isinstance(problem, pluggy.PluginValidationError) else f"{type(problem).__name__}: "
        raise BrokenError(f"{what}: {kind}{text}") from problem


def _check_version(stated: object) -> None:
    oldest, newest = hooks.OLDEST_CONTRACT, hooks.CONTRACT
    if not isinstance(stated, int) or isinstance(stated, bool):
        raise BrokenError(
            "breaks the plugin contract: it does not say for which version of the contract it was written. "
            f"Add {VERSION_ATTRIBUTE} = {newest} to it"
        )
    if not oldest <= stated <= newest:
        served = f"version {newest}" if oldest == newest else f"versions {oldest} to {newest}"
        upgrade = "pip install --upgrade architect-core" if stated > newest else "Upgrade the plugin"
        raise BrokenError(
            f"was written for version {stated} of the plugin contract, and architect-core {version('architect-core')} "
            f"has {served}. {upgrade}"
        )
