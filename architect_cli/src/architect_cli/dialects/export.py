"""What of all places a dialect can say, and what it cannot."""

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
    """What a dialect says.

    Attributes:
        said: each place with the form that says it.
        notes: sentences on parts that it does not say.
        problems: an error for each place that it does not say at all.
    """

    said: list[tuple[Place, Form]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[ArchitectError] = field(default_factory=list)


def export(places: Iterable[Place], dialect: Dialect, plugins: Plugins) -> Export:
    """Say each place in the first form that is read as what was resolved, so that nothing is exported wrong.

    Raises:
        RunError: two places would be held by one variable or folder.
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
                RunError(f"{place.label} is left out: {dialect.name} cannot say {reason}. Export it as ARCHITECT")
            )
        else:
            made.said.append((place, form))
            made.notes += _notes(place, form, dialect)
    return made


def _chosen(place: Place, dialect: Dialect, plugins: Plugins) -> tuple[Form | None, str]:
    """A form, or none and what keeps it from being read as the same."""
    reason = "what has no URL"
    for form in dialect.forms(place):
        fields = differing(place, dialect.source(place, form, plugins), plugins)
        if not fields:
            return form, ""
        reason = f"it so that it is read as the same ({', '.join(fields)})"
    return None, reason


def _notes(place: Place, form: Form, dialect: Dialect) -> list[str]:
    carried = set(dialect.carried(form))
    unsaid = [showable(key) for key in place.further if key not in carried]
    several = len(place.entry.get("instances") or ())
    if several > 1 and not (dialect.several and len(service_urls(place.entry)) == several):
        unsaid.append("instances but the first")
    elif any("weight" in each for each in place.entry.get("instances") or ()) and "instances" not in carried:
        unsaid.append("the instances' weights")
    notes = [f"{place.label}: {dialect.name} cannot say {', '.join(unsaid)}; left out"] if unsaid else []
    options = place.credentials.options if place.credentials is not None else {}
    paths = [key for key in dict.fromkeys(CERTIFICATES.values()) if key in options and key not in carried]
    if paths:
        notes.append(f"{place.label}: {', '.join(paths)}: only the path is exported, the file has to be there too")
    return notes
