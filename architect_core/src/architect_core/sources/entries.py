"""From what a platform says of an endpoint to an entry of ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from architect_core.schema.config import DatastoreConfig, ServiceConfig
from architect_core.schema.validation import validate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_DATASTORES = frozenset(
    {
        "postgres",
        "postgresql",
        "postgis",
        "mysql",
        "mariadb",
        "redis",
        "rediss",
        "valkey",
        "valkeys",
        "unix",
        "mongodb",
        "amqp",
        "amqps",
        "rabbitmq",
        "sqlite",
        "mssql",
        "sqlserver",
        "clickhouse",
        "clickhouses",
        "s3",
        "minio",
        "elasticsearch",
        "opensearch",
        "kafka",
        "nats",
        "file",
    }
)
_PROTOCOLS = {"http": "rest", "https": "rest", "rest": "rest", "grpc": "grpc", "grpcs": "grpc"}


def protocol_of(scheme: str) -> str | None:
    """The protocol of services whose URLs have `scheme`; None for those of datastores and unknown ones.

    >>> protocol_of("https"), protocol_of("postgresql")
    ('rest', None)
    """
    return _PROTOCOLS.get(scheme.lower())


def scheme_of(url: str) -> str:
    """The scheme of a URL, in lower case; empty where it has none."""
    match = _SCHEME.match(url)
    return match[1].lower() if match else ""


def is_datastore(scheme: str) -> bool:
    """Whether URLs with `scheme` are those of well-known datastores, which are no services."""
    return scheme.partition("+")[0] in _DATASTORES


def service_at(urls: Sequence[str], where: str, api: str | None = None) -> ServiceConfig:
    """The entry of a service that is at one or several URLs.

    Raises:
        ConfigError: a URL's scheme tells no protocol, or it is malformed.
    """
    scheme = scheme_of(urls[0])
    entry: dict[str, Any] = {"host": urls[0], "api": api or protocol_of(scheme) or scheme.partition("+")[0] or "rest"}
    if len(urls) > 1:
        entry["instances"] = [{"host": url} for url in urls]
    return checked_service(entry, where)


def checked_service(entry: Mapping[str, Any], where: str) -> ServiceConfig:
    """An entry that was read from one place, checked; raises ConfigError."""
    return validate(ServiceConfig, dict(entry), where)


def checked_datastore(entry: Mapping[str, Any], where: str) -> DatastoreConfig:
    """Likewise of a datastore."""
    return validate(DatastoreConfig, dict(entry), where)


def with_login(host: str, username: str | None, password: str | None) -> str:
    """`host` with user information, which is how a service's entry has a login."""
    if username is None and password is None:
        return host
    scheme = scheme_of(host)
    bare = host[len(scheme) + 3 :] if scheme else host
    if "@" in bare.partition("/")[0]:  # it has its login already
        return host
    login = quote(username or "", safe="") + ("" if password is None else f":{quote(password, safe='')}")
    return f"{scheme}://{login}@{bare}" if scheme else f"{login}@{bare}"
