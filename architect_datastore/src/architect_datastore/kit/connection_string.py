"""Connection strings of .NET, in which Aspire hands out the address and login of a datastore."""

from __future__ import annotations

import re
from typing import Any

from architect_datastore.kit.keywords import FIELDS, IGNORED, OPTIONS, REDIS, engine_of, search_path, security, switch
from architect_datastore.kit.url import JDBC, parse_host, place_of

URL = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://")
_WRITING = frozenset({"readwrite", "readwritecreate"})  # Microsoft.Data.Sqlite's modes that forbid nothing
_REDIS_TLS_PORT = 6380  # of StackExchange.Redis
_TCP = re.compile(r"tcp:", re.IGNORECASE)
_BETWEEN = "; \t\r\n\0"


def read_connection_string(text: str) -> dict[str, Any]:
    """The entry of a datastore that a connection string says: `ConnectionStrings__NAME` of .NET and Aspire.

    >>> read_connection_string("Host=db;Port=5432;Username=app;Password='p;w';Database=shop")
    {'type': 'postgres', 'host': 'db', 'port': 5432, 'username': 'app', 'password': 'p;w', 'name': 'shop'}
    >>> read_connection_string("cache:6379,password=secret,ssl=true")
    {'type': 'redis', 'host': 'cache', 'port': 6379, 'password': 'secret', 'options': {'sslmode': 'verify-full'}}
    >>> read_connection_string("mongodb://app:secret@db/shop")
    {'url': 'mongodb://app:secret@db/shop'}

    It is a URL, pairs as ADO.NET has them, or the form of StackExchange.Redis. `type` is there where the keywords tell
    the engine. Keywords that say how a .NET client pools and waits are left out; any other unknown one is an error.

    Raises:
        ValueError: with a reason that repeats no part of the text.
    """
    if URL.match(text):
        return {"url": text.strip()}
    if text.lstrip().lower().startswith("jdbc:"):
        raise ValueError(JDBC)
    first = re.search(r"[=,]", text)
    entry = _redis(text) if first is None or first[0] == "," else _entry(split_connection_string(text))
    if not {"host", "hosts", "url"} & set(entry) and entry.get("type") != "sqlite":
        raise ValueError("names no host")
    return entry


def split_connection_string(text: str) -> list[tuple[str, str]]:
    """The `keyword=value` pairs of an ADO.NET connection string.

    >>> split_connection_string('''User ID=app; Password="say ""hi""; bye";''')
    [('User ID', 'app'), ('Password', 'say "hi"; bye')]

    A value with ";" or a space at its ends is in single or double quotes, in which the same quote is doubled. "==" is
    an equals sign in a keyword
    (https://learn.microsoft.com/dotnet/api/system.data.common.dbconnectionstringbuilder.connectionstring).

    Raises:
        ValueError: with the number of the pair that is wrong, counted from 1.
    """
    pairs: list[tuple[str, str]] = []
    at = _skip(text, 0, _BETWEEN)
    while at < len(text):
        number = len(pairs) + 1
        keyword, at = _keyword(text, at, number)
        value, at = _value(text, _skip(text, at, _BETWEEN[1:]), number)
        pairs.append((keyword, value))
        at = _skip(text, at, _BETWEEN)
    return pairs


def _skip(text: str, at: int, characters: str) -> int:
    while text[at : at + 1] and text[at] in characters:
        at += 1
    return at


def _keyword(text: str, at: int, number: int) -> tuple[str, int]:
    end = text.find("=", at)
    while text.startswith("==", end):
        end = text.find("=", end + 2)
    keyword = text[at:end].strip() if end >= 0 else ""
    if not keyword or ";" in keyword:
        raise ValueError(f"pair {number} has no `keyword=`; a value with ';' must be in quotes")
    return keyword.replace("==", "="), end + 1


def _value(text: str, at: int, number: int) -> tuple[str, int]:
    quote = text[at : at + 1]
    if quote not in {"'", '"'}:
        end = text.find(";", at)
        value = text[at : end if end >= 0 else len(text)]
        if not value.rstrip().endswith(("'", '"')):
            return value.strip(), at + len(value)
    else:
        end = text.find(quote, at + 1)
        while text.startswith(quote * 2, end):
            end = text.find(quote, end + 2)
        after = _skip(text, end + 1, _BETWEEN[1:])
        if end >= 0 and text[after : after + 1] in {";", ""}:
            return text[at + 1 : end].replace(quote * 2, quote), after
    raise ValueError(f"the value of pair {number} has quotes that do not enclose it")


