"""Everything that a configuration resolves to, where each part is from, and what it shows of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from architect_core.contract import MANIFEST_FILE, Entries, search_root
from architect_core.exceptions import ArchitectError, ManifestError
from architect_core.schema import load_manifest
from architect_core.sources.naming import resource_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from architect_core.resolver import Resolver
    from architect_core.schema import Manifest
    from architect_core.sources.catalog import Catalog, Found, Kind

# what may be shown; anything else may be a secret
SHOWN = frozenset({"api", "type", "kind", "image", "port", "name", "username", "engine"})
_PLACES = frozenset({"host", "url", "uri"})  # shown without the passwords in them
MASK = "***"
_HOST = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?"
# what a URL or a host may look like to be shown; anything else may hold a secret anywhere
_PUBLIC = re.compile(
    rf"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)?(?:(?P<user>[^:@/?#\s]*)(?P<password>:[^@/?#\s]*)?@)?"
    rf"(?P<hosts>(?:{_HOST}(?:,{_HOST})*)?)(?P<path>/[^?#\s@;]*)?(?P<query>\?.*)?"
)
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+")


@dataclass(frozen=True)
class Resolved:
    """A name, and the entries that sources have of it.

    Attributes:
        kind: "services" or "datastores".
        name: the service or datastore.
        found: every entry, the one that is used first.
    """

    kind: Kind
    name: str
    found: Sequence[Found]

    @property
    def entry(self) -> dict[str, Any]:
        """The entry that is used, with its secrets."""
        entry: dict[str, Any] = given(self.found[0].entry)
        return entry


def resolve(resolver: Resolver) -> tuple[list[Resolved], list[ArchitectError]]:
    """All services and datastores that sources list, or that the manifest of the service in this folder names.

    A name whose entry is malformed, or which only sources below a malformed one have, is not among them, because the
    application would get an error for it. The errors are the second that is given, each once.

    Raises:
        ArchitectError: which service is running cannot be told.
    """
    catalog, owner = resolver.catalog, resolver.current_name
    manifest = _manifest()
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
            if name in shown:  # a platform's word for one that is there
                continue
            try:
                found.append(Resolved(kind, name, _all(catalog, kind, name, owner)))
            except ArchitectError as problem:
                problems.setdefault(str(problem), problem)
            else:
                shown.update(resource_names(name))
    return sorted((each for each in found if each.found), key=_order), list(problems.values())


def _order(each: Resolved) -> tuple[bool, str]:
    return each.kind == "datastores", each.name


def _all(catalog: Catalog, kind: Kind, name: str, owner: str | None) -> list[Found]:
    """Every entry of a name; what is wrong with one that is overridden harms nobody."""
    found: list[Found] = []
    for layer in catalog.layers:
        if found and layer.name == "dns":  # each question to a server that does not answer takes seconds
            break
        try:
            found += layer.find(kind, name, owner)
        except ArchitectError:
            if not found:
                raise
    return found


def resolve_one(resolver: Resolver, name: str) -> list[Resolved]:
    """The service, and the datastore, of one name; sources that list nothing are asked for it.

    Raises:
        ArchitectError: it is neither, and a source is malformed that may have it.
    """
    catalog, owner = resolver.catalog, resolver.current_name
    kinds: tuple[Kind, ...] = ("services", "datastores")
    found: list[Resolved] = []
    problems: list[ArchitectError] = []
    for kind in kinds:
        try:
            found.append(Resolved(kind, name, _all(catalog, kind, name, owner)))
        except ArchitectError as problem:
            problems.append(problem)
    found = [each for each in found if each.found]
    if problems and not found:
        raise problems[0]
    # a URL may be either's; it is shown as a service's, unless something lists it as a datastore
    return [each for each in found if each.kind == "services" or len(found) == 1 or _is_listed(each, catalog, owner)]


def _is_listed(each: Resolved, catalog: Catalog, owner: str | None) -> bool:
    sources = {one.source for one in each.found}
    return any(each.name in layer.names(each.kind, owner) for layer in catalog.layers if layer.name in sources)


def given(value: Any) -> Any:
    """An entry as the JSON that it came from: models as objects of what was given."""
    if hasattr(value, "keys"):
        return {key: given(value[key]) for key in value}
    if isinstance(value, list | tuple):
        return [given(each) for each in value]
    return value


def masked(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry without its secrets: values are shown only in fields that hold none."""
    hidden: dict[str, Any] = transformed(entry, (), lambda *_: MASK)
    return hidden


