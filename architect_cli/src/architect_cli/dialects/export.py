"""What a dialect can express of all services and datastores."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from architect_cli.dialects.dialect import further, service_urls
from architect_cli.resolved import given
from architect_core.contract import showable
from architect_core.exceptions import ArchitectError, RunError
from architect_core.resolver import Resolver
from architect_core.sources.binding_keys import CERTIFICATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from architect_cli.dialects.dialect import Dialect, Form
    from architect_cli.resolved import Resolved
    from architect_core.contract import Credentials, Source
    from architect_core.plugins import Plugins

_COMPARED = ("engine", "hosts", "username", "password", "name", "options")


@dataclass
class Export:
    """The exported items with the chosen forms, notes on omitted parts, and an error for each omitted item."""

    exported: list[tuple[Resolved, Form]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[ArchitectError] = field(default_factory=list)


def export(found: Sequence[Resolved], dialect: Dialect, resolver: Resolver, plugins: Plugins) -> Export:
    """Export each item in the first form that is read back as what was resolved.

    Raises RunError if two items would have the same variable or folder.
    """
    made = Export()
    holders: dict[str, Resolved] = {}
    for each in found:
        if each.is_nowhere:
            made.notes += _notes(each, {}, dialect)
            continue
        holder = dialect.holder(each)
        other = holders.setdefault(holder, each)
        if other is not each:
            raise RunError(
                f"{other.label} and {each.label} would both be {holder}. Rename one of them, or export "
                "them as ARCHITECT"
            )
        try:
            item = replace(each, credentials=resolver.datastore(each.name)) if each.kind == "datastores" else each
        except ArchitectError as problem:
            made.problems.append(problem)
            continue
        form, reason = _chosen(item, dialect, plugins)
        if form is None:
            made.problems.append(
                RunError(f"{item.label} is omitted: {dialect.name} cannot express {reason}. Export it as ARCHITECT")
            )
        else:
            made.exported.append((item, form))
            made.notes += _notes(item, form, dialect)
    return made


def _chosen(item: Resolved, dialect: Dialect, plugins: Plugins) -> tuple[Form | None, str]:
    """A form that is read back as the same; or None and the reason."""
    reason = "an address that is no URL"
    for form in dialect.forms(item):
        fields = _differing(item, dialect.source(item, form, plugins), plugins)
        if not fields:
            return form, ""
        reason = f"it so that it is read back as the same ({', '.join(fields)})"
    return None, reason


def _differing(item: Resolved, source: Source, plugins: Plugins) -> list[str]:
    """The fields that differ between `source` and what was resolved; of several instances, the first is enough."""
    resolver = Resolver(source=source, plugins=plugins, root=os.devnull)  # without a manifest
    try:
        if item.credentials is not None:
            return _differing_credentials(item.credentials, resolver.datastore(item.name))
        read = given(resolver.service(item.name).config)
    except ArchitectError:
        return ["all of it"]
    wanted, urls = service_urls(item.entry), service_urls(read)
    fields = [] if read.get("api") == item.entry.get("api") else ["api"]
    return fields if urls in (wanted, wanted[:1]) else [*fields, "host"]


def _differing_credentials(wanted: Credentials, read: Credentials) -> list[str]:
    fields = [name for name in _COMPARED if getattr(wanted, name) != getattr(read, name)]
    schemes = {(each.url or "").partition("://")[0] for each in (wanted, read)}
    return fields if len(schemes) == 1 else [*fields, "url"]


def _notes(item: Resolved, form: Form, dialect: Dialect) -> list[str]:
    carried = set(dialect.carried(form))
    omitted = [showable(key) for key in further(item) if key not in carried]
    several = len(item.entry.get("instances") or ())
    if several > 1 and not (dialect.several and len(service_urls(item.entry)) == several):
        omitted.append("instances but the first")
    elif any("weight" in each for each in item.entry.get("instances") or ()) and "instances" not in carried:
        omitted.append("the instances' weights")
    notes = [f"{item.label}: {dialect.name} cannot express {', '.join(omitted)}; omitted"] if omitted else []
    options = item.credentials.options if item.credentials is not None else {}
    paths = [key for key in dict.fromkeys(CERTIFICATES.values()) if key in options and key not in carried]
    if paths:
        notes.append(f"{item.label}: {', '.join(paths)}: only the path is exported, the file must exist there too")
    return notes
