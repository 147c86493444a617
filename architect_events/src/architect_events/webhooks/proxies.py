"""Which proxy a request goes through, from the environment variables that requests reads."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import proxy_bypass

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Proxy:
    """A proxy; `login` is the value of the header Proxy-Authorization, or empty."""

    host: str
    port: int
    tls: bool
    login: str = field(default="", repr=False)


def proxy_for(scheme: str, host: str, port: int, proxies: Mapping[str, str]) -> Proxy | None:
    """Returns the proxy for a host from `HTTP_PROXY`, `HTTPS_PROXY` or `ALL_PROXY`, or None if it has none.

    `NO_PROXY` has names of hosts and domains, with or without a port, and addresses and networks (CIDR). `proxies` is
    what `urllib.request.getproxies` returned. Raises OSError if the proxy's URL is malformed.
    """
    url = proxies.get(scheme) or proxies.get("all")
    if not url or proxy_bypass(f"{host}:{port}") or _is_excepted(host, proxies.get("no", "")):
        return None
    with suppress(ValueError):  # its message could show a password
        split = urlsplit(url if "://" in url else f"http://{url}")
        default = _PORTS.get(split.scheme)
        if split.hostname and default is not None:
            return Proxy(split.hostname, split.port or default, split.scheme == "https", _login(split))
    raise OSError(f"the proxy of the environment for {scheme} must be http://HOST:PORT or https://HOST:PORT")


def _login(url: SplitResult) -> str:
    if url.username is None:
        return ""
    plain = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return f"Basic {b64encode(plain.encode()).decode()}"


def _is_excepted(host: str, exceptions: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(_is_in(address, each.strip()) for each in exceptions.split(","))


def _is_in(address: object, network: str) -> bool:
    try:
        return address in ip_network(network, strict=False)
    except ValueError:
        return False
