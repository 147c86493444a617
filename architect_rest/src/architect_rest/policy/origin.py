"""Which origin a URL leads to, and what may be sent to another one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import NamedTuple

import idna

DEFAULT_PORTS = {"http": 80, "https": 443}

LEAVES_THE_BASE = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?[/\\]{2}|https?:", re.IGNORECASE)
r"""How a URL begins that some parser takes for absolute: "http:", "x://", "//host", "\\host", "/\host"."""

_ANONYMOUS_HEADERS = frozenset({"accept", "accept-encoding", "connection", "user-agent"})


class Origin(NamedTuple):
    """An origin (RFC 6454)."""

    scheme: str
    host: str
    port: int | None

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}" + ("" if self.port is None else f":{self.port}")


def private_headers(names: Iterable[str], *, but: str) -> list[str]:
    """The headers that a redirected request must not take to another origin: all that could identify the caller.

    `but` is a header, in lower case, that the HTTP library itself sets for the new origin.

    >>> private_headers(["Accept", "Authorization", "Host", "X-Api-Key"], but="host")
    ['Authorization', 'X-Api-Key']
    """
    return [name for name in names if name.lower() not in {*_ANONYMOUS_HEADERS, but}]


def foreign_message(found: Origin | None, own: Origin, what: str = "the URL") -> str:
    """The message for a URL that leads to `found`, which is not the client's `own` origin; None is no valid origin."""
    target = "no valid host" if found is None else str(found)
    return (
        f"{what} leads to {target}, but this client belongs to {own}. Give a path; for another host, use a client "
        "of your own or another service()"
    )


REDIRECT_WITH_BODY = "the service's redirect, which asks for the request's body,"
"""The `what` of `foreign_message` for a redirect with status 307 or 308."""


def is_address(host: str) -> bool:
    """Whether a host is an IP address or "localhost"; a name may lead to another address later.

    >>> is_address("[::1]"), is_address("billing")
    (True, False)
    """
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return host == "localhost"
    return True


def is_host(host: str) -> bool:
    """Whether DNS can look up a host, which may have letters of any language (IDNA 2008).

    >>> is_host("bücher.example"), is_host("☃"), is_host("a..b")
    (True, False, False)
    """
    if ".." in host or host.isascii():
        return ".." not in host
    try:
        idna.encode(host.lower(), strict=True, std3_rules=True)
    except idna.IDNAError:
        return False
    return True
