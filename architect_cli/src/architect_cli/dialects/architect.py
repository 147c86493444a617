"""The dialect of architect itself: the variables `ARCHITECT` and `ARCHITECT_CURRENT_SERVICE`."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

from architect_cli.resolved import MASK, masked
from architect_core.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from architect_cli.resolved import Resolved


def architect_variables(resolved: Sequence[Resolved], current: str | None, *, secrets: bool) -> str:
    """The variables `ARCHITECT` and `ARCHITECT_CURRENT_SERVICE`, as lines that a shell reads.

    Without `secrets`, each is a pointer to a variable that the one who uses it has to set.
    """
    services = {each.name: each.entry for each in resolved if each.kind == "services"}
    datastores = {each.name: each.entry for each in resolved if each.kind == "datastores"}
    if datastores:
        owner = current or "application"
        services[owner] = {"api": None, **services.get(owner, {}), "datastores": datastores}
        current = owner
    content = services if secrets else pointing(services, current)
    lines = [f"ARCHITECT={shlex.quote(json.dumps(content))}"]
    if current is not None:
        lines.append(f"ARCHITECT_CURRENT_SERVICE={shlex.quote(current)}")
    return "\n".join(lines)


def pointing(services: Mapping[str, Any], owner: str | None) -> dict[str, Any]:
    """Entries whose secrets are pointers to variables, each to one of its own: `{"$env": "PRIMARY_DB_PASSWORD"}`."""
    variables: dict[str, tuple[str, ...]] = {}

    def point(_: Any, path: tuple[str, ...]) -> dict[str, str]:
        # a datastore of the running service is called by its own name alone
        about = path[2:] if path[:2] == (owner, "datastores") else path
        for words in (about, path):
            variable = re.sub(r"[^A-Z0-9]", "_", "_".join(words).upper())
            if variables.setdefault(variable, path) == path:
                return {"$env": variable}
        raise RunError(f"two secrets would both be the variable {variable}; export with --show-secrets")

    return {name: _pointed(name, entry, point) for name, entry in services.items()}


def _pointed(name: str, entry: Mapping[str, Any], point: Callable[[Any, tuple[str, ...]], Any]) -> Any:
    def whole(given: Any, hidden: Any, path: tuple[str, ...]) -> Any:
        # where a part of a URL is hidden, the variable holds all of it
        if isinstance(hidden, dict) and isinstance(given, dict):
            return {key: whole(given[key], each, (*path, key)) for key, each in hidden.items()}
        if isinstance(hidden, list) and isinstance(given, list):
            return [
                whole(one, other, (*path, str(at))) for at, (one, other) in enumerate(zip(given, hidden, strict=True))
            ]
        return given if hidden == given and hidden != MASK else point(given, path)

    return whole(dict(entry), masked(entry), (name,))
