"""Which definitions of a service cannot be in protobuf's default descriptor pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from architect_grpc.definition import Definition


@dataclass(frozen=True)
class Isolation:
    """What of a service's definitions is not shared with the rest of the process. All names are full names.

    Attributes:
        isolated: the definitions that the default pool does not get.
        private: those whose Python objects are of the service's own pool: the isolated ones, and what only these use.
    """

    isolated: Collection[str] = ()
    private: Collection[str] = ()


def isolation(definitions: Mapping[str, Definition], clashing: Iterable[str], shared: Collection[str]) -> Isolation:
    """The `clashing` definitions, and those that they share types with.

    A pool is closed: what refers to an isolated definition is isolated, too. So is what an isolated definition refers
    to, because an application passes objects of one to the other.

    Args:
        definitions: all definitions of a service by name, protobuf's own included.
        clashing: those that clash with others in the process.
        shared: those that an installed module defines likewise, or protobuf: only their own clash isolates them.
    """
    isolated = set(clashing)
    if not isolated:
        return Isolation()
    top_level = {name: each.name for each in definitions.values() for name in each.within()}
    uses = {each.name: {top_level[name] for name in each.references()} for each in definitions.values()}
    users: dict[str, list[str]] = {}
    for name, used in uses.items():
        for each in used:
            users.setdefault(each, []).append(name)
    # the options that a descriptor returns are always of the default pool, so a custom option is shared if it can be
    kept = {name for name in shared if definitions[name].extends_options}
    services = {name for name, each in definitions.items() if each.is_service}

    def connected(name: str) -> Iterable[str]:
        yield from (user for user in users.get(name, ()) if user not in kept)
        if name not in services:
            yield from (used for used in uses[name] if used not in shared)

    isolated = _reachable(isolated, connected)
    # applications do not give objects to services and custom options
    given = {name for name, each in definitions.items() if name not in services and not each.extends_options}
    private = _reachable(isolated - services, uses.__getitem__)
    return Isolation(isolated, private - _reachable(given - isolated - set(shared), uses.__getitem__))


def _reachable(start: set[str], neighbours: Callable[[str], Iterable[str]]) -> set[str]:
    found, pending = set(start), list(start)
    while pending:
        new = set(neighbours(pending.pop())) - found
        found |= new
        pending += new
    return found
