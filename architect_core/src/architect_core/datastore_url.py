"""The fields of a datastore that listens on a host and port, from its entry and from its URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from architect_core.address import Address, parse_address, parse_port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.contract import DatastoreTarget


@dataclass(frozen=True)
class ParsedURL:
    """A datastore's URL, split and decoded.

    Attributes:
        scheme: in lower case, without a driver: "postgresql" of "postgresql+psycopg".
        fields: those of host, port, username, password and name that the URL has.
        options: its query: "sslmode" -> "require".
    """

    scheme: str
    fields: dict[str, Any] = field(repr=False)
    options: dict[str, str] = field(repr=False)


def parse_url(url: str) -> ParsedURL:
    """Split `scheme://username:password@host:port/name?option=value` (RFC 3986); any part but the scheme may be absent.

    >>> parse_url("postgresql://app:p%40ss@db:5432/shop?sslmode=require").fields["password"]
    'p@ss'

    Raises:
        ValueError: with a reason that repeats no part of the URL.
    """
    location, _, query = url.partition("?")
    scheme, separator, rest = location.partition("://")
    if not separator or "#" in url:
        raise ValueError("this is no URL (scheme://username:password@host:port/name)")
    authority, slash, name = rest.partition("/")
    address = _address(authority)
    values = {
        "host": address.host if address else None,
        "port": address.port if address else None,
        "username": address.username if address else None,
        "password": address.password if address else None,
        "name": unquote(name.rstrip("/")) if slash else None,
    }
    # an empty password is one; an empty name or user is none
    fields = {key: value for key, value in values.items() if value or (key == "password" and value is not None)}
    options = dict(parse_qsl(query, keep_blank_values=True))
    return ParsedURL(scheme.lower().partition("+")[0], fields, options)


def _address(authority: str) -> Address | None:
    userinfo, at, hostport = authority.rpartition("@")
    if "," in hostport:
        raise ValueError("the URL names several hosts; give one")
    if hostport:
        return parse_address(authority)
    # a socket's folder is an option, and the authority may still say who logs in
    return parse_address(f"{userinfo}@localhost") if at and userinfo else None


def build_url(scheme: str, fields: dict[str, Any], options: dict[str, str]) -> str:
    """The URL of `fields`, percent-encoded, that `parse_url` splits into the same again."""
    username, password = fields.get("username"), fields.get("password")
    userinfo = "" if username is None else quote(str(username), safe="")
    if password is not None:
        userinfo += ":" + quote(str(password), safe="")
    host = fields.get("host") or ""
    if host.startswith("/"):  # the folder of a socket has no place before the path
        options = {"host": host, **options}
        host = ""
    elif ":" in host:
        host = f"[{host}]"
    port = "" if fields.get("port") is None else f":{fields['port']}"
    if not host and port:
        options = {"port": port[1:], **options}
        port = ""
    name = quote(str(fields.get("name") or ""), safe="")
    query = "?" + urlencode(options, quote_via=quote) if options else ""
    return f"{scheme}://{userinfo}{'@' if userinfo else ''}{host}{port}/{name}{query}"


def merge(
    target: DatastoreTarget, aliases: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], dict[str, str], str | None]:
    """The target's fields, its URL's options, and its URL's scheme. A field of the entry wins over one of its URL.

    Args:
        target: what is to be read.
        aliases: options of the URL that state a field -> that field.

    Raises:
        ConfigError: the URL or the host is malformed.
    """
    given = {key: value for key, value in target.config.items() if value is not None}
    url = given.pop("url", None)
    parsed = None if url is None else _parsed(url, aliases or {}, target)
    fields = {**parsed.options, **parsed.fields, **given} if parsed else given
    if "host" in fields and not fields["host"].startswith("/"):
        fields["host"] = _plain_host(fields["host"], target)
    return fields, dict(parsed.options) if parsed else {}, parsed.scheme if parsed else None


def _parsed(url: str, aliases: Mapping[str, str], target: DatastoreTarget) -> ParsedURL:
    try:
        parsed = parse_url(url)
        stated = {aliases[key]: value for key, value in parsed.options.items() if key in aliases}
        fields: dict[str, Any] = {**parsed.fields, **stated}
        if "port" in stated:
            fields["port"] = parse_port(stated["port"])
        options = {key: value for key, value in parsed.options.items() if key not in aliases}
        return ParsedURL(parsed.scheme, fields, options)
    except ValueError as problem:
        reason = str(problem)
    raise target.error("url", f"{reason}. Special characters of a name or password must be percent-encoded")


def _plain_host(host: str, target: DatastoreTarget) -> str:
    reason = ""
    try:
        address = parse_address(host)
        if not (address.scheme or address.path or address.username or address.port):
            return address.host
        reason = "must be a host alone; put a port, a user or a path in fields of their own, or all of it in `url`"
    except ValueError as problem:
        reason = str(problem)
    raise target.error("host", reason)
