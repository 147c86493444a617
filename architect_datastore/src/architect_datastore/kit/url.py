"""The URLs of datastores: split and built."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote

from architect_core.contract import decoded, is_text, parse_address, parse_port, raising, split_login

JDBC = "this is a URL of JDBC; write engine://username:password@host:port/name, with the engine that follows jdbc:"
NO_TEXT = "has a character that is no text (a lone surrogate)"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*(?:\+[A-Za-z0-9+._-]+)?")  # SQLAlchemy and Kafka have names with a "_"
# a further URL, as clients of NATS, RabbitMQ and Elasticsearch list servers
_NEXT_URL = re.compile(r"[,;\s]\s*(?=[A-Za-z][A-Za-z0-9._-]*(?:\+[A-Za-z0-9+._-]+)?://)")
_OPTION = re.compile(r"[\w .:\[\]-]+", re.ASCII)
_NOT_IN_A_HOST = re.compile(r"[\x00-\x20\x7f@/\\?#\[\],()=]")


@dataclass(frozen=True)
class ParsedURL:
    """A datastore's URL, split and decoded.

    Attributes:
        scheme: in lower case, with what follows a "+": "postgresql+psycopg".
        fields: host, port, username, password and name, as far as the URL has them; `hosts` if it has several.
        options: its query: "sslmode" -> "require"; a list if an option is repeated.
        path: what follows the host, as the URL has it, of which the name is decoded.
    """

    scheme: str
    fields: dict[str, Any] = field(repr=False)
    options: dict[str, Any] = field(repr=False)
    path: str = field(default="", repr=False)


def parse_urls(urls: str) -> ParsedURL:
    """Splits one URL, or a list of URLs that differ by their hosts only, which become one with several hosts.

    >>> parse_urls("nats://app:s3cret@a:4222,nats://app:s3cret@b:4222").fields["hosts"]
    [('a', 4222), ('b', 4222)]

    Raises:
        ValueError: a URL is malformed, or they differ by more; the message repeats no part of them.
    """
    # a URL in the query is a value
    location, question, query = urls.partition("?")
    scheme = re.escape(location.partition("://")[0])
    starts = [*_NEXT_URL.split(location)]
    following = re.split(rf"[,;\s]\s*(?={scheme}://)", query, flags=re.IGNORECASE)
    listed = [*starts[:-1], starts[-1] + question + following[0], *following[1:]]
    parsed = [parse_url(each) for each in listed]
    first = parsed[0]
    if len(parsed) == 1:
        return first
    common = [(each.scheme, _without_hosts(each.fields), each.options) for each in parsed]
    if any(each != common[0] for each in common):
        raise ValueError("it is a list of URLs that differ by more than their hosts; give one URL")
    hosts = [
        host for each in parsed for host in each.fields.get("hosts") or [(each.fields["host"], each.fields.get("port"))]
    ]
    return ParsedURL(first.scheme, {**first.fields, "hosts": hosts}, first.options, first.path)


def parse_url(url: str) -> ParsedURL:
    """Splits `scheme://username:password@host:port/name?option=value` (RFC 3986); only the scheme is required.

    >>> parse_url("postgresql://app:p%40ss@db:5432/shop?sslmode=require").fields["password"]
    'p@ss'
    >>> parse_url("postgresql://a:1,b:2/shop").fields["hosts"] == [("a", 1), ("b", 2)]
    True

    A percent-encoded host that starts with "/" is a socket. A "+" is a space in the query, and itself elsewhere.

    Raises:
        ValueError: the URL is malformed; the message repeats no part of it.
    """
    location, _, query = url.partition("?")
    scheme, separator, rest = location.partition("://")
    if scheme.lower().startswith("jdbc:"):
        raise ValueError(JDBC)
    if not separator or "#" in url or not _SCHEME.fullmatch(scheme):
        raise ValueError("this is no URL (scheme://username:password@host:port/name)")
    authority, slash, name = rest.partition("/")
    # what looks like a host may be the start of a password
    if authority and "@" not in authority and "@" in (name if slash else query):
        raise ValueError("it has an '@' after a '/' or '?'")
    logins = authority.split(",")
    if len(logins) > 1 and all("@" in each for each in logins):  # one password would be taken for the other's
        raise ValueError("it has a user for each host; give one for all, before the first host")
    username, password, netlocs = split_login(authority)
    if ";" in netlocs + name:  # as in a connection string, where a password may follow
        raise ValueError("it has a ';', which is written %3B; options follow a '?'")
    if re.fullmatch(r":\d+", netlocs):  # a port of the default host, as libpq has it
        hosts: list[tuple[str, int | None]] = [("", parse_port(netlocs[1:]))]
    else:
        hosts = [parse_host(each) for each in netlocs.split(",")] if netlocs not in {"", ":"} else []
    host, port = hosts[0] if hosts else (None, None)
    values = {
        "host": host,
        "port": port,
        "hosts": hosts if len(hosts) > 1 else None,
        "username": decoded(username or ""),
        "password": None if password is None else decoded(password),
        "name": decoded(name.rstrip("/")),
    }
    # an empty name or user is none, an empty password is one
    fields = {key: value for key, value in values.items() if value or (key == "password" and value is not None)}
    return ParsedURL(scheme.lower(), fields, _options(query), name)


def _without_hosts(fields: dict[str, Any]) -> dict[str, Any]:
    if "host" not in fields:
        raise ValueError("it is a list of URLs, one of which names no host")
    return {key: value for key, value in fields.items() if key not in {"host", "port", "hosts"}}


def parse_host(netloc: str) -> tuple[str, int | None]:
    """Splits `host:port` of a URL: a name, an IP address, an IPv6 address in brackets, or a percent-encoded socket.

    >>> parse_host("[fe80::1%25eth0]:5432"), parse_host("%2Frun%2Fpostgresql")
    (('fe80::1%eth0', 5432), ('/run/postgresql', None))

    Raises:
        ValueError: it is malformed; the message repeats no part of it.
    """
    if netloc.startswith("["):
        netloc = decoded(netloc)  # the zone of RFC 6874
    elif "%" in netloc:
        name, colon, port = netloc.partition(":")
        name = decoded(name)
        if name.startswith("/") or name.endswith(".sock"):
            return name, parse_port(port) if port else None
        netloc = name + colon + port
        if _NOT_IN_A_HOST.search(name):
            raise ValueError("the host is no host name, IP address or URL")
    if netloc.count(":") == 1 or "]:" in netloc:
        netloc = netloc.removesuffix(":")  # a port may be empty
    address = parse_address(netloc)
    if address.scheme or address.path or address.username is not None:
        raise ValueError("the host is no host name or IP address")
    return address.host, address.port


def build_url(
    scheme: str,
    fields: dict[str, Any],
    options: dict[str, Any],
    socket: str | None = "host",
    bare: str = "",
    path: str | None = None,
) -> str:
    """Returns the percent-encoded URL that `parse_url` splits into `fields` and `options` again.

    >>> build_url("postgresql", {"host": "db", "username": "app", "password": "p@ss"}, {"sslmode": "require"})
    'postgresql://app:p%40ss@db/?sslmode=require'

    Args:
        scheme: the scheme.
        fields: host, port, hosts, username, password and name; each may be absent or None.
        options: the query.
        socket: the option that names a socket; None for an engine whose URLs have a socket as their host.
        bare: characters of the query's values that are not encoded, for drivers that do not decode them.
        path: what follows the host instead of the name; "%" in it is not encoded again.

    Raises:
        ValueError: a field is text that UTF-8 cannot encode; the message repeats no part of it.
    """
    username, password = fields.get("username"), fields.get("password")
    login = "" if username is None else _encoded(username)
    if password is not None:
        login += ":" + _encoded(password)
    host, port = fields.get("host") or "", fields.get("port")
    if "hosts" in fields:
        netlocs = ",".join(build_host(*each) for each in fields["hosts"])
    elif host.startswith("/") and socket is not None:
        options = {**({} if port is None else {"port": port}), socket: host, **options}
        netlocs = ""
    else:
        netlocs = build_host(host, port)
    name = _encoded(fields.get("name") or "") if path is None else _encoded(path, safe="/%:!$&'()*+,=~")
    pairs = [(key, each) for key, value in options.items() for each in (value if isinstance(value, list) else [value])]
    query = "?" + "&".join(f"{_encoded(key)}={_encoded(value, safe=bare)}" for key, value in pairs) if pairs else ""
    return f"{scheme}://{login}{'@' if login else ''}{netlocs}/{name}{query}"


def build_host(host: str, port: int | None) -> str:
    """Returns `host:port` as a URL has it, which `parse_host` splits.

    >>> build_host("::1", 5432)
    '[::1]:5432'
    """
    is_ipv6 = ":" in host and not host.startswith("/")
    netloc = f"[{_encoded(host, safe=':')}]" if is_ipv6 else _encoded(host)
    return netloc if port is None else f"{netloc}:{port}"


def _options(query: str) -> dict[str, Any]:
    reason = "what is percent-encoded in the URL is not UTF-8"
    found = raising(lambda _: ValueError(reason), parse_qs, query, keep_blank_values=True, errors="strict")
    bare = any(part and "=" not in part for part in query.split("&"))
    if bare or not all(map(_OPTION.fullmatch, found)):  # a password with a "?" in it may have been cut in two
        raise ValueError("the URL's query has an option without a name, or with one that is none")
    return {key: values if len(values) > 1 else values[0] for key, values in found.items()}


def _encoded(value: object, safe: str = "") -> str:
    text = str(value)
    if not is_text(text):
        raise ValueError(f"it {NO_TEXT}")
    return quote(text, safe=safe)
