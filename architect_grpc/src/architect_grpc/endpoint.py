"""From configured hosts and ports to a channel's target, in gRPC's own naming."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from architect_core.contract import parse_address

if TYPE_CHECKING:
    from architect_core.contract import Address, Target

SECURE = ("https", "grpcs")
_SCHEMES = ("", "http", "grpc", *SECURE)
# https://github.com/grpc/grpc/blob/master/doc/naming.md
_GRPC_NAME = re.compile(r"(?:unix|unix-abstract|vsock|dns|ipv4|ipv6|xds):")
# of other languages' gRPC: the address is connected to as it is, and so is one in dns: that has no other
_PASSTHROUGH = re.compile(r"passthrough:(?:///)?")


@dataclass(frozen=True)
class Endpoint:
    """A channel's target.

    Attributes:
        name: in gRPC's own naming.
        scheme: the host's scheme; empty if it has none.
        local: whether it is on this machine.
        several: whether it is the addresses of several instances.
        authority: the pseudo-header `:authority`; None for the one that gRPC derives from `name`.
    """

    name: str
    scheme: str
    local: bool
    several: bool = False
    authority: str | None = None


def endpoint(target: Target) -> Endpoint:
    """The endpoint of `target`: its host and port, or all of its instances.

    Raises:
        ConfigError: a host has a part that gRPC cannot use, a port is missing, or one of several instances is no IP
            address.
    """
    if len(target.config.instances) > 1:
        return _several(target)
    host = target.config.host or ""
    if _GRPC_NAME.match(host):
        return Endpoint(host, "", host.startswith("unix"), authority=_authority(host))
    if passthrough := _PASSTHROUGH.match(host):
        target = replace(target, config=target.config.model_copy(update={"host": host[passthrough.end() :]}))
    address = _checked(target.address(), target, "")
    ip = _ip(address.host)
    local = address.host == "localhost" if ip is None else ip.is_loopback
    # with its scheme, because a host may be named "dns" or "unix"
    return Endpoint(f"dns:///{address.netloc}", address.scheme, local)


def _authority(name: str) -> str | None:
    """The authority of a name of gRPC's own naming, where gRPC would derive one that servers refuse."""
    if name.startswith("unix"):
        return "localhost"  # as gRPC for other languages has it, and not the path of the socket
    if name.startswith(("ipv4:", "ipv6:")) and "," in name:
        return name[len("ipv4:") :].partition(",")[0]  # one of the addresses, as for `instances`
    return None


def _several(target: Target) -> Endpoint:
    instances = [_instance(target, number) for number in range(len(target.config.instances))]
    addresses = [address for address, _ in instances]
    if len({address.scheme for address in addresses}) > 1:
        raise target.error("instances", "must all have the same scheme")
    # gRPC takes a list of either; an IPv4 address has a form in IPv6, RFC 4291 section 2.5.5.2
    if all(isinstance(ip, IPv4Address) for _, ip in instances):
        name = "ipv4:" + ",".join(address.netloc for address in addresses)
    else:
        ips = (f"::ffff:{ip}" if isinstance(ip, IPv4Address) else str(ip) for _, ip in instances)
        name = "ipv6:" + ",".join(f"[{ip}]:{address.port}" for ip, address in zip(ips, addresses, strict=True))
    local = all(ip.is_loopback for _, ip in instances)
    return Endpoint(name, addresses[0].scheme, local, several=True, authority=addresses[0].netloc)


def _instance(target: Target, number: int) -> tuple[Address, IPv4Address | IPv6Address]:
    path, instance = f"instances[{number}].", target.config.instances[number]
    reason = (
        "gRPC balances between IP addresses; give those of the instances, or instead of `instances` a `host` that "
        "DNS has all of them for"
    )
    try:
        address = parse_address(instance.host or "", instance.port)
    except ValueError as problem:
        reason = str(problem)
    else:
        if _checked(address, target, path).host == "localhost":
            address = replace(address, host="127.0.0.1")
        if (ip := _ip(address.host)) is not None:
            return address, ip
    raise target.error(f"{path}host", reason)


def _checked(address: Address, target: Target, path: str) -> Address:
    if address.scheme not in _SCHEMES:
        raise target.error(
            f"{path}host", "a gRPC service's host starts with grpc://, grpcs://, http://, https:// or no scheme"
        )
    if address.path:
        raise target.error(f"{path}host", "a gRPC service's host has no path; leave it out")
    if address.username is not None:
        raise target.error(f"{path}host", "gRPC has no user and password in a host; give them in the option `auth`")
    if address.port is None:
        raise target.error(f"{path}port", "is missing")
    return address


def _ip(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
