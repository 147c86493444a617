"""Services and datastores as URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from architect_core.contract import Address, parse_address
from architect_core.resolver.engine import GENERIC

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.contract import Credentials

# a service's protocol -> the scheme of its host -> the scheme that names the protocol
_SCHEMES = {"grpc": {"": "grpc", "http": "grpc", "https": "grpcs"}, "rest": {"": "http"}}


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
    return f"{scheme}://{_login(address.username, address.password)}{address.netloc}{address.path}"


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
    login = _login(credentials.username, credentials.password)
    url = f"{credentials.engine}://{login}{netlocs}/{quote(credentials.name or '', safe='')}"
    query = urlencode(credentials.options, doseq=True, quote_via=quote)
    return f"{url}?{query}" if query else url


def _login(username: str | None, password: str | None) -> str:
    if username is None and password is None:
        return ""
    return quote(username or "", safe="") + ("@" if password is None else f":{quote(password, safe='')}@")
