"""The dialect of architect itself: the variables `ARCHITECT` and `ARCHITECT_CURRENT_SERVICE`."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

from architect_cli.resolved import masked
from architect_core.contract import MASK, dotted
from architect_core.exceptions import RunError
from architect_core.sources.pointers import is_pointer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from architect_cli.resolved import Resolved
    from architect_core.sources.catalog import Kind


def export_variables(resolved: Sequence[Resolved], current: str | None, *, secrets: bool) -> tuple[str, list[str]]:
    """The variables `ARCHITECT` and `ARCHITECT_CURRENT_SERVICE`, as lines that a shell reads, and notes.

    Without `secrets`, each is a pointer to a variable that has to be set.
    """
    notes: list[str] = []
    entries: dict[Kind, dict[str, Any]] = {"services": {}, "datastores": {}}
    for each in resolved:
        omitted: list[str] = []
        entries[each.kind][each.name] = _without_pointers(each.entry, (), omitted)
        if omitted:
            reason = "which would be read as pointers to values; omitted"
            notes.append(f"{each.label}: ARCHITECT cannot express {', '.join(omitted)}, {reason}")
    services, datastores = entries["services"], entries["datastores"]
    if datastores:
        owner = current or "application"
        while current is None and owner in services:
            owner += "-1"
        services[owner] = {"api": None, **services.get(owner, {}), "datastores": datastores}
        current = owner
    content, variables = (services, []) if secrets else pointing(services, current)
    if variables:
        notes.append(f"secrets are omitted: set {', '.join(variables)} beside ARCHITECT; --show-secrets writes them")
    # without a "'", other readers than shells understand the quoted text
    text = json.dumps(content).replace("'", "\\u0027")
    lines = [f"ARCHITECT={shlex.quote(text)}"]
    if current is not None:
        lines.append(f"ARCHITECT_CURRENT_SERVICE={shlex.quote(current)}")
    return "\n".join(lines), notes


def _without_pointers(value: Any, path: tuple[int | str, ...], omitted: list[str]) -> Any:
    """A value without objects that would be read as pointers; their paths are added to `omitted`."""
    if isinstance(value, list):
        return list(_without_pointers(dict(enumerate(value)), path, omitted).values())
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, each in value.items():
        if is_pointer(each):
            omitted.append(dotted("", (*path, key)))
        else:
            kept[key] = _without_pointers(each, (*path, key), omitted)
    return kept


def pointing(services: Mapping[str, Any], owner: str | None) -> tuple[dict[str, Any], list[str]]:
    """Entries whose secrets are pointers to variables, and these: `{"$env": "PRIMARY_DB_PASSWORD"}`, one for each."""
    variables: dict[str, tuple[str, ...]] = {}

    def point(path: tuple[str, ...]) -> dict[str, str]:
        # the name of the running service is not needed before those of its datastores
        about = path[2:] if path[:2] == (owner, "datastores") else path
        for words in (about, path):
            variable = settable("_".join(words))
            if variables.setdefault(variable, path) == path:
                return {"$env": variable}
        raise RunError(f"two secrets would both be the variable {variable}; export with --show-secrets")

    def pointed(given: Any, hidden: Any, path: tuple[str, ...]) -> Any:
        if isinstance(hidden, dict) and isinstance(given, dict):
            return {key: pointed(given[key], each, (*path, key)) for key, each in hidden.items()}
        if isinstance(hidden, list) and isinstance(given, list):
            pairs = enumerate(zip(given, hidden, strict=True))
            return [pointed(one, other, (*path, str(at))) for at, (one, other) in pairs]
        # the variable holds the whole URL if a part of it is hidden
        return given if hidden == given and hidden != MASK else point(path)

    entries = {name: pointed(dict(entry), masked(entry), (name,)) for name, entry in services.items()}
    return entries, list(variables)


def settable(name: str) -> str:
    """The name of a variable that a shell can set; it does not start with a digit.

    >>> settable("2fa/token"), settable("billing/token")
    ('_2FA_TOKEN', 'BILLING_TOKEN')
    """
    return re.sub(r"^(?=\d)", "_", re.sub(r"[^A-Z0-9]", "_", name.upper()))
