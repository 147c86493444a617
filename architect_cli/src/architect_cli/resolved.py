"""What a configuration resolves to, the source of each entry, and the part of it that may be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from architect_core.contract import MANIFEST_FILE, MASK, Entries, mask_url, search_root
from architect_core.exceptions import ArchitectError, ManifestError
from architect_core.schema.manifest import load_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

    from architect_core.contract import Credentials
    from architect_core.resolver import Resolver
    from architect_core.schema.manifest import Manifest
    from architect_core.sources.catalog import Catalog, Found, Kind

# fields that may be shown; any other may be a secret
SHOWN = frozenset({"api", "type", "kind", "image", "port", "name", "username", "engine"})
_ADDRESSES = frozenset({"host", "url", "uri"})  # shown without the passwords in them


@dataclass(frozen=True)
class Resolved:
    """A service or a datastore, and the entries that sources have for it.

    Attributes:
        kind: "services" or "datastores".
        name: its name.
        found: every entry, the one in use first.
        credentials: for an export, what the application gets for a datastore.
    """

    kind: Kind
    name: str
    found: Sequence[Found] = field(repr=False)
    credentials: Credentials | None = field(default=None, repr=False)

    @property
    def is_nowhere(self) -> bool:
        """Whether it is a service without a host, such as the running one."""
        return self.kind == "services" and self.entry.get("host") is None

    @property
    def label(self) -> str:
        """What it is called in messages: "the service 'acme/billing'"."""
        return f"the {self.kind.removesuffix('s')} {self.name!r}"

    @property
    def entry(self) -> dict[str, Any]:
        """The entry in use, as it was given, with its secrets."""
        entry: BaseModel = self.found[0].entry
        return entry.model_dump(exclude_unset=True)


def resolve(resolver: Resolver) -> tuple[list[Resolved], list[ArchitectError]]:
    """Returns what sources list or the manifest in this folder names, and the errors of sources and entries.

    A name is missing if its entry is malformed, or if only sources below a malformed one have it, because the
    application would get an error for it. Raises ArchitectError if the source that may name the running service is
    malformed.
    """
    catalog, owner, manifest = resolver.catalog, resolver.current_name, _manifest()
    stated: dict[Kind, set[str]] = {
        "services": set(manifest.dependencies if manifest else ()),
        "datastores": set(manifest.datastores if manifest else ()),
    }
    found: list[Resolved] = []
    problems: dict[str, ArchitectError] = {}
    for kind, names in stated.items():
        of_platforms: set[str] = set()
        for layer in catalog.layers:
            try:
                is_platform = isinstance(getattr(layer.configuration, kind), Entries)
                (of_platforms if is_platform else names).update(layer.names(kind, owner))
            except ArchitectError as problem:
                problems.setdefault(str(problem), problem)
        shown: set[str] = set()
        for name in (*sorted(names), *sorted(of_platforms - names)):
            if name not in names and name in shown:  # the spelling of a name that is listed already
                continue
            try:
                found += _entries(catalog, kind, name, owner)
                shown |= _spellings(name)
            except ArchitectError as problem:
                problems.setdefault(str(problem), problem)
    return sorted(found, key=lambda each: (each.kind == "datastores", each.name)), list(problems.values())


def _spellings(name: str) -> set[str]:
    """A name as platforms spell it, which have no "/", and some of which have "_" for "-" or "-" for "_"."""
    forms = (name, name.replace("/", "-"), name.rpartition("/")[2])
    return {spelt for form in forms for spelt in (form, form.replace("_", "-"), form.replace("-", "_"))}


def _entries(catalog: Catalog, kind: Kind, name: str, owner: str | None) -> list[Resolved]:
    """One item with all entries of a name, or none; errors of overridden entries are ignored."""
    found: list[Found] = []
    for layer in catalog.layers:
        if found and layer.name == "dns":  # a query to a server that does not answer takes seconds
            break
        try:
            found += layer.find(kind, name, owner)
        except ArchitectError:
            if not found:
                raise
    return [Resolved(kind, name, found)] if found else []


def resolve_one(resolver: Resolver, name: str) -> list[Resolved]:
    """The service and the datastore with one name, which need not be listed by any source.

    Raises ArchitectError if it is neither, and a source that may have it is malformed.
    """
    catalog, owner = resolver.catalog, resolver.current_name
    kinds: tuple[Kind, ...] = ("services", "datastores")
    found: list[Resolved] = []
    problems: list[ArchitectError] = []
    for kind in kinds:
        try:
            found += _entries(catalog, kind, name, owner)
        except ArchitectError as problem:
            problems.append(problem)
    if problems and not found:
        raise problems[0]
    # a URL may be of either kind; it is shown as a service's, unless its source lists it as a datastore
    return [each for each in found if each.kind == "services" or len(found) == 1 or _is_listed(each, catalog, owner)]


def _is_listed(each: Resolved, catalog: Catalog, owner: str | None) -> bool:
    sources = {one.source for one in each.found}
    return any(each.name in layer.names(each.kind, owner) for layer in catalog.layers if layer.name in sources)


def masked(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry without its secrets: values are shown only in fields that hold none."""
    hidden = {key: _masked(key, value) for key, value in entry.items()}
    if hidden.get("username") and not entry.get("password"):  # the user may be a token
        hidden["username"] = MASK
    return hidden


def _masked(key: str, value: Any) -> Any:
    if key == "instances" and isinstance(value, list):
        return [masked(each) for each in value]
    if key == "datastores" and isinstance(value, dict):
        return {name: masked(each) for name, each in value.items()}
    if key in SHOWN and isinstance(value, str | int):
        return MASK if "@" in str(value) else value  # a URL with a password may have been put there
    return mask_url(value) if key in _ADDRESSES and isinstance(value, str) else _hidden(value)


def _hidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _hidden(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_hidden(each) for each in value]
    return value if value is None else MASK


def shown(entry: Mapping[str, Any]) -> str:
    """An entry in one line, without secrets."""
    hidden = masked(entry)
    what = hidden.get("api") or hidden.get("type") or hidden.get("kind") or ""
    address = str(hidden.get("url") or _with_port(str(hidden.get("host") or ""), hidden.get("port")))
    several = f" and {len(hidden['instances']) - 1} more" if len(hidden.get("instances", ())) > 1 else ""
    login = f" as {hidden['username']}" if hidden.get("username") else ""
    return " ".join(part for part in (str(what), f"{address}{several}{login}") if part)


def _with_port(host: str, port: int | None) -> str:
    start, separator, rest = host.rpartition("://")
    authority, slash, path = rest.partition("/")
    has_port = re.search(r":\d+$", authority)
    return f"{start}{separator}{authority}{'' if port is None or has_port else f':{port}'}{slash}{path}"


def _manifest() -> Manifest | None:
    folder = search_root()
    try:
        return load_manifest(folder) if folder is not None and (folder / MANIFEST_FILE).is_file() else None
    except ManifestError:  # an error for whatever needs it
        return None
