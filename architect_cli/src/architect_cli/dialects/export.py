"""What a dialect can express of all services and datastores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from architect_cli.dialects.dialect import differing
from architect_cli.dialects.urls import service_urls
from architect_core.contract import showable
from architect_core.exceptions import RunError
from architect_core.sources.binding_keys import CERTIFICATES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from architect_cli.dialects.dialect import Dialect, Form
    from architect_cli.dialects.place import Place
    from architect_core.exceptions import ArchitectError
    from architect_core.plugins import Plugins


@dataclass
class Export:
    """The result of an export.

    Attributes:
        said: each exported place with the form that was chosen.
        notes: sentences on the parts of entries that were omitted.
        problems: an error for each place that was omitted.
    """

    said: list[tuple[Place, Form]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[ArchitectError] = field(default_factory=list)


def export(places: Iterable[Place], dialect: Dialect, plugins: Plugins) -> Export:
    """Export each place in the first form that is read back as what was resolved.

    Raises:
        RunError: two places would have the same variable or folder.
    """
    made = Export()
    holders: dict[str, Place] = {}
    for place in places:
        if place.is_nowhere:
            made.notes += _notes(place, {}, dialect)
            continue
        other = holders.setdefault(dialect.holder(place), place)
        if other is not place:
            raise RunError(
                f"{other.label} and {place.label} would both be {dialect.holder(place)}. Rename one of them, or export "
                "them as ARCHITECT"
            )
        form, reason = _chosen(place, dialect, plugins)
        if form is None:
            made.problems.append(
                RunError(f"{place.label} is omitted: {dialect.name} cannot express {reason}. Export it as ARCHITECT")
            )
        else:
            made.said.append((place, form))
            made.notes += _notes(place, form, dialect)
    return made


def _chosen(place: Place, dialect: Dialect, plugins: Plugins) -> tuple[Form | None, str]:
    """A form that is read back as the same; or None and the reason."""
    reason = "an address that is no URL"
    for form in dialect.forms(place):
        fields = differing(place, dialect.source(place, form, plugins), plugins)
        if not fields:
            return form, ""
        reason = f"it so that it is read back as the same ({', '.join(fields)})"
    return None, reason


def _notes(place: Place, form: Form, dialect: Dialect) -> list[str]:
    carried = set(dialect.carried(form))
    unsaid = [showable(key) for key in place.further if key not in carried]
    several = len(place.entry.get("instances") or ())
    if several > 1 and not (dialect.several and len(service_urls(place.entry)) == several):
        unsaid.append("instances but the first")
    elif any("weight" in each for each in place.entry.get("instances") or ()) and "instances" not in carried:
        unsaid.append("the instances' weights")
    notes = [f"{place.label}: {dialect.name} cannot express {', '.join(unsaid)}; omitted"] if unsaid else []
    options = place.credentials.options if place.credentials is not None else {}
    paths = [key for key in dict.fromkeys(CERTIFICATES.values()) if key in options and key not in carried]
    if paths:
        notes.append(f"{place.label}: {', '.join(paths)}: only the path is exported, the file must exist there too")
    return notes
