"""Connection strings of .NET, as Aspire sets them, and of libpq."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from architect_core.contract import parse_port, raising, scheme_of
from architect_datastore.kit.conninfo import read_conninfo
from architect_datastore.kit.keywords import FIELDS, IGNORED, OPTIONS, REDIS, engine_of, search_path, security, switch
from architect_datastore.kit.url import JDBC, build_host, parse_host

_MODES = {"readwrite": "", "readwritecreate": "", "readonly": "ro", "memory": "memory"}  # of Microsoft.Data.Sqlite
_REDIS_TLS_PORT = 6380  # of StackExchange.Redis
_DOMAINS = {
    ".postgres.database.azure.com": "postgres",
    ".mysql.database.azure.com": "mysql",
    ".database.windows.net": "sqlserver",
}
_OF_SQLITE = frozenset({"mode", "cache"})
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9 _.-]*")
_RESERVED = frozenset({"engine", "host", "hosts", "name", "options", "password", "port", "type", "url", "username"})
_EASY_CONNECT = re.compile(r"(?://)?([^/,()=\\]+)/([\w.$#-]+)")  # of Oracle: host:port/service
_CONNECT_STRING = re.compile(
    r"\(\s*\w+\s*=|tcps?://", re.IGNORECASE
)  # of Oracle: a descriptor, or Easy Connect with a protocol
_ODBC = re.compile(r"(?:\A|;)\s*driver\s*=\s*\{?[^;{}]*(?:SQL Server|FreeTDS)", re.IGNORECASE)
_TCP = re.compile(r"tcp:", re.IGNORECASE)
_KEYWORD = re.compile(r"([^=;]*+(?:==[^=;]*+)*+)=")
_VALUE = re.compile(
    r"""[\s\0]*+(?:(["'])(?P<quoted>(?:(?!\1).|\1\1)*+)\1[\s\0]*+|(?!["'])(?P<plain>[^;]*+))(?:;|\Z)[;\s\0]*+""",
    re.DOTALL,
)


def read_connection_string(text: str, *, strict: bool = True) -> dict[str, Any]:
    """Returns the entry of a datastore that a connection string means: `ConnectionStrings__NAME` of .NET and Aspire.

    >>> read_connection_string("Host=db;Port=5432;Username=app;Password='p;w';Database=shop")
    {'type': 'postgres', 'host': 'db', 'port': 5432, 'username': 'app', 'password': 'p;w', 'name': 'shop'}
    >>> read_connection_string("cache:6379,password=secret,ssl=true")
    {'type': 'redis', 'host': 'cache', 'port': 6379, 'password': 'secret', 'options': {'sslmode': 'verify-full'}}
    >>> read_connection_string("mongodb://app:secret@db/shop")
    {'url': 'mongodb://app:secret@db/shop'}

    >>> read_connection_string("host=db dbname=shop")
    {'type': 'postgres', 'url': 'postgresql:///?host=db&dbname=shop'}

    The text is a URL, pairs of ADO.NET or of libpq, or the form of StackExchange.Redis. The entry has a `type` if the
    keywords are those of one engine. Keywords about the pool and the timeouts of a .NET client are ignored. With
    `strict` off, other unknown keywords are keys of the entry, and it may name no host.

    Raises:
        ValueError: the text is malformed or has an unknown keyword; of its parts, the message repeats known keywords.
    """
    return parse_connection_string(text, strict=strict)[0]


def is_odbc(text: str) -> bool:
    """Returns whether a connection string is one of ODBC for SQL Server, as its keyword `Driver` says.

    >>> is_odbc("Driver={ODBC Driver 18 for SQL Server};Server=db"), is_odbc("Server=db;Initial Catalog=shop")
    (True, False)
    """
    return _ODBC.search(text) is not None


class KeywordError(ValueError):
    """The value of `keyword` is wrong for the `reason`."""

    def __init__(self, keyword: str, reason: str) -> None:
        self.keyword = keyword
        self.reason = reason
        super().__init__(f"{keyword}: {reason}")


def parse_connection_string(
    text: str, *, strict: bool = True, keywords: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Returns the entry, as above, and the keyword that has each field, or each "options." and an option.

    `keywords` are those that only one engine has -> the option.

    >>> parse_connection_string("Server=db;Initial Catalog=shop;Encrypt=no")[1]
    {'host': 'Server', 'name': 'Initial Catalog', 'options.sslmode': 'Encrypt'}
    """
    if scheme_of(text.strip()):
        return {"url": text.strip()}, {}
    if text.lstrip().lower().startswith("jdbc:"):
        raise ValueError(JDBC)
    if is_odbc(text):
        return {"type": "sqlserver", "url": f"mssql+pyodbc:///?odbc_connect={quote(text, safe='')}"}, {}
    if url := read_conninfo(text):
        return {"type": "postgres", "url": url}, {"url": ""}
    first = re.search(r"[=,]", text)
    words: dict[str, str] = {}
    if first is None or first[0] == ",":
        entry = _redis(text, words)
    else:
        entry = _entry(split_connection_string(text), OPTIONS | dict(keywords or {}), words, strict=strict)
    if strict and not {"host", "hosts", "url"} & set(entry) and entry.get("type") not in {"oracle", "sqlite"}:
        raise ValueError("names no host")
    return entry, words


def split_connection_string(text: str) -> list[tuple[str, str]]:
    """Splits an ADO.NET connection string into pairs of keyword and value.

    >>> split_connection_string('''User ID=app; Password="say ""hi""; bye";''')
    [('User ID', 'app'), ('Password', 'say "hi"; bye')]

    A value with ";", or with a space at an end, is in single or double quotes; the same quote inside is doubled. In a
    keyword, "==" is an equals sign
    (https://learn.microsoft.com/dotnet/api/system.data.common.dbconnectionstringbuilder.connectionstring).

    Raises:
        ValueError: a pair is malformed; the message has its number, counted from 1.
    """
    text = text.lstrip("; \t\r\n\0")
    pairs: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        number = len(pairs) + 1
        keyword = _KEYWORD.match(text, at)
        if keyword is None or not keyword[1].strip():
            raise ValueError(f"pair {number} has no `keyword=`; a value with ';' must be in quotes")
        value = _VALUE.match(text, keyword.end())
        if value is None or (value["plain"] or "").rstrip().endswith(("'", '"')):
            raise ValueError(f"the value of pair {number} has quotes that do not enclose it")
        quote, quoted, plain = value.groups()
        read = plain.strip() if quote is None else quoted.replace(quote * 2, quote)
        pairs.append((keyword[1].strip().replace("==", "="), read))
        at = value.end()
    return pairs


def _entry(
    pairs: list[tuple[str, str]], names: Mapping[str, str], words: dict[str, str], *, strict: bool
) -> dict[str, Any]:
    """Reads pairs of ADO.NET, whose `names` of options are given, and adds the keyword of each field to `words`."""
    entry: dict[str, Any] = {}
    options: dict[str, str] = {}
    secured: dict[str, str] = {}
    others: dict[str, str] = {}
    seen: set[str] = set()
    for number, (key, value) in enumerate(pairs, 1):
        keyword = re.sub(r"[\s_-]", "", key).lower()
        seen.add(keyword)
        if keyword in FIELDS:
            entry[FIELDS[keyword]] = value
            words[FIELDS[keyword]] = key
        elif option := raising(partial(KeywordError, key), _option, keyword, value, options, names):
            words[f"options.{option}"] = key
        elif raising(partial(KeywordError, key), security, keyword, value, secured):
            words["options.sslmode"] = key
        elif keyword not in IGNORED:
            # what follows a password, or is no word, may be a part of one that has a ";" and is not in quotes
            if strict or key.lower() in _RESERVED or "password" in entry or not _WORD.fullmatch(key):
                raise ValueError(
                    f"pair {number} has a keyword that is not known; a value with ';' must be in quotes, and what only "
                    ".NET's driver knows must be removed"
                )
            others[key] = value
    # an empty value is none, except a password
    entry = {key: value for key, value in entry.items() if value or key == "password"}
    if "accountendpoint" in seen and "name" in entry:  # of Cosmos DB, whose URLs name no database
        others["Database"] = entry.pop("name")
    engine = engine_of(seen, entry.get("port") or _port_of(entry.get("url", ""))) or _engine_of_domain(
        entry.get("host", "")
    )
    if engine == "sqlite":
        entry["name"] = _file(entry.pop("host", ""), options)
    else:
        engine = _server_of(entry, options, words) or engine
    if "port" in entry and not isinstance(entry["port"], int):
        entry["port"] = raising(partial(KeywordError, words["port"]), parse_port, entry["port"])
    if options.get("connect_timeout") == "0":  # no limit, which is the default
        del options["connect_timeout"]
    options = {key: value for key, value in options.items() if value and key not in _OF_SQLITE} | switch(secured)
    return {**others, **_ordered(engine, entry, options)}


def _port_of(url: str) -> str | None:
    match = re.search(r":(\d+)/?$", url)
    return match and match[1]


def _option(keyword: str, value: str, options: dict[str, str], names: Mapping[str, str]) -> str | None:
    """Adds what a keyword says about the connection to `options`; returns the option, or None if it is none."""
    option = names.get(keyword)
    if keyword == "searchpath":
        option, value = "options", search_path(value)
    elif keyword == "mode" and value.lower() in _MODES:
        option, value = "mode", _MODES[value.lower()]
    elif keyword == "cache":
        option, value = "cache", value.lower()
    elif keyword == "authentication":  # SqlClient has spaces in the names of ODBC
        option, value = "authentication", value.replace(" ", "")
    if option is not None:
        options[option] = value
    return option


def _server_of(entry: dict[str, Any], options: dict[str, str], words: dict[str, str]) -> str | None:
    """Splits the `host` of an entry; returns the engine that it tells, or None."""
    text = entry.pop("host", None)
    if text is None:
        return None
    match, keyword = _EASY_CONNECT.fullmatch(text), words["host"]
    if _CONNECT_STRING.match(text):
        options["dsn"], words["options.dsn"] = text, keyword
        return "oracle"
    found = raising(partial(KeywordError, words["host"]), _server, match[1] if match else text)
    if match:
        found["name"] = match[2]
    words |= dict.fromkeys(found, words["host"])
    if "instance" in found:
        options["instance"] = found.pop("instance")
        words["options.instance"] = words["host"]
    entry |= found
    if match:
        return "oracle" if keyword.lower().replace(" ", "") == "datasource" else None
    return "sqlserver" if "instance" in options or _TCP.match(text) else None


def _engine_of_domain(host: str) -> str | None:
    """Returns the engine that a domain of Azure is for, or None."""
    name = host.partition(",")[0].strip().lower()
    return next((engine for domain, engine in _DOMAINS.items() if name.endswith(domain)), None)


def _redis(text: str, words: dict[str, str]) -> dict[str, Any]:
    """Reads the form of StackExchange.Redis (https://stackexchange.github.io/StackExchange.Redis/Configuration)."""
    entry: dict[str, Any] = {}
    options: dict[str, str] = {}
    hosts = []
    for number, part in enumerate(filter(None, map(str.strip, text.split(","))), 1):
        key, equals, value = part.partition("=")
        keyword = re.sub(r"\s", "", key).lower()
        if not equals and "password" in entry:
            raise ValueError(f"part {number} follows a password, which must have no comma; write hosts first")
        if not equals:
            hosts.append(parse_host(part))
        elif keyword in REDIS:
            entry[REDIS[keyword]] = value.strip()
            words[REDIS[keyword]] = key
        elif keyword == "ssl":
            raising(partial(KeywordError, key), security, keyword, value, options)
            words["options.sslmode"] = key
        elif keyword not in IGNORED:
            raise ValueError(
                f"part {number} has a keyword that is not known; a password must have no comma, and what only .NET's "
                "driver knows must be removed"
            )
    modes = switch(options)
    if modes.get("sslmode", "disable") != "disable":
        hosts = [(host, port or _REDIS_TLS_PORT) for host, port in hosts]
    if hosts:
        found = _hosts(hosts)
        entry |= found
        words |= dict.fromkeys(found, "")  # they have no keyword
    # any engine may have a host alone
    return _ordered("redis" if "=" in text else None, entry, modes)


def _file(path: str, options: dict[str, str]) -> str:
    """Returns a file's path, or a URI of SQLite if it is opened in another way than by default."""
    mode = options.get("mode", "")
    query = [f"mode={mode}"] if mode else []
    if options.get("cache") == "shared" and (mode == "memory" or path.startswith("file:")):
        query.append("cache=shared")
    if not query:
        return path
    start = path if path.startswith("file:") else f"file:{quote(path)}"
    return f"{start}{'&' if '?' in start else '?'}{'&'.join(query)}"


def _server(text: str) -> dict[str, Any]:
    """Reads `Server` or `Host`: `tcp:host,port` of SQL Server, `a:1,b:2` or a socket's folder of PostgreSQL."""
    text = _TCP.sub("", text)
    if text.startswith("/"):
        if re.search(r"\s[\w ]+=", text):
            raise ValueError("has a socket's path with a further keyword in it; separate pairs with ';'")
        return {"host": text}
    text, backslash, instance = text.partition("\\")
    if backslash:
        return {**_server(text + "".join(instance.partition(",")[1:])), "instance": instance.partition(",")[0].strip()}
    host, comma, port = text.partition(",")
    if comma and re.fullmatch(r"\s*\d+\s*", port):
        return _hosts([(parse_host(host.strip())[0], parse_host(f"h:{port.strip()}")[1])])
    if text in {".", "(local)"}:
        return {"host": "localhost"}
    return _hosts([parse_host(each.strip()) for each in text.split(",")])


def _hosts(hosts: list[tuple[str, int | None]]) -> dict[str, Any]:
    if len(hosts) > 1:
        return {"hosts": [build_host(*each) for each in hosts]}
    host, port = hosts[0]
    return {"host": host} if port is None else {"host": host, "port": port}


def _ordered(engine: str | None, entry: dict[str, Any], options: dict[str, str]) -> dict[str, Any]:
    fields = ("url", "host", "port", "hosts", "username", "password", "name")
    found = {"type": engine, **{key: entry.get(key) for key in fields}, "options": options or None}
    return {key: value for key, value in found.items() if value is not None}
