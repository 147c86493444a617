"""From a configured host and port to a gRPC channel."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    from architect_core.contract import Target

_INSECURE = ("", "http", "grpc")
_SECURE = ("https", "grpcs")
# https://github.com/grpc/grpc/blob/master/doc/naming.md
_GRPC_NAME = re.compile(r"(?:unix|unix-abstract|dns|ipv4|ipv6):")


def open_channel(target: Target) -> grpc.Channel:
    """A channel to `target`; it connects with the first call.

    TLS with the system's or gRPC's own roots for `https://` and `grpcs://`, plain text for `http://`, `grpc://` and
    a host without a scheme. A host in gRPC's own naming, such as `unix:/run/payments.sock`, is given on as it is.

    Raises:
        ConfigError: the host has a part that gRPC has no use for, or the port is missing.
    """
    options = _options(target)
    host = target.config.host or ""
    if _GRPC_NAME.match(host):
        return grpc.insecure_channel(host, options)
    address = target.address()
    if address.scheme not in (*_INSECURE, *_SECURE):
        raise target.error(
            "host", "a gRPC service's host starts with grpc://, grpcs://, http://, https:// or no scheme"
        )
    if address.path:
        raise target.error("host", "a gRPC service's host has no path; leave it out")
    if address.username is not None:
        raise target.error("host", "gRPC has no user and password in a host; send credentials as metadata of a call")
    if address.port is None:
        raise target.error("port", "is missing")
    if _is_loopback(address.host):  # a proxy that a variable names is on the way to other machines
        options.append(("grpc.enable_http_proxy", 0))
    # with its scheme, because a host may be called "dns" or "unix"
    name = f"dns:///{address.netloc}"
    if address.scheme in _SECURE:
        return grpc.secure_channel(name, grpc.ssl_channel_credentials(), options)
    return grpc.insecure_channel(name, options)


def _options(target: Target) -> list[tuple[str, int]]:
    limits = {
        "grpc.max_receive_message_length": target.options.max_receive_message_bytes,
        "grpc.max_send_message_length": target.options.max_send_message_bytes,
    }
    return [(name, limit) for name, limit in limits.items() if limit is not None]


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
