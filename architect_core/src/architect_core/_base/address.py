"""Where something listens, taken from a configured `host` and `port`."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# RFC 3986 reg-name, with the "_" that container names have
_REG_NAME = re.compile(r"[^\x00-\x20\x7f/\\?#@\[\]:%<>\"^`{|}]+")

# the "@" of a login that "/" cut in two; a segment may start with one: "/@scope"
_LOGIN = re.compile(r"[^/]@")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service listens.

    Attributes:
        scheme: as configured, in lower case; empty where the host names none.
        host: a name or an IP address, without brackets.
        port: the TCP port, or None where none is configured.
        path: the base path, empty or starting with "/" and without one at its end.
        username: from the host's user information, decoded; None where it has none.
        password: likewise. Never part of a repr.
    """

    scheme: str
    host: str
    port: int | None = None
    path: str = ""
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def netloc(self) -> str:
        """`host:port`, with an IPv6 address in brackets; only `host` where there is no port."""
        return self.bracketed_host if self.port is None else f"{self.bracketed_host}:{self.port}"

    @property
    def bracketed_host(self) -> str:
        """The host as a URL writes it: an IPv6 address has brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host


def parse_address(host: str, port: int | None = None) -> Address:
    """Split a configured host, with or without a scheme, into its parts.

    >>> parse_address("http://billing.internal/v1", 8080)
    Address(scheme='http', host='billing.internal', port=8080, path='/v1')
    >>> parse_address("::1", 50051).netloc
    '[::1]:50051'

    Args:
        host: a name, an IP address, or `scheme://user:password@host:port/base/path` (RFC 3986) with any part but the
            host left out.
        port: the configured port. It wins over a port in `host` only if that has none: two that differ are an error.

    Raises:
        ValueError: with a reason that repeats no part of the input.
    """
    scheme, rest = "", host
    if match := _SCHEME.match(host):
        scheme, rest = match[1].lower(), host[match.end() :]
    authority, slash, path = rest.partition("/")
    userinfo, at, hostport = authority.rpartition("@")
    if not at and _LOGIN.search(path):  # what looks like a host may be the start of a password
        raise ValueError("has an '@' after a '/'; percent-encode them: %2F in a password, %40 in a base path")
    name, own_port = _split_port(hostport)
    if any(character in path for character in "?#\\") or re.search(r"[\x00-\x20\x7f]", path):
        raise ValueError("the base path must have no space, '?', '#' or '\\'")
    if own_port is not None and port is not None and own_port != port:
        raise ValueError("the host names one port and `port` another")
    username, colon, password = userinfo.partition(":")
    return Address(
        scheme=scheme,
        host=name,
        port=port if own_port is None else own_port,
        path=(slash + path).rstrip("/"),
        username=decoded(username) if userinfo else None,
        password=decoded(password) if colon else None,
    )


def scheme_of(url: str) -> str:
    """Returns the scheme of a URL, in lower case; empty if it has none.

    >>> scheme_of("HTTPS://billing.internal"), scheme_of("billing.internal:80")
    ('https', '')
    """
    match = _SCHEME.match(url)
    return match[1].lower() if match else ""


def decoded(text: str) -> str:
    """`text` with what is percent-encoded in it decoded; ValueError where that is not UTF-8."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        pass
    raise ValueError("what is percent-encoded in the URL is not UTF-8")


def parse_port(text: str) -> int:
    """The port that `text` says, 1 to 65535; ValueError otherwise."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise ValueError("a port is a number from 1 to 65535")
    return int(text)


def _split_port(hostport: str) -> tuple[str, int | None]:
    if hostport.startswith("["):
        name, bracket, rest = hostport[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("the host's brackets do not enclose an IPv6 address")
        return _ipv6(name), parse_port(rest[1:]) if rest else None
    if hostport.count(":") > 1:
        return _ipv6(hostport), None
    name, colon, port = hostport.partition(":")
    if not name:
        raise ValueError("the host is empty")
    if not _REG_NAME.fullmatch(name):
        raise ValueError("the host is no host name, IP address or URL")
    return name, parse_port(port) if colon else None


def _ipv6(text: str) -> str:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        valid = False
    else:
        valid = True
    if not valid:
        raise ValueError("the host looks like an IPv6 address and is none")
    return text
