"""The option `tls`: from PEM files to channel credentials."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import grpc

from architect_core.identity import Tls

if TYPE_CHECKING:
    from pathlib import Path

    from architect_core.contract import Target


def tls_credentials(target: Target) -> grpc.ChannelCredentials:
    """The authorities that are trusted, gRPC's own unless given, and the client's own certificate, if it has one.

    Raises:
        ConfigError: a file cannot be read or is not what it should be, which gRPC would only tell by failing calls.
    """
    tls = target.options.tls or Tls()
    ca = _read(target, "ca", tls.ca)
    certificate = _read(target, "certificate", tls.certificate)
    key = certificate if tls.key is None else _read(target, "key", tls.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is not None and not _has_authorities(context, ca):
        raise target.error("options.tls.ca", "has no certificate in PEM")
    if tls.certificate is not None and not _has_pair(context, tls.certificate, tls.key):
        raise target.error("options.tls.certificate", "must be a certificate in PEM, and `key` its key, not encrypted")
    return grpc.ssl_channel_credentials(ca, key, certificate)


def _read(target: Target, name: str, path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as problem:
        reason = f"cannot be read ({problem.strerror})"
    raise target.error(f"options.tls.{name}", reason)


def _has_authorities(context: ssl.SSLContext, ca: bytes) -> bool:
    try:
        context.load_verify_locations(cadata=ca.decode())
    except (ssl.SSLError, ValueError):
        return False
    return True


def _has_pair(context: ssl.SSLContext, certificate: Path, key: Path | None) -> bool:
    try:
        context.load_cert_chain(certificate, key, password="")  # or it would ask the terminal for that
    except (ssl.SSLError, ValueError):
        return False
    return True
