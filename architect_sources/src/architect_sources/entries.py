"""Entries made of the URLs of a service, and what the scheme of a URL tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from architect_core.contract import scheme_of
from architect_core.plugins.known import BY_NAME
from architect_core.schema import ServiceConfig, validate

RESERVED = frozenset({"options", "instances", "datastores", "subscriptions"})
"""Keys of a platform's text that are ignored, because these fields of an entry are objects."""

_OVER_HTTP = frozenset({"clickhouse", "dynamodb", "elasticsearch", "minio", "qdrant", "s3", "sqs"})
_TRANSPORTS = frozenset({"tcp", "tls", "ssl", "ws", "wss"})  # schemes that several engines have


def without_closed_port(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns fields without a port 0, which a broker writes if the server listens with TLS only.

    >>> without_closed_port({"host": "h", "port": 0, "tls_port": 16379})
    {'host': 'h', 'tls_port': 16379}
    """
    return {key: value for key, value in fields.items() if key != "port" or str(value).strip() != "0"}


def protocol_of(scheme: str) -> str | None:
    """Returns the protocol of services whose URLs have `scheme`; None for schemes of datastores and unknown ones.

    >>> protocol_of("https"), protocol_of("postgresql")
    ('rest', None)
    """
    found = BY_NAME.get(scheme.lower())
    return found.name if found is not None and found.kind == "protocol" else None


def is_reached_over_http(name: str) -> bool:
    """Returns whether `name` is a well-known engine whose URLs may have http and https.

    >>> is_reached_over_http("opensearch"), is_reached_over_http("redis")
    (True, False)
    """
    found = BY_NAME.get(name)
    return found is not None and found.kind == "engine" and found.name in _OVER_HTTP


def may_be(name: str, scheme: str) -> bool:
    """Returns whether `name` is a well-known engine, whose URLs may have a `scheme` that is none of its names.

    >>> may_be("nats", "tls"), may_be("elasticsearch", "https"), may_be("redis", "https"), may_be("redis", "redis")
    (True, True, False, False)
    """
    return is_datastore(name) if scheme in _TRANSPORTS else scheme in {"http", "https"} and is_reached_over_http(name)


def is_datastore(scheme: str) -> bool:
    """Returns whether URLs with `scheme` are those of a well-known datastore, and so of no service.

    >>> is_datastore("postgresql+psycopg"), is_datastore("https")
    (True, False)
    """
    name = scheme.partition("+")[0]
    found = BY_NAME.get(name)
    return name == "file" or (found is not None and found.kind == "engine" and name != "generic")


def service_at(urls: Sequence[str], where: str, api: str | None = None) -> ServiceConfig:
    """Returns the entry of a service with one or several URLs, one for each instance.

    Args:
        urls: the URLs.
        where: what they were read from, for error messages.
        api: the protocol; by default, that of the first URL's scheme.

    Raises:
        ConfigError: a URL is malformed, or its scheme cannot be the name of a protocol.
    """
    scheme = scheme_of(urls[0])
    entry: dict[str, Any] = {"host": urls[0], "api": api or protocol_of(scheme) or scheme.partition("+")[0] or "rest"}
    if len(urls) > 1:
        entry["instances"] = [{"host": url} for url in urls]
    return validate(ServiceConfig, entry, where)


def of_host(keys: Mapping[str, str]) -> dict[str, str]:
    """Returns the keys that the fields of an entry were read from, with that of a `url` as the one of `host`.

    >>> of_host({"url": "credentials.uri"})["host"]
    'credentials.uri'
    """
    return {**keys, "host": keys.get("url", keys.get("host", "host"))}


def with_login(host: str, username: str | None, password: str | None) -> str:
    """Returns `host` with the user name and password in it, unless it has some.

    >>> with_login("https://billing", "me", "p@ss")
    'https://me:p%40ss@billing'
    """
    if username is None and password is None:
        return host
    scheme = scheme_of(host)
    bare = host[len(scheme) + 3 :] if scheme else host
    if "@" in bare.partition("/")[0]:
        return host
    login = quote(username or "", safe="") + ("" if password is None else f":{quote(password, safe='')}")
    return f"{scheme}://{login}@{bare}" if scheme else f"{login}@{bare}"
