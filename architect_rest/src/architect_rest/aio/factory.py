"""Makes the client for asyncio of a configured service."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import httpx2

from architect_rest.aio.auth import BearerAuth
from architect_rest.aio.client import AioRestClient
from architect_rest.settings import settings

if TYPE_CHECKING:
    from architect_core.contract import Target, Tls


def make(target: Target) -> AioRestClient:
    """A client with the base URL and the options of a service.

    Raises:
        ConfigError: the entry is wrong, or a certificate cannot be read.
    """
    stated = settings(target)
    options = stated.options
    return AioRestClient(
        stated.base_url,
        timeout=httpx2.Timeout(options.read_timeout, connect=options.connect_timeout),
        verify=_verify(stated.tls),
        auth=stated.login if stated.bearer is None else BearerAuth(stated.bearer),
        # as bytes, because httpx2 encodes a text in ASCII
        headers={name.encode(): value.encode("latin-1") for name, value in stated.headers.items()},
        **stated.common,
    )


def _verify(tls: Tls) -> ssl.SSLContext | bool:
    if tls.ca is None and tls.certificate is None:
        return True
    context = httpx2.create_ssl_context() if tls.ca is None else ssl.create_default_context(cafile=tls.ca)
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key)
    return context
