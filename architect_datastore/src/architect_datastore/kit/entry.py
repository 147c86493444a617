"""The entry of a datastore: fields, a URL or a connection string."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from architect_core.contract import DatastoreTarget, is_text, parse_address, parse_port, raising
from architect_datastore.kit.connection_string import KeywordError, parse_connection_string
from architect_datastore.kit.tls_keys import NO_PORT, TLS_PORTS, word
from architect_datastore.kit.url import NO_TEXT, ParsedURL, parse_host, parse_urls

_DEVIATIONS = frozenset("ßẞς\u200c\u200d")  # https://www.unicode.org/reports/tr46/#Deviations
_ASCII_HOST = re.compile(r"[A-Za-z0-9._-]+")

RESERVED = frozenset({"engine", "host", "hosts", "name", "options", "password", "port", "type", "url", "username"})
"""Attributes of credentials that no option of a URL may hide."""

_ENCODE = "Special characters of a name or password must be percent-encoded"
_HOSTS = '["a:5432", "b:5432"]'

Hosts = list[tuple[str, int | None]]


@dataclass(frozen=True)
class Entry:
    """An entry, read.

    Attributes:
        fields: host, port, hosts, username, password and name, as far as they are given, and the entry's other keys.
        query: the options of its URL.
        options: those of its connection string, by the names of the engine's schema.
        scheme: that of its URL, or None if it has no URL.
        path: that of its URL, not decoded.
        keys: a field that was read from a URL or a connection string, or "options." and an option -> the part that it
            was read from, for `DatastoreTarget.with_keys`.
    """

    fields: dict[str, Any] = field(repr=False)
    query: dict[str, Any] = field(default_factory=dict, repr=False)
    options: dict[str, Any] = field(default_factory=dict, repr=False)
    scheme: str | None = None
    path: str = field(default="", repr=False)
    keys: Mapping[str, str] = field(default_factory=dict)


def read_entry(
    target: DatastoreTarget, aliases: Mapping[str, str] | None = None, keywords: Mapping[str, str] | None = None
) -> Entry:
    """Reads the target's entry. A field of the entry overrides the same field of its URL or connection string.

    Args:
        target: the datastore.
        aliases: options of the URL that are fields -> that field.
        keywords: keywords of a connection string that only its engine has -> the option.

    Raises:
        ConfigError: the URL, the connection string or the host is malformed.
    """
    given = {key: value for key, value in target.config.items() if value is not None}
    given |= _tls_port(given, target)
    source, url, fields, keys = text_of(given, target, keywords)
    target = target.with_keys(keys)
    options = fields.pop("options", {})
    if "hosts" in fields:
        fields["hosts"] = _parse_hosts(fields["hosts"], target)
    parsed, of_query = ParsedURL("", {}, {}), dict[str, str]()
    if url is not None:
        parsed, of_query = _parse_url(url, aliases or {}, target)
    fields = parsed.fields | fields
    keys = {**dict.fromkeys(parsed.fields, "url"), **of_query, **keys}
    stated = {*given, *(f"options.{option}" for option in target.options.model_fields_set)}
    keys = {path: key for path, key in keys.items() if path not in stated}
    target = target.with_keys(keys)
    if "hosts" in given:
        given["hosts"] = _parse_hosts(given["hosts"], target)
        if "host" in given:
            raise target.error("host", "is set together with `hosts`; give one of them")
    elif "hosts" in fields and _is_among(given, fields["hosts"]):
        given = {key: value for key, value in given.items() if key not in {"host", "port"}}
    elif "hosts" in fields and {"host", "port"} & set(given):
        field_name = "host" if "host" in given else "port"
        raise target.error(field_name, f"is set together with several hosts in `{source}`; give all of it in one place")
    fields |= given
    if "hosts" in fields:
        port = fields.pop("port", None)
        fields["hosts"] = [(host, port if own is None else own) for host, own in fields["hosts"]]
    if "host" in fields and not fields["host"].startswith("/") and not fields["host"].endswith(".sock"):
        fields["host"] = ascii_host(_plain_host(fields["host"], target), target, "host")
    if "hosts" in fields:
        fields["hosts"] = [(ascii_host(host, target, "hosts"), port) for host, port in fields["hosts"]]
    check_text(fields, target)
    return Entry(fields, parsed.options, options, parsed.scheme or None, parsed.path, keys)


def _is_among(given: Mapping[str, Any], hosts: Hosts) -> bool:
    """Returns whether an entry's own host is the first of several, and its port that of all, as brokers have them."""
    ports = {port for _, port in hosts}
    return given.get("host") in {None, hosts[0][0]} and ("port" not in given or ports == {given["port"]})


def _tls_port(given: Mapping[str, Any], target: DatastoreTarget) -> dict[str, int]:
    """Returns the `port` of an entry that has one for TLS too, whose key means TLS to `read_tls_keys`."""
    for key, value in given.items():
        if word(key) in TLS_PORTS and value not in NO_PORT:
            return {"port": raising(partial(target.error, key), parse_port, str(value))}
    return {}


def text_of(
    given: dict[str, Any], target: DatastoreTarget, keywords: Mapping[str, str] | None = None
) -> tuple[str, str | None, dict[str, Any], dict[str, str]]:
    """Takes the URL or the connection string out of an entry.

    Returns:
        The key that had it, the URL or None, the entry that a connection string means, without its `type`, and the part
        of the connection string that each of its fields and options was read from.
    """
    url, text = given.pop("url", None), given.pop("connection_string", None)
    if text is None:
        return "url", url, {}, {}
    if url is not None:
        raise target.error("connection_string", "is set together with `url`; give one of them")
    entry, words = _parse_connection_string(text, target, keywords or {})
    entry.pop("type", None)  # the engine is known already
    keys = {path: f"connection_string.{word}".removesuffix(".") for path, word in words.items()}
    return "connection_string", entry.pop("url", None), entry, keys


