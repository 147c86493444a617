"""What the source of a platform can express of all services and datastores."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from architect_cli.dialects.urls import datastore_urls, service_urls
from architect_core.contract import Credentials, ExportTarget, showable
from architect_core.exceptions import ArchitectError, RunError
from architect_core.resolver import Resolver
from architect_core.schema import DatastoreConfig, ServiceConfig

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from architect_cli.resolved import Resolved
    from architect_core.contract import Exporter, Form, Source
    from architect_core.plugins import Plugins

_COMPARED = ("engine", "hosts", "username", "password", "name", "options")
# options of a datastore that name a file
_FILES = ("ca", "certificate", "key")
# fields that are exported by other means
_EXPORTED = {
    "services": set(ServiceConfig.model_fields) - {"options", "subscriptions"},
    "datastores": {*DatastoreConfig.model_fields, "connection_string", "hosts"},
}


@dataclass
class Export:
    """The chosen forms, notes on omitted parts, and an error for each omitted item."""

    forms: list[Form] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[ArchitectError] = field(default_factory=list)


def export(found: Sequence[Resolved], name: str, exporter: Exporter, resolver: Resolver, plugins: Plugins) -> Export:
    """Export each item, for the platform `name`, in the first form that is read back as what was resolved.

    Raises RunError if two items would have the same variable or folder.
    """
    made = Export()
    holders: dict[str, Resolved] = {}
    for each in found:
        credentials = None if each.kind == "services" else Credentials("", {})  # the real ones may be malformed
        target = ExportTarget(each.name, each.entry, (), credentials)
        if each.is_nowhere:
            made.notes += _notes(each, target, (), name)
            continue
        holder = exporter.holder(target)
        other = holders.setdefault(holder, each)
        if other is not each:
            raise RunError(
                f"{other.label} and {each.label} would both be {holder}. Rename one of them, or export "
                "them as ARCHITECT"
            )
        try:
            target = _target(each, resolver)
        except ArchitectError as problem:
            made.problems.append(problem)
            continue
        form, reason = _chosen(target, exporter, plugins)
        if form is None:
            made.problems.append(
                RunError(f"{each.label} is omitted: {name} cannot express {reason}. Export it as ARCHITECT")
            )
        else:
            made.forms.append(form)
            made.notes += _notes(each, target, form.kept, name)
    return made


def _target(item: Resolved, resolver: Resolver) -> ExportTarget:
    if item.kind == "services":
        return ExportTarget(item.name, item.entry, service_urls(item.entry))
    credentials = resolver.datastore(item.name)
    return ExportTarget(item.name, item.entry, datastore_urls(credentials), credentials)


def _chosen(target: ExportTarget, exporter: Exporter, plugins: Plugins) -> tuple[Form | None, str]:
    """A form that is read back as the same; or None and the reason."""
    reason = "an address that is no URL"
    for form in exporter.forms(target):
        fields = _differing(target, form.source, plugins)
        if not fields:
            return form, ""
        reason = f"it so that it is read back as the same ({', '.join(fields)})"
    return None, reason


def _differing(target: ExportTarget, source: Source, plugins: Plugins) -> list[str]:
    """The fields that differ between `source` and what was resolved; of several instances, the first is enough."""
    resolver = Resolver(source=source, plugins=plugins, root=os.devnull)  # without a manifest
    try:
        if target.credentials is not None:
            return _differing_credentials(target.credentials, resolver.datastore(target.name))
        read = resolver.service(target.name).config
    except ArchitectError:
        return ["all of it"]
    wanted, urls = list(target.urls), service_urls(read)
    fields = [] if read.get("api") == target.entry.get("api") else ["api"]
    return fields if urls in (wanted, wanted[:1]) else [*fields, "host"]


def _differing_credentials(wanted: Credentials, read: Credentials) -> list[str]:
    fields = [name for name in _COMPARED if getattr(wanted, name) != getattr(read, name)]
    schemes = {(each.url or "").partition("://")[0] for each in (wanted, read)}
    return fields if len(schemes) == 1 else [*fields, "url"]


def _notes(item: Resolved, target: ExportTarget, kept: Collection[str], name: str) -> list[str]:
    entry: dict[str, Any] = item.entry
    further = [key for key, value in entry.items() if key not in _EXPORTED[item.kind] and value]
    omitted = [showable(key) for key in further if key not in kept]
    several = len(entry.get("instances") or ())
    if several > 1 and not ("instances" in kept and len(target.urls) == several):
        omitted.append("instances but the first")
    elif any("weight" in each for each in entry.get("instances") or ()) and "instances.weight" not in kept:
        omitted.append("the instances' weights")
    notes = [f"{item.label}: {name} cannot express {', '.join(omitted)}; omitted"] if omitted else []
    options = {} if target.credentials is None else target.credentials.options
    paths = [key for key in _FILES if key in options and key not in kept]
    if paths:
        notes.append(f"{item.label}: {', '.join(paths)}: only the path is exported, the file must exist there too")
    return notes
