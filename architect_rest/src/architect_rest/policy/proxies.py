"""Which proxy a URL is requested through, read from the environment as requests reads it."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_for(url: str, proxies: Mapping[str, str] | None = None) -> str | None:
    """The URL of the proxy for `url` from `HTTP_PROXY`, `HTTPS_PROXY` or `ALL_PROXY`; None without one.

    `NO_PROXY` has the ends of host names, with or without a port, and IPv4 addresses and networks (CIDR). `proxies` is
    what `getproxies` returned; it is called unless given.
    """
    proxies = getproxies() if proxies is None else proxies
    if not proxies:
        return None
    split = urlsplit(url)
    found = proxies.get(split.scheme) or proxies.get("all")
    host = split.hostname or ""
    if not found or _is_excepted(host, split.port, proxies.get("no", "")) or proxy_bypass(host):
        return None
    return found if "://" in found else f"http://{found}"


def _is_excepted(host: str, port: int | None, exceptions: str) -> bool:
    listed = [each for each in exceptions.replace(" ", "").split(",") if each]
    try:
        address = ip_address(host)
    except ValueError:
        return any(host.endswith(each) or f"{host}:{port}".endswith(each) for each in listed)
    return any(each == host or ("/" in each and _is_in(address, each)) for each in listed)


def _is_in(address: object, network: str) -> bool:
    try:
        return address in ip_network(network, strict=False)
    except ValueError:
        return False
