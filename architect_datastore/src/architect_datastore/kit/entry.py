"""What the entry of a datastore states: in fields, in a URL, or in a connection string."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from architect_core.contract import parse_address, parse_port
from architect_datastore.kit.connection_string import read_connection_string
from architect_datastore.kit.url import ParsedURL, parse_host, parse_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.contract import DatastoreTarget

RESERVED = frozenset({"engine", "host", "hosts", "name", "options", "password", "port", "type", "url", "username"})
"""What an option of a URL cannot be called as an attribute of credentials."""

_ENCODE = "Special characters of a name or password must be percent-encoded"


@dataclass(frozen=True)
class Stated:
    """What an entry states.

    Attributes:
        fields: host, port, hosts, username, password and name as far as they are stated, and the entry's other keys.
        query: the options of its URL.
        options: those of its connection string, by the names of the engine's schema.
        scheme: its URL's, or None where there is no URL.
    """

    fields: dict[str, Any] = field(repr=False)
    query: dict[str, Any] = field(default_factory=dict, repr=False)
    options: dict[str, Any] = field(default_factory=dict, repr=False)
    scheme: str | None = None


def read_entry(target: DatastoreTarget, aliases: Mapping[str, str] | None = None) -> Stated:
    """What the target's entry states. A field of the entry wins over the same field of its URL or connection string.

    Args:
        target: what is to be read.
        aliases: options of the URL that state a field -> that field.

    Raises:
        ConfigError: the URL, the connection string or the host is malformed.
    """
    given = {key: value for key, value in target.config.items() if value is not None}
    url, text = given.pop("url", None), given.pop("connection_string", None)
    if url is not None and text is not None:
        raise target.error("connection_string", "is there beside `url`; give one of them")
    told = {} if text is None else _connection_string(text, target)
    source = "url" if text is None else "connection_string"
    url = told.pop("url", url)
    parsed = None if url is None else _url(url, aliases or {}, target, source)
    fields = {**(parsed.fields if parsed else {}), **told}
    if "hosts" in given:
        given["hosts"] = _listed(given["hosts"], target)
        if "host" in given:
            raise target.error("host", "is there beside `hosts`; give one of them")
    elif "hosts" in fields and {"host", "port"} & set(given):
        field_name = "host" if "host" in given else "port"
        raise target.error(field_name, f"is there beside several hosts in `{source}`; give all of it in one place")
    options = fields.pop("options", {})
    fields |= given
    if "hosts" in fields:
        port = fields.pop("port", None)
        fields["hosts"] = [(host, port if own is None else own) for host, own in fields["hosts"]]
    if "host" in fields and not fields["host"].startswith("/"):
        fields["host"] = _plain_host(fields["host"], target)
    _check_text(fields, target)
    return Stated(fields, parsed.options if parsed else {}, options, parsed.scheme if parsed else None)


def _connection_string(text: object, target: DatastoreTarget) -> dict[str, Any]:
    reason = "must be text"
    if isinstance(text, str):
        try:
            told = read_connection_string(text)
        except ValueError as problem:
            reason = str(problem)
        else:
            if "hosts" in told:
                told["hosts"] = _listed(told["hosts"], target)
            told.pop("type", None)  # whoever asked for this engine knows better
            return told
    raise target.error("connection_string", reason)


def _url(url: str, aliases: Mapping[str, str], target: DatastoreTarget, source: str) -> ParsedURL:
    try:
        parsed = parse_url(url)
        stated: dict[str, Any] = {aliases[key]: value for key, value in parsed.options.items() if key in aliases}
        fields = _with_query(parsed.fields, stated, several="host" in aliases)
    except ValueError as problem:
        reason = str(problem)
    else:
        options = {key: value for key, value in parsed.options.items() if key not in aliases}
        return ParsedURL(parsed.scheme, fields, options)
    raise target.error(source, f"{reason}. {_ENCODE}")


def _with_query(fields: dict[str, Any], stated: dict[str, Any], *, several: bool) -> dict[str, Any]:
    """The fields of a URL and those of its query, which win; libpq's query may have `several` hosts and ports."""
    if any(isinstance(value, list) for value in stated.values()):
        raise ValueError("an option that names a host, a user or a database is there twice")
    fields = dict(fields)
    ports = [parse_port(each) if each else None for each in stated.pop("port", "").split(",")]
    if "hosts" in fields:
        del fields["host"]  # the first of them
        fields.pop("port", None)
    if "host" in stated:
        fields.pop("hosts", None)
        if several and "," in stated["host"]:
            fields["hosts"] = [parse_host(each) for each in stated.pop("host").split(",")]
            fields.pop("host", None)
    if len(ports) not in {1, len(fields.get("hosts", [None]))}:
        raise ValueError("it must name one port, or as many as hosts")
    if "hosts" in fields and any(ports):
        ports = ports * (len(fields["hosts"]) // len(ports))
        fields["hosts"] = [(host, port) for (host, _), port in zip(fields["hosts"], ports, strict=True)]
    elif ports[0] is not None:
        fields["port"] = ports[0]
    return fields | stated


def _listed(hosts: object, target: DatastoreTarget) -> list[tuple[str, int | None]]:
    reason = 'must be a list of hosts: ["a:5432", "b:5432"]'
    if isinstance(hosts, list) and len(hosts) > 1 and all(isinstance(each, str) for each in hosts):
        try:
            return [parse_host(each) for each in hosts]
        except ValueError as problem:
            reason = str(problem)
    raise target.error("hosts", reason)


def _plain_host(host: str, target: DatastoreTarget) -> str:
    if "," in host:
        raise target.error("host", 'must be one host; give several as `hosts`, a list: ["a:5432", "b:5432"]')
    reason = ""
    try:
        address = parse_address(host)
        if not ("@" in host or address.scheme or address.path or address.port):
            return address.host
        reason = "must be a host alone; put a port, a user or a path in fields of their own, or all of it in `url`"
    except ValueError as problem:
        reason = str(problem)
    raise target.error("host", reason)


def _check_text(fields: Mapping[str, Any], target: DatastoreTarget) -> None:
    for key in ("host", "username", "password", "name"):
        if any("\ud800" <= character <= "\udfff" for character in fields.get(key) or ""):
            raise target.error(key, "has a character that is no text (a lone surrogate)")