def _parse_connection_string(
    text: object, target: DatastoreTarget, keywords: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    path = "connection_string"
    if not isinstance(text, str):
        raise target.error(path, "must be text")
    try:
        return parse_connection_string(text, strict=target.engine != "generic", keywords=keywords)
    except KeywordError as problem:
        path, reason = f"{path}.{problem.keyword}", problem.reason
    except ValueError as problem:
        reason = str(problem)
    raise target.error(path, reason)  # without a context, which would hold the text


def ascii_host(host: str, target: DatastoreTarget, key: str) -> str:
    """Returns a host in ASCII (IDNA), as drivers differ in what they make of others; raises ConfigError if it cannot.

    Python's codec is of IDNA 2003; what IDNA 2008 reads as another name is an error.
    """
    if host.isascii() or host.startswith("/"):
        return host
    error = target.error(
        key, "the host is not ASCII, and cannot be written so for certain; write its form that starts with xn--"
    )
    if not _DEVIATIONS.isdisjoint(host):
        raise error
    encoded = raising(lambda _: error, host.encode, "idna").decode()
    if not _ASCII_HOST.fullmatch(encoded):  # such as a wide slash, which is one after normalization
        raise error
    return encoded


def check_text(fields: Mapping[str, Any], target: DatastoreTarget) -> None:
    """Raises ConfigError if a field that a URL has is text that UTF-8 cannot encode."""
    for key in ("host", "username", "password", "name"):
        if not is_text(fields.get(key) or ""):
            raise target.error(key, NO_TEXT)


def _parse_url(url: str, aliases: Mapping[str, str], target: DatastoreTarget) -> tuple[ParsedURL, dict[str, str]]:
    """Returns the parts of the URL, and the option that each field in its query was read from."""

    def parse() -> tuple[ParsedURL, dict[str, str]]:
        parsed = parse_urls(url.strip())
        of_query: dict[str, Any] = {aliases[key]: value for key, value in parsed.options.items() if key in aliases}
        keys = {aliases[key]: f"url.{key}" for key in parsed.options if key in aliases}
        options = {key: value for key, value in parsed.options.items() if key not in aliases}
        fields = _with_query(parsed.fields, of_query, several="host" in aliases)
        return ParsedURL(parsed.scheme, fields, options, parsed.path), keys

    return raising(lambda reason: target.error("url", f"{reason}. {_ENCODE}"), parse)


def _with_query(fields: dict[str, Any], of_query: dict[str, Any], *, several: bool) -> dict[str, Any]:
    """Overrides the fields of a URL by those of its query; libpq's query may have `several` hosts and ports."""
    hosts = _hosts_of_query(of_query, several=several)
    if any(isinstance(value, list) for value in of_query.values()):
        raise ValueError("an option that names a host, a user or a database is there twice")
    fields = dict(fields)
    ports = [parse_port(each) if each else None for each in of_query.pop("port", "").split(",")]
    if "hosts" in fields:
        del fields["host"]  # the first of them
        own = [port for _, port in fields["hosts"]]
        if hosts and any(own) and not any(ports):  # libpq has the ports of the hosts that are replaced
            ports = own
    if any(ports) or "hosts" in fields:
        fields.pop("port", None)
    if hosts:
        fields = {key: value for key, value in fields.items() if key not in {"host", "hosts"}}
        fields |= {"hosts": hosts} if len(hosts) > 1 else {"host": hosts[0][0]}
        if len(hosts) == 1 and hosts[0][1] is not None:
            fields["port"] = hosts[0][1]
    if len(ports) not in {1, len(fields.get("hosts", [None]))}:
        raise ValueError("it must name one port, or as many as hosts")
    if "hosts" in fields and any(ports):
        ports = ports * (len(fields["hosts"]) // len(ports))
        fields["hosts"] = [(host, port) for (host, _), port in zip(fields["hosts"], ports, strict=True)]
    elif ports[0] is not None:
        fields["port"] = ports[0]
    return fields | of_query


def _hosts_of_query(of_query: dict[str, Any], *, several: bool) -> Hosts:
    """Takes the hosts out of a query: `?host=a,b` of libpq, or `?host=a:1&host=b:2` of SQLAlchemy."""
    host = of_query.get("host")
    if host is None or (isinstance(host, list) and not several):
        return []
    del of_query["host"]
    if not several:
        return [(host, None)]
    listed = host if isinstance(host, list) else host.split(",")
    if len(listed) == 1 and not re.fullmatch(r"[^/:]+:\d+", listed[0]):
        return [(listed[0], None)]
    return [_host_or_socket(each) for each in listed]


def _parse_hosts(hosts: object, target: DatastoreTarget) -> Hosts:
    error = partial(target.error, "hosts")
    if isinstance(hosts, list) and len(hosts) > 1 and all(isinstance(each, str) for each in hosts):
        return [raising(error, _host_or_socket, each) for each in hosts]
    raise error(f"must be a list of hosts: {_HOSTS}")


def _host_or_socket(text: str) -> tuple[str, int | None]:
    return (text, None) if text.startswith("/") else parse_host(text)


def _plain_host(host: str, target: DatastoreTarget) -> str:
    error = partial(target.error, "host")
    if "," in host:
        raise error(f"must be one host; give several as `hosts`, a list: {_HOSTS}")
    address = raising(error, parse_address, host)
    if "@" in host or address.scheme or address.path or address.port:
        raise error("must be a host alone; put a port, a user or a path in fields of their own, or all of it in `url`")
    return address.host
