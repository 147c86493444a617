"""Where a REST service listens, told from its entry in the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from architect_core.contract import Address, parse_address
from architect_rest.origin import origin_of

if TYPE_CHECKING:
    from architect_core.contract import Target

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Place:
    """One place.

    Attributes:
        url: scheme, host and port.
        path: the base path; empty for none.
        login: user and password; None for none.
        weight: what share of the calls it gets, compared with the others' weights.
    """

    url: str
    path: str
    login: tuple[str, str] | None = field(default=None, repr=False)
    weight: int = 1


def places(target: Target) -> list[Place]:
    """Every place where `target` listens; they differ in nothing but host and port.

    Raises:
        ConfigError: a place is none that HTTP can reach, or differs from the first in more.
    """
    several = target.config.instances
    if len(several) < 2:
        return [_place(target, target.address(), "")]
    found: list[Place] = []
    for number, each in enumerate(several):
        path = f"instances[{number}]."
        reason = ""
        try:
            place = _place(target, parse_address(each.host or "", each.port), path)
        except ValueError as problem:
            reason = str(problem)
        if reason:
            raise target.error(f"{path}host", reason)
        if found and (place.path, place.login, place.url.split(":")[0]) != (
            found[0].path,
            found[0].login,
            found[0].url.split(":")[0],
        ):
            raise target.error(
                f"{path}host",
                "has another scheme, base path or login than the first instance; make it a service of its own",
            )
        found.append(replace(place, weight=each.weight))
    return found


def _place(target: Target, address: Address, path: str) -> Place:
    scheme = address.scheme or "http"
    if scheme not in _DEFAULT_PORTS:
        raise target.error(f"{path}host", "a REST service's host starts with http://, https:// or no scheme")
    if address.port is None and not address.scheme:
        raise target.error(f"{path}port", "is missing")
    url = f"{scheme}://{address.netloc}"
    if ".." in address.host or origin_of(url) is None:
        raise target.error(
            f"{path}host",
            "is no host name: a part between its dots is empty, too long, or has a character that IDNA does not allow",
        )
    login = None if address.username is None else (address.username, address.password or "")
    # the port is written even where it is the scheme's own: a Host header then says what was configured
    return Place(url, address.path, login)
