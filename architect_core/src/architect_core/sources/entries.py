"""From what a platform says of an endpoint to an entry of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from architect_core._base.address import scheme_of as scheme_of  # noqa: PLC0414 - sources import it from here
from architect_core.plugins.known import known
from architect_core.schema.config import DatastoreConfig, ServiceConfig
from architect_core.schema.validation import validate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_OTHER_DATASTORES = frozenset({"kafka", "nats", "file"})  # no package of ours serves them


def protocol_of(scheme: str) -> str | None:
    """Returns the protocol of services whose URLs have `scheme`; None for those of datastores and unknown ones.

    >>> protocol_of("https"), protocol_of("postgresql")
    ('rest', None)
    """
    found = known(scheme.lower())
    return found.name if found is not None and found.kind == "protocol" else None


def is_datastore(scheme: str) -> bool:
    """Returns whether URLs with `scheme` are those of well-known datastores, which are no services."""
    base = scheme.partition("+")[0]
    found = known(base)
    return base in _OTHER_DATASTORES or (found is not None and found.kind == "engine")


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
