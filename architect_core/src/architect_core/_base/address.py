"""Splits and masks URLs and hosts; all of architect does so with these functions."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from architect_core._base.json_text import raising

MASK = "***"

# RFC 3986, with the "_" that drivers have: "postgresql+psycopg_async"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9.-]*(?:\+[A-Za-z0-9+._-]+)?)://")
# RFC 3986 reg-name, with the "_" that container names have
_REG_NAME = re.compile(r"[^\x00-\x20\x7f/\\?#@\[\]:%<>\"^`{|}()=]+")  # "(password=x)" is none, and would be shown
# the "@" of a login that "/" cut in two; a segment may start with one: "/@scope"
_LOGIN = re.compile(r"[^/]@")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+")
_HOST = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?"
# a text of any other form may hold a secret anywhere
_MASKABLE = re.compile(
    rf"(?P<scheme>{_SCHEME.pattern})?(?:(?P<user>[^:@/?#\s]*)(?P<password>:[^@/?#\s]*)?@)?"
    rf"(?P<hosts>(?:{_HOST}(?:,{_HOST})*)?)(?P<path>/[^?#\s@;]*)?(?P<query>\?.*)?"
)


@dataclass(frozen=True, slots=True)
class Address:
    """A network address of a service.

    Attributes:
        scheme: in lower case; empty if the host has none.
        host: a name or an IP address, without brackets.
        port: the TCP port, or None.
        path: the base path; empty, or starting with "/" and not ending with it.
        username: decoded, or None; so is `password`. Neither is part of the repr.
    """

    scheme: str
    host: str
    port: int | None = None
    path: str = ""
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def netloc(self) -> str:
        """`host:port`, with an IPv6 address in brackets; only `host` if there is no port."""
        return self.bracketed_host if self.port is None else f"{self.bracketed_host}:{self.port}"

    @property
    def bracketed_host(self) -> str:
        """The host as a URL has it: an IPv6 address has brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host


def parse_address(host: str, port: int | None = None) -> Address:
    """Splits a host, which is a name, an IP address, or `scheme://user:password@host:port/base/path` (RFC 3986).

    >>> parse_address("http://billing.internal/v1", 8080)
    Address(scheme='http', host='billing.internal', port=8080, path='/v1')
    >>> parse_address("::1", 50051).netloc
    '[::1]:50051'

    Raises ValueError if `host` is malformed or has another port than `port`; the message repeats no part of it.
    """
    scheme = scheme_of(host)
    authority, slash, path = (host[len(scheme) + 3 :] if scheme else host).partition("/")
    username, password, hostport = split_login(authority)
    if "@" not in authority and _LOGIN.search(path):  # what looks like a host may be the start of a password
        raise ValueError("has an '@' after a '/'; percent-encode them: %2F in a password, %40 in a base path")
    name, own_port = _split_port(hostport)
    if any(character in path for character in "?#\\") or re.search(r"[\x00-\x20\x7f]", path):
        raise ValueError("the base path must have no space, '?', '#' or '\\'")
    if own_port is not None and port is not None and own_port != port:
        raise ValueError("the host names one port and `port` another")
    return Address(
        scheme=scheme,
        host=name,
        port=port if own_port is None else own_port,
        path=(slash + path).rstrip("/"),
        username=None if username is None else decoded(username),
        password=None if password is None else decoded(password),
    )


def scheme_of(url: str) -> str:
    """Returns the scheme of a URL, in lower case; empty if it has none.

    >>> scheme_of("HTTPS://billing.internal"), scheme_of("billing.internal:80")
    ('https', '')
    """
    match = _SCHEME.match(url)
    return match[1].lower() if match else ""


def split_login(authority: str) -> tuple[str | None, str | None, str]:
    """Splits `user:password@host:port` into user, password and the rest, not decoded; an absent part is None.

    >>> split_login("app:s%40cret@db:5432"), split_login("token@db"), split_login("db")
    (('app', 's%40cret', 'db:5432'), ('token', None, 'db'), (None, None, 'db'))
    """
    login, _, host = authority.rpartition("@")
    if not login:
        return None, None, host
    username, colon, password = login.partition(":")
    return username, password if colon else None, host


def mask_url(url: str) -> str:
    """Returns a URL or a host without its password and query; only `***` if its form is unknown, or may be another.

    >>> mask_url("postgresql://app:s3cret@db:5432/shop?sslpassword=s3cret")
    'postgresql://app:***@db:5432/shop?***'
    >>> mask_url("redis://to?ken@cache")
    '***'
    """
    match = _MASKABLE.fullmatch(url)
    if match is None:
        return url if _IPV6.fullmatch(url) else MASK
    part = {name: value or "" for name, value in match.groupdict().items()}
    if "@" in part["query"] and not part["user"]:  # what looks like a host may be a secret with a "?" in it
        return MASK
    # a user without a password may be a token
    has_password = part["password"] not in {"", ":"}
    login = f"{part['user']}:{MASK}@" if has_password else f"{MASK}@" if part["user"] else ""
    return f"{part['scheme']}{login}{part['hosts']}{part['path']}" + (f"?{MASK}" if part["query"] else "")


def decoded(text: str) -> str:
    """Returns `text` percent-decoded; raises ValueError if that is not UTF-8."""
    reason = "what is percent-encoded in the URL is not UTF-8"
    return raising(lambda _: ValueError(reason), unquote, text, "utf-8", "strict")


def parse_port(text: str) -> int:
    """Returns the port, 1 to 65535, that `text` names; raises ValueError otherwise."""
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
    raising(lambda _: ValueError("the host looks like an IPv6 address and is none"), ipaddress.IPv6Address, text)
    return text