def transformed(entry: Mapping[str, Any], path: tuple[str, ...], hide: Callable[[Any, tuple[str, ...]], Any]) -> Any:
    """An entry of a service or datastore with `hide(value, path)` in the place of each value that may be secret."""

    def every(value: Any, at: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            return {key: every(each, (*at, key)) for key, each in value.items()}
        if isinstance(value, list):
            return [every(each, (*at, str(place))) for place, each in enumerate(value)]
        return value if value is None else hide(value, at)

    def field(key: str, value: Any) -> Any:
        at = (*path, key)
        if key == "instances" and isinstance(value, list):
            return [transformed(each, (*at, str(place)), hide) for place, each in enumerate(value)]
        if key == "datastores" and isinstance(value, dict):
            return {name: transformed(each, (*at, name), hide) for name, each in value.items()}
        is_plain = key in SHOWN and isinstance(value, str | int)
        is_public = isinstance(value, str) and key in _PLACES and public(value) == value
        return value if is_plain or is_public else _place(value, at) if key in _PLACES else every(value, at)

    def _place(value: Any, at: tuple[str, ...]) -> Any:
        # of a URL, a mask may show the part that is none
        hidden = every(value, at)
        return public(value) if hidden == MASK and isinstance(value, str) else hidden

    return {key: field(key, value) for key, value in entry.items()}


def public(place: str) -> str:
    """A URL or a host without its password and query; only a mask where it has no form in which these can be told.

    >>> public("postgresql://app:s3cret@db:5432/shop?sslpassword=s3cret")
    'postgresql://app:***@db:5432/shop?***'
    """
    match = _PUBLIC.fullmatch(place)
    if match is None:
        return place if _IPV6.fullmatch(place) else MASK
    part = {name: value or "" for name, value in match.groupdict().items()}
    # a user without a password may be a token
    has_password = part["password"] not in {"", ":"}
    login = f"{part['user']}:{MASK}@" if has_password else f"{MASK}@" if part["user"] else ""
    return f"{part['scheme']}{login}{part['hosts']}{part['path']}" + (f"?{MASK}" if part["query"] else "")


def shown(entry: Mapping[str, Any]) -> str:
    """An entry in one line, without secrets."""
    hidden = masked(entry)
    what = hidden.get("api") or hidden.get("type") or hidden.get("kind") or ""
    place = str(hidden.get("url") or placed(str(hidden.get("host") or ""), hidden.get("port"), ""))
    several = f" and {len(hidden['instances']) - 1} more" if len(hidden.get("instances", ())) > 1 else ""
    login = f" as {hidden['username']}" if hidden.get("username") else ""
    return " ".join(part for part in (str(what), f"{place}{several}{login}") if part)


def placed(host: str, port: int | None, scheme: str) -> str:
    """Host and port as a URL; `scheme` is for a host without one, "" leaves it without."""
    start, separator, rest = host.partition("://")
    scheme, rest = (start, rest) if separator else (scheme, host)
    authority, slash, path = rest.partition("/")
    has_port = re.search(r":\d+$", authority) and not authority.endswith("]")
    start = f"{scheme}://" if scheme else ""
    return f"{start}{authority}{'' if port is None or has_port else f':{port}'}{slash}{path}"


def _manifest() -> Manifest | None:
    folder = search_root()
    if folder is None or not (folder / MANIFEST_FILE).is_file():
        return None
    try:
        return load_manifest(folder)
    except ManifestError:  # told by whatever needs it
        return None
