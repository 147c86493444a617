"""The option `tls`: from PEM files to channel credentials."""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import TYPE_CHECKING

import grpc

from architect_core.contract import Tls

if TYPE_CHECKING:
    from architect_core.contract import Target


def tls_credentials(target: Target) -> grpc.ChannelCredentials:
    """The authorities that are trusted, gRPC's own unless given, and the client's own certificate, if it has one.

    Raises:
        ConfigError: a file cannot be read or is not what it should be, which gRPC would only tell by failing calls.
    """
    tls = target.options.tls or Tls()
    tls.check(target)
    files = tls.ca, tls.certificate, tls.key
    # OpenSSL passes over a byte-order mark, and gRPC does not
    ca, certificate, key = (None if file is None else file.read_bytes().removeprefix(BOM_UTF8) for file in files)
    return grpc.ssl_channel_credentials(ca, key or certificate, certificate)
