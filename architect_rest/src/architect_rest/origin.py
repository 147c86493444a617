"""Which scheme, host and port a URL leads to, and whether it may be requested."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

import requests.exceptions
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from architect_core.exceptions import ArchitectError, OriginError

_DEFAULT_PORTS = {"http": 80, "https": 443}
# What some URL parser or other takes for a scheme or a host, after the white space that parsers skip: "http:",
# "x://", "//host", "\\host", "/\host"
LEAVES_THE_BASE = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?[/\\]{2}|https?:", re.IGNORECASE)
_SKIPPED = "".join(map(chr, range(33))) + "\x7f\xa0\u200b\ufeff"


class ForeignOriginError(OriginError, requests.exceptions.InvalidURL):
    """A URL leads to another origin than the client's service. Also a `requests.exceptions.InvalidURL`."""


class PathParameterError(ArchitectError, requests.exceptions.InvalidURL):
    """`path_params` do not fit the URL's placeholders. Also a `requests.exceptions.InvalidURL`."""


class Origin(NamedTuple):
    """An origin (RFC 6454)."""

    scheme: str
    host: str
    port: int | None

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}" + ("" if self.port is None else f":{self.port}")


def origin_of(url: str) -> Origin | None:
    """The origin of an absolute URL, as urllib3, which opens the connection, understands it; None if it has none.

    >>> str(origin_of("HTTP://user@Billing/v1"))
    'http://billing:80'
    """
    try:
        parsed = parse_url(url)
    except LocationParseError:
        return None
    if not parsed.scheme or not parsed.host:
        return None
    scheme = parsed.scheme.lower()
    return Origin(scheme, parsed.host.lower(), parsed.port or _DEFAULT_PORTS.get(scheme))


def origin_sent_to(url: str) -> Origin | None:
    r"""The origin of a URL that is sent as it is; None also where the readers of the URL differ.

    requests picks the connection with `urllib.parse`, which takes other characters for a host's end than urllib3 does.

    >>> origin_sent_to("http://billing:8080\\@evil/") is None
    True
    """
    found = origin_of(url)
    try:
        split = urlsplit(url)
        port = split.port or _DEFAULT_PORTS.get(split.scheme)
    except ValueError:
        return None
    if found is None or (split.scheme, split.hostname, port) != (found.scheme, found.host.strip("[]"), found.port):
        return None
    return found


def is_address(host: str) -> bool:
    """Whether a host is an IP address, or always this machine's; else a name, which may lead elsewhere later."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return host == "localhost"
    return True


def join(base_url: str, url: str, origin: Origin) -> str:
    """`url` below `base_url`; an absolute URL as it is, if it has the same origin.

    >>> join("http://billing:8080/v1", "/invoices", Origin("http", "billing", 8080))
    'http://billing:8080/v1/invoices'

    Raises:
        ForeignOriginError: `url` would lead elsewhere.
    """
    stripped = url.lstrip(_SKIPPED)
    if LEAVES_THE_BASE.match(stripped):
        found = origin_of(stripped)
        if found != origin:
            raise foreign(found, origin)
        return stripped
    return base_url + url if url[:1] in {"", "/", "?", "#"} else f"{base_url}/{url}"


def foreign(found: Origin | None, origin: Origin, what: str = "the URL") -> ForeignOriginError:
    """The error for a URL that leads to `found`."""
    return ForeignOriginError(told_foreign(found, origin, what))


def told_foreign(found: Origin | None, origin: Origin, what: str = "the URL") -> str:
    """What is said of a URL that leads to `found`."""
    target = "no host that can be told" if found is None else str(found)
    return (
        f"{what} leads to {target}, but this client belongs to {origin}. Give a path; for another host, use a client "
        "of your own or another service()"
    )
