"""The URL of a datastore, split and built."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from architect_core.contract import decoded, parse_address, parse_port

JDBC = "this is a URL of JDBC; write engine://username:password@host:port/name, with the engine that follows jdbc:"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_OPTION = re.compile(r"[\w .:\[\]-]+", re.ASCII)
_NOT_IN_A_HOST = re.compile(r"[\x00-\x20\x7f@/\\?#\[\],]")


@dataclass(frozen=True)
class ParsedURL:
    """A datastore's URL, split and decoded.

    Attributes:
        scheme: in lower case, with what follows a "+": "postgresql+psycopg".
        fields: those of host, port, username, password and name that the URL has; `hosts` where it has several.
        options: its query: "sslmode" -> "require"; a list where an option is stated more than once.
    """

    scheme: str
    fields: dict[str, Any] = field(repr=False)
    options: dict[str, Any] = field(repr=False)


def parse_url(url: str) -> ParsedURL:
    """Split `scheme://username:password@host:port/name?option=value` (RFC 3986); any part but the scheme may be absent.

    >>> parse_url("postgresql://app:p%40ss@db:5432/shop?sslmode=require").fields["password"]
    'p@ss'
    >>> parse_url("postgresql://a:1,b:2/shop").fields["hosts"]
    [('a', 1), ('b', 2)]

    A host that is percent-encoded and starts with "/" is a socket. A "+" is a space in the query, and itself elsewhere.

    Raises:
        ValueError: with a reason that repeats no part of the URL.
    """
    location, _, query = url.partition("?")
    scheme, separator, rest = location.partition("://")
    if scheme.lower().startswith("jdbc:"):
        raise ValueError(JDBC)
    if not separator or "#" in url or not _SCHEME.fullmatch(scheme):
        raise ValueError("this is no URL (scheme://username:password@host:port/name)")
    authority, slash, name = rest.partition("/")
    userinfo, at, places = authority.rpartition("@")
    # what looks like a host may be the start of a password
    if authority and not at and "@" in (name if slash else query):
        raise ValueError("it has an '@' after a '/' or '?'")
    if ";" in places + name:  # as in a connection string, where a password may follow
        raise ValueError("it has a ';', which is written %3B; options follow a '?'")
    username, colon, password = userinfo.partition(":")
    hosts = [parse_host(place) for place in places.split(",")] if places else []
    host, port = hosts[0] if hosts else (None, None)
    values = {
        "host": host,
        "port": port,
        "hosts": hosts if len(hosts) > 1 else None,
        "username": decoded(username),
        "password": decoded(password) if colon else None,
        "name": decoded(name.rstrip("/")) if slash else None,
    }
    # an empty password is one; an empty name or user is none
    fields = {key: value for key, value in values.items() if value or (key == "password" and value is not None)}
    return ParsedURL(scheme.lower(), fields, _options(query))


def parse_host(place: str) -> tuple[str, int | None]:
    """Split `host:port` as a URL has it: a name, an IP address, an IPv6 address in brackets, or an encoded socket.

    >>> parse_host("[fe80::1%25eth0]:5432"), parse_host("%2Frun%2Fpostgresql")
    (('fe80::1%eth0', 5432), ('/run/postgresql', None))

    Raises:
        ValueError: with a reason that repeats no part of it.
    """
    if place.startswith("["):
        place = decoded(place)  # the zone of RFC 6874
    elif "%" in place:
        name, colon, port = place.partition(":")
        name = decoded(name)
        if name.startswith("/"):
            return name, parse_port(port) if port else None
        place = name + colon + port
        if _NOT_IN_A_HOST.search(name):
            raise ValueError("the host is no host name, IP address or URL")
    if place.count(":") == 1 or "]:" in place:
        place = place.removesuffix(":")  # a port may be empty
    address = parse_address(place)
    if address.scheme or address.path or address.username is not None:
        raise ValueError("the host is no host name or IP address")
    return address.host, address.port


def build_url(
    scheme: str, fields: dict[str, Any], options: dict[str, Any], socket: str | None = "host", bare: str = ""
) -> str:
    """The URL of `fields`, percent-encoded, that `parse_url` splits into the same again.

    Args:
        scheme: what it starts with.
        fields: host, port, hosts, username, password and name; what is absent or None is left out.
        options: the query.
        socket: the option that names a socket; None for an engine whose URLs have it in the host's place.
        bare: what stays as it is in the values of the query, for an engine whose drivers do not decode all of them.

    Raises:
        ValueError: a field is text that UTF-8 cannot encode; the message repeats none of it.
    """
    username, password = fields.get("username"), fields.get("password")
    userinfo = "" if username is None else _encoded(username)
    if password is not None:
        userinfo += ":" + _encoded(password)
    host, port = fields.get("host") or "", fields.get("port")
    if "hosts" in fields:
        place = ",".join(place_of(*each) for each in fields["hosts"])
    elif host.startswith("/") and socket is not None:
        options = {socket: host, **options}
        if port is not None:
            options = {"port": port, **options}
        place = ""
    else:
        place = place_of(host, port)
    name = _encoded(fields.get("name") or "")
    pairs = [(key, each) for key, value in options.items() for each in (value if isinstance(value, list) else [value])]
    query = "?" + "&".join(f"{_encoded(key)}={_encoded(value, safe=bare)}" for key, value in pairs) if pairs else ""
    return f"{scheme}://{userinfo}{'@' if userinfo else ''}{place}/{name}{query}"


def place_of(host: str, port: int | None) -> str:
    """`host:port` as a URL has it, what `parse_host` splits.

    >>> place_of("::1", 5432)
    '[::1]:5432'
    """
    is_ipv6 = ":" in host and not host.startswith("/")
    place = f"[{_encoded(host, safe=':')}]" if is_ipv6 else _encoded(host)
    return place if port is None else f"{place}:{port}"


def _options(query: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for pair in query.split("&"):
        key, _, value = map(decoded, pair.replace("+", " ").partition("="))
        if pair and not _OPTION.fullmatch(key):  # a password with a "?" in it may have been cut in two
            raise ValueError("the URL's query has an option without a name, or with one that is none")
        if key in options:
            before = options[key]
            options[key] = [*before, value] if isinstance(before, list) else [before, value]
        elif pair:
            options[key] = value
    return options


def _encoded(value: object, safe: str = "") -> str:
    try:
        return quote(str(value), safe=safe)
    except UnicodeEncodeError:
        pass
    raise ValueError("it has a character that is no text (a lone surrogate)")
