"""The options `tls` and `auth`: channel credentials, and the metadata that says who calls."""

from __future__ import annotations

import re
from base64 import b64encode
from codecs import BOM_UTF8
from typing import TYPE_CHECKING

import grpc

from architect_core.contract import Tls

if TYPE_CHECKING:
    from architect_core.contract import Target

# Custom-Metadata of https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md; keys in -bin have binary values
_KEY = re.compile(r"(?!grpc-)[0-9a-z_.-]+(?<!-bin)")
_VALUE = re.compile(r"[\x20-\x7e]*")


def tls_credentials(target: Target) -> grpc.ChannelCredentials:
    """The trusted authorities, which are gRPC's own unless configured, and the client's certificate if it has one.

    Raises:
        ConfigError: a file cannot be read or has no PEM of its kind; gRPC would only fail the calls.
    """
    tls = target.options.tls or Tls()
    tls.check(target)
    files = tls.ca, tls.certificate, tls.key
    # OpenSSL skips a byte-order mark, and gRPC does not
    ca, certificate, key = (None if file is None else file.read_bytes().removeprefix(BOM_UTF8) for file in files)
    return grpc.ssl_channel_credentials(ca, key or certificate, certificate)


def auth_metadata(target: Target) -> tuple[tuple[str, str], ...]:
    """The pairs of key, in lower case, and value that are sent with each call.

    They are not gRPC's call credentials, which run in a thread of their own and cost 70 % of a call.

    Raises:
        ConfigError: gRPC can send no such key or value.
    """
    auth = target.options.auth
    if auth is None:
        return ()
    pairs: dict[str, str] = {}
    for name, value in auth.headers.items():
        if not _KEY.fullmatch(name.lower()):
            raise target.error("options.auth.headers", "has a name that is gRPC's own, or that metadata cannot have")
        pairs[name.lower()] = value
    if auth.bearer is not None:
        pairs["authorization"] = f"Bearer {auth.bearer}"
    if auth.username is not None:
        pairs["authorization"] = "Basic " + b64encode(f"{auth.username}:{auth.password}".encode()).decode()
    for key, value in pairs.items():
        if not _VALUE.fullmatch(value):
            field = "headers" if key != "authorization" or auth.bearer is None else "bearer"
            raise target.error(f"options.auth.{field}", "has a value that is not printable ASCII")
    return tuple(pairs.items())
