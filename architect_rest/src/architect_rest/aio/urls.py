"""Where a URL leads, as httpx2 reads it."""

from __future__ import annotations

import httpx2

from architect_rest.policy.origin import DEFAULT_PORTS, Origin

_SCHEMES = {"ws": "http", "wss": "https"}  # a web socket begins as a request


def origin_of(url: httpx2.URL | str) -> Origin | None:
    """The origin of a URL; None if it has none.

    >>> str(origin_of("wss://user@Billing/v1"))
    'https://billing:443'
    """
    if isinstance(url, str):
        try:
            url = httpx2.URL(url)
        except httpx2.InvalidURL:
            return None
    scheme = _SCHEMES.get(url.scheme, url.scheme)
    if not scheme or not url.host:
        return None
    host = f"[{url.host}]" if ":" in url.host else url.host
    return Origin(scheme, host, url.port or DEFAULT_PORTS.get(scheme))
