"""Which origin a URL leads to."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import NamedTuple

import idna

DEFAULT_PORTS = {"http": 80, "https": 443}

LEAVES_THE_BASE = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?[/\\]{2}|https?:", re.IGNORECASE)
r"""How a URL begins that some parser takes for absolute: "http:", "x://", "//host", "\\host", "/\host"."""


class Origin(NamedTuple):
    """An origin (RFC 6454)."""

    scheme: str
    host: str
    port: int | None

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}" + ("" if self.port is None else f":{self.port}")


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
