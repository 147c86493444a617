"""Where a URL leads, as requests and urllib3 read it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from architect_rest.policy.origin import DEFAULT_PORTS, LEAVES_THE_BASE, Origin
from architect_rest.sync.errors import ForeignOriginError

if TYPE_CHECKING:
    from architect_rest.policy.scope import Scope

_SKIPPED = "".join(map(chr, range(33))) + "\x7f\xa0\u200b\ufeff"  # white space that URL parsers skip


def origin_of(url: str) -> Origin | None:
    """The origin of an absolute URL, as urllib3, which opens the connection, reads it; None if it has none.

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
    return Origin(scheme, parsed.host.lower(), parsed.port or DEFAULT_PORTS.get(scheme))


def origin_sent_to(url: str) -> Origin | None:
    r"""The origin of a URL that is sent as it is; None if it has none, or if URL parsers disagree.

    requests picks the connection with `urllib.parse`, for which a host may end at another character than for urllib3.

    >>> origin_sent_to("http://billing:8080\\@evil/") is None
    True
    """
    found = origin_of(url)
    try:
        split = urlsplit(url)
        port = split.port or DEFAULT_PORTS.get(split.scheme)
    except ValueError:
        return None
    if found is None or (split.scheme, split.hostname, port) != (found.scheme, found.host.strip("[]"), found.port):
        return None
    return found


def join(base_url: str, url: str, scope: Scope) -> str:
    """`url` below `base_url`; an absolute URL at the service's origin, if it leads to one of its instances.

    >>> from architect_rest.policy.scope import Scope
    >>> origin = Origin("http", "billing", 8080)
    >>> join("http://billing:8080/v1", "/invoices", Scope(origin, frozenset([origin])))
    'http://billing:8080/v1/invoices'

    Raises:
        ForeignOriginError: `url` has another origin.
    """
    stripped = url.lstrip(_SKIPPED)
    if LEAVES_THE_BASE.match(stripped):
        found = origin_of(stripped)
        if found not in scope.origins:
            raise ForeignOriginError(scope.foreign_message(found))
        return stripped if found == scope.origin else moved(stripped, scope.origin)
    return base_url + url if url[:1] in {"", "/", "?", "#"} else f"{base_url}/{url}"


def moved(url: str, origin: Origin) -> str:
    """`url` at another origin.

    >>> moved("http://10.0.0.2:8080/x?a=1", Origin("http", "billing", 80))
    'http://billing:80/x?a=1'
    """
    return parse_url(url)._replace(scheme=origin.scheme, host=origin.host, port=origin.port).url


def prepared_url(url: str) -> str:
    """`url` as requests prepares it, without "/" at its end."""
    return (requests.Request("GET", url).prepare().url or "").rstrip("/")
