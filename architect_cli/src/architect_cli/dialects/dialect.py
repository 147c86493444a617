"""What the dialects have in common: their base, and services and datastores as URLs."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, unquote, urlencode

from architect_core.contract import Address, parse_address
from architect_core.resolver.engine import GENERIC
from architect_core.schema import DatastoreConfig, ServiceConfig
from architect_core.sources.entries import with_login

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from architect_cli.resolved import Resolved
    from architect_core.contract import Credentials, Source
    from architect_core.plugins import Plugins

Form = Mapping[str, str]
"""The variables, or the files, for one item: name -> value."""

# fields that are exported by other means
_EXPORTED = {
    "services": set(ServiceConfig.model_fields) - {"options", "subscriptions"},
    "datastores": {*DatastoreConfig.model_fields, "connection_string", "hosts"},
}

# a service's protocol -> the scheme of its host -> the scheme that names the protocol
_SCHEMES = {"grpc": {"": "grpc", "http": "grpc", "https": "grpcs"}, "rest": {"": "http"}}


class Dialect(ABC):
    """The format in which a platform states the addresses of services and datastores."""

    name: ClassVar[str]  # in `--export`
    several: ClassVar[bool] = False  # whether it can express several instances of a service

    @abstractmethod
    def holder(self, item: Resolved) -> str:
        """The variable or folder of an item, for messages; no two items may have the same."""

    @abstractmethod
    def forms(self, item: Resolved) -> Iterable[Form]:
        """The possible forms of an item, the preferred one first."""

    @abstractmethod
    def source(self, item: Resolved, form: Form, plugins: Plugins) -> Source:
        """A source that reads a form as an application would; raises NoPluginError if its package is not installed."""

    @abstractmethod
    def text(self, exported: Sequence[tuple[Resolved, Form]], *, secrets: bool) -> tuple[str, list[str]]:
        """Returns the text to print for all items, and notes on omitted secrets."""

    def carried(self, form: Form) -> Iterable[str]:  # noqa: ARG002 - to override
        """The keys of the entry, or of its options, that a form has under the same name."""
        return ()


def further(item: Resolved) -> dict[str, Any]:
    """The fields of an entry beside the address and the login."""
    return {key: value for key, value in item.entry.items() if key not in _EXPORTED[item.kind] and value}


def settable(name: str) -> str:
    """The name of a variable that a shell and Compose can set; neither allows a digit at its start.

    >>> settable("2fa/token"), settable("billing/token")
    ('_2FA_TOKEN', 'BILLING_TOKEN')
    """
    return re.sub(r"^(?=\d)", "_", re.sub(r"[^A-Z0-9]", "_", name.upper()))


def notes_on(variables: Sequence[str], how: str) -> list[str]:
    """A note on which variables to set, and how, if there are any."""
    note = f"secrets are omitted: set {', '.join(variables)} {how}; --show-secrets writes them"
    return [note] if variables else []


def service_urls(entry: Mapping[str, Any]) -> list[str]:
    """The URLs of a service's instances, that of the entry itself first; empty if its address is no URL.

    >>> service_urls({"api": "grpc", "host": "p0", "port": 1, "instances": [{"host": "p0", "port": 1}, {"host": "p1"}]})
    ['grpc://p0:1', 'grpc://p1']
    """
    try:
        first = _service_url(entry, entry.get("api"))
        several = [_service_url(each, entry.get("api")) for each in entry.get("instances") or ()]
    except ValueError:  # a target of gRPC's naming, or an instance without a host
        return []
    return several if several[:1] == [first] else [first]


def _service_url(entry: Mapping[str, Any], api: str | None) -> str:
    address = parse_address(entry.get("host") or "", entry.get("port"))
    scheme = _SCHEMES.get(str(api), {"": str(api)}).get(address.scheme, address.scheme)
    return with_login(f"{scheme}://{address.netloc}{address.path}", address.username, address.password)


def datastore_urls(credentials: Credentials) -> list[str]:
    """URLs with the content of credentials: that of the engine's drivers, and one whose scheme is the engine's name.

    The former does not name the engine if the drivers' scheme is a general one, such as Elasticsearch's "https".
    """
    if credentials.url is None:
        return []
    if credentials.engine == GENERIC:
        return [credentials.url]
    try:
        return [credentials.url, _engine_url(credentials)]
    except ValueError:  # a lone surrogate
        return [credentials.url]


def _engine_url(credentials: Credentials) -> str:
    # an IPv6 address keeps its colons, a socket's path does not
    hosts = [(quote(host, safe="" if host.startswith("/") else ":"), port) for host, port in credentials.hosts]
    netlocs = ",".join(Address("", *each).netloc for each in hosts)
    url = f"{credentials.engine}://{netlocs}/{quote(credentials.name or '', safe='')}"
    query = urlencode(credentials.options, doseq=True, quote_via=quote)
    return with_login(f"{url}?{query}" if query else url, credentials.username, credentials.password)


def without_options(url: str, values: Container[str]) -> str:
    """A URL without the options in its query that have one of `values`."""
    start, _, query = url.partition("?")
    kept = [pair for pair in query.split("&") if pair and unquote(pair.partition("=")[2]) not in values]
    return start + ("?" + "&".join(kept) if kept else "")
