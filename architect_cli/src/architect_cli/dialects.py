"""What was resolved, written in the dialect of a platform."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from architect_cli.folders import write_new
from architect_cli.resolved import MASK, SHOWN, masked, placed, public
from architect_core.exceptions import RunError
from architect_core.sources.naming import variable_stems

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from architect_cli.resolved import Resolved

_SCHEMES = {"rest": "http", "grpc": "grpc"}
_KEY = re.compile(r"(?!\.)[-._a-zA-Z0-9]+")
_BINDING_KEYS = {"url": "uri", "name": "database", "kind": "type"}


def architect(resolved: Sequence[Resolved], current: str | None, *, secrets: bool) -> str:
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


def aspire(resolved: Sequence[Resolved], current: str | None, *, secrets: bool) -> str:  # noqa: ARG001 - as the others
    """The variables that .NET Aspire gives, `services__...` and `ConnectionStrings__...`, a line for each."""
    lines = []
    for each in filter(_is_somewhere, resolved):
        resource = each.name.replace("/", "-")
        if each.kind == "services":
            for number, url in enumerate(_urls(each.entry)):
                endpoint = url.partition(":")[0]
                variable = f"services__{resource}__{endpoint}__{number}"
                lines.append(f"{variable}={_told(url, secrets)}")
        else:
            lines.append(f"ConnectionStrings__{resource}={_told(_url(each), secrets)}")
    return "\n".join(lines)


def compose(resolved: Sequence[Resolved], current: str | None, *, secrets: bool) -> str:  # noqa: ARG001 - as the others
    """The `environment` of a service in a Compose file. Without `secrets`, a password is a variable of Compose."""
    lines = ["environment:"]
    for each in filter(_is_somewhere, resolved):
        stem = variable_stems(each.name)[0]
        url = (_urls(each.entry) if each.kind == "services" else [_url(each)])[0].replace("$", "$$")
        hidden = public(url)
        filled = hidden.replace(f":{MASK}@", f":${{{stem}_PASSWORD}}@").replace(f"?{MASK}", f"?${{{stem}_OPTIONS}}")
        text = url if secrets else filled
        lines.append(f"  {stem}_URL: {json.dumps(text, ensure_ascii=False)}")
    return "\n".join(lines)


def bindings(resolved: Sequence[Resolved], folder: Path, *, secrets: bool) -> str:
    """Service bindings in `folder`: a folder for each name, a file for each value; files are for their owner alone.

    Without `secrets`, files that would hold one are left out. Gives what a shell has to be told.

    Raises:
        RunError: a file or a folder is there already, or cannot be written.
    """
    contents: dict[str, str] = {}
    for each in filter(_is_somewhere, resolved):
        name = each.name.replace("/", "-").replace("_", "-")
        for key, value in _binding(each).items():
            text = (
                value if secrets or key in {*SHOWN, "database"} else public(value) if key in {"host", "uri"} else MASK
            )
            path = f"{name}/{key}"
            if not _KEY.fullmatch(key) or path in contents:
                raise RunError(f"{path!r} can be no file of a service binding, or two names would share it")
            # one line break at the end is no part of a value
            contents[path] = "" if MASK in text else text + ("\n" if text.endswith("\n") else "")
    try:
        write_new(folder, {path: text for path, text in contents.items() if text}, mode=0o600)
    except OSError as problem:
        reason = f"{folder} cannot be written: {problem.strerror}"
    else:
        return f"SERVICE_BINDING_ROOT={shlex.quote(str(folder.absolute()))}"
    raise RunError(reason)


DIALECTS: Mapping[str, Callable[..., str]] = {"ARCHITECT": architect, "aspire": aspire, "compose": compose}


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


def _is_somewhere(each: Resolved) -> bool:
    """Whether it is a place that others can be told: the running service's own entry may be none."""
    return each.kind == "datastores" or each.entry.get("host") is not None


def _told(url: str, secrets: bool) -> str:
    return url if secrets else public(url)


def _urls(entry: Mapping[str, Any]) -> list[str]:
    """Where a service is, as URLs."""
    scheme = _SCHEMES.get(str(entry.get("api")), str(entry.get("api") or "http"))
    places = entry.get("instances") or [entry]
    return [placed(str(each.get("host") or ""), each.get("port"), scheme) for each in places]


def _url(each: Resolved) -> str:
    """Where a datastore is and how to get in, as a URL."""
    entry = each.entry
    if entry.get("url"):
        return str(entry["url"])
    engine = entry.get("type") or entry.get("kind") or "generic"
    user, password = entry.get("username"), entry.get("password")
    login = quote(str(user or ""), safe="") + ("" if password is None else f":{quote(str(password), safe='')}")
    host = str(entry.get("host") or "")
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    port = "" if entry.get("port") is None else f":{entry['port']}"
    return f"{engine}://{login}{'@' if login else ''}{host}{port}/{quote(str(entry.get('name') or ''), safe='')}"


def _binding(each: Resolved) -> dict[str, str]:
    entry = {key: value for key, value in each.entry.items() if isinstance(value, str | int | float)}
    if each.kind == "services":
        api = str(entry.get("api") or "rest")
        return {"type": api, "api": api, "uri": _urls(each.entry)[0]}
    return {_BINDING_KEYS.get(key, key): str(value) for key, value in entry.items()}
