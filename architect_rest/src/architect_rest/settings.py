"""What a service's entry says of its clients, of whichever library they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from architect_core.contract import Auth, Tls
from architect_rest.places import places

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.contract import Target
    from architect_rest.places import Place
    from architect_rest.plugin import RestOptions

_LATIN_1 = 0xFF  # the last character of ISO 8859-1, which is what headers are sent in


@dataclass(frozen=True)
class Settings:
    """What clients are made of.

    Attributes:
        options: the service's.
        places: where it listens.
        tls: whom to trust, and the client's certificate.
        headers: what is sent with every call.
        bearer: a token; None for none.
        login: user and password in UTF-8 (RFC 7617); None for none.
    """

    options: RestOptions
    places: list[Place]
    tls: Tls
    headers: Mapping[str, str] = field(repr=False)
    bearer: str | None = field(repr=False)
    login: tuple[bytes, bytes] | None = field(repr=False)

    @property
    def base_url(self) -> str:
        """Scheme, host, port and base path of the first place."""
        return self.places[0].url + self.places[0].path

    @property
    def instances(self) -> list[str]:
        """Scheme, host and port of all places, if there are several."""
        return [each.url for each in self.places] if len(self.places) > 1 else []

    @property
    def weights(self) -> list[int]:
        """The weight of each place."""
        return [each.weight for each in self.places]


def settings(target: Target) -> Settings:
    """The settings of a target's entry.

    Raises:
        ConfigError: it is wrong.
    """
    found, tls = places(target), target.options.tls or Tls()
    tls.check(target)
    auth = target.options.auth or Auth()
    for name, values in {"bearer": [auth.bearer or ""], "headers": list(auth.headers.values())}.items():
        if any(ord(character) > _LATIN_1 for value in values for character in value):
            raise target.error(f"options.auth.{name}", "has a character that no HTTP header can have")
        if any(value != value.strip() for value in values):
            raise target.error(f"options.auth.{name}", "has white space at an end, which no HTTP header can have")
    stated = found[0].login
    if stated is not None and (auth.bearer or auth.username):
        raise target.error("options.auth", "says who logs in, and the host does too; leave one of them out")
    if auth.username is not None:
        stated = auth.username, auth.password or ""
    login = None if stated is None else (stated[0].encode(), stated[1].encode())
    return Settings(target.options, found, tls, auth.headers, auth.bearer, login)
