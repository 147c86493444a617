"""What a dialect can express of all services and datastores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from architect_cli.dialects.dialect import differing, further
from architect_cli.dialects.urls import service_urls
from architect_core.contract import showable
from architect_core.exceptions import RunError
from architect_core.sources.binding_keys import CERTIFICATES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from architect_cli.dialects.dialect import Dialect, Form
    from architect_cli.resolved import Resolved
    from architect_core.exceptions import ArchitectError
    from architect_core.plugins import Plugins


@dataclass
class Export:
    """The result of an export.

    Attributes:
        exported: each exported item with the form that was chosen.
        notes: sentences on the parts of entries that were omitted.
        problems: an error for each item that was omitted.
    """

    exported: list[tuple[Resolved, Form]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[ArchitectError] = field(default_factory=list)


def export(items: Iterable[Resolved], dialect: Dialect, plugins: Plugins) -> Export:
    """Export each item in the first form that is read back as what was resolved.

    Raises:
        RunError: two items would have the same variable or folder.
    """
    made = Export()
    holders: dict[str, Resolved] = {}
    for item in items:
        if item.kind == "services" and item.entry.get("host") is None:  # such as the running one
            made.notes += _notes(item, {}, dialect)
            continue
        other = holders.setdefault(dialect.holder(item), item)
        if other is not item:
            raise RunError(
                f"{other.label} and {item.label} would both be {dialect.holder(item)}. Rename one of them, or export "
                "them as ARCHITECT"
            )
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
        fields = differing(item, dialect.source(item, form, plugins), plugins)
        if not fields:
            return form, ""
        reason = f"it so that it is read back as the same ({', '.join(fields)})"
    return None, reason


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