def _entry(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    options: dict[str, str] = {}
    secured: dict[str, str] = {}
    seen: set[str] = set()
    for number, (key, value) in enumerate(pairs, 1):
        keyword = re.sub(r"[\s_-]", "", key).lower()
        seen.add(keyword)
        if keyword in FIELDS:
            entry[FIELDS[keyword]] = value
        elif keyword in OPTIONS:
            options[OPTIONS[keyword]] = value
        elif keyword == "searchpath":
            options["options"] = search_path(value)
        elif keyword == "mode" and value.lower() in _WRITING:
            continue
        elif not security(keyword, value, secured) and keyword not in IGNORED:
            raise ValueError(
                f"pair {number} has a keyword that is not known; a value with ';' must be in quotes, and what only "
                ".NET's driver knows must be left out"
            )
    # an empty value is none, but for a password
    entry = {key: value for key, value in entry.items() if value or key == "password"}
    engine = engine_of(seen)
    if _TCP.match(entry.get("host", "")):
        engine = "sqlserver"
    if engine == "sqlite":
        entry["name"] = entry.pop("host", "")
    elif "host" in entry:
        entry |= _place(entry.pop("host"))
    if "port" in entry and not isinstance(entry["port"], int):
        entry["port"] = parse_host(f"h:{entry['port']}")[1]
    if options.get("connect_timeout") == "0":  # which means no limit, as does none
        del options["connect_timeout"]
    options = {key: value for key, value in options.items() if value} | switch(secured)
    return _ordered(engine, entry, options)


def _redis(text: str) -> dict[str, Any]:
    """StackExchange.Redis's form (https://stackexchange.github.io/StackExchange.Redis/Configuration)."""
    entry: dict[str, Any] = {}
    options: dict[str, str] = {}
    hosts = []
    for number, part in enumerate(filter(None, map(str.strip, text.split(","))), 1):
        key, equals, value = part.partition("=")
        keyword = re.sub(r"\s", "", key).lower()
        if not equals:
            hosts.append(parse_host(part))
        elif keyword in REDIS:
            entry[REDIS[keyword]] = value.strip()
        elif keyword == "ssl":
            security(keyword, value, options)
        elif keyword not in IGNORED:
            raise ValueError(
                f"part {number} has a keyword that is not known; a password must have no comma, and what only .NET's "
                "driver knows must be left out"
            )
    modes = switch(options)
    if modes.get("sslmode", "disable") != "disable":
        hosts = [(host, port or _REDIS_TLS_PORT) for host, port in hosts]
    if hosts:
        entry |= _hosts(hosts)
    # a host alone may be anything's
    return _ordered("redis" if "=" in text else None, entry, modes)


def _place(text: str) -> dict[str, Any]:
    """Where `Server=` or `Host=` leads: `tcp:host,port` to SQL Server, `a:1,b:2` or a socket's folder to PostgreSQL."""
    text = _TCP.sub("", text)
    if text.startswith("/"):
        return {"host": text}
    host, comma, port = text.partition(",")
    if comma and re.fullmatch(r"\s*\d+\s*", port):
        return _hosts([(parse_host(host.strip())[0], parse_host(f"h:{port.strip()}")[1])])
    if text in {".", "(local)"}:
        return {"host": "localhost"}
    return _hosts([parse_host(each.strip()) for each in text.split(",")])


def _hosts(hosts: list[tuple[str, int | None]]) -> dict[str, Any]:
    if len(hosts) > 1:
        return {"hosts": [place_of(*each) for each in hosts]}
    host, port = hosts[0]
    return {"host": host} if port is None else {"host": host, "port": port}


def _ordered(engine: str | None, entry: dict[str, Any], options: dict[str, str]) -> dict[str, Any]:
    fields = ("url", "host", "port", "hosts", "username", "password", "name")
    found = {"type": engine, **{key: entry.get(key) for key in fields}, "options": options or None}
    return {key: value for key, value in found.items() if value is not None}
