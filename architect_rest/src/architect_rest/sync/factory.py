"""Makes the client of a configured service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from architect_rest.settings import settings
from architect_rest.sync.auth import BearerAuth
from architect_rest.sync.client import RestClient

if TYPE_CHECKING:
    from architect_core.contract import Target


def make(target: Target) -> RestClient:
    """A client with the base URL and the options of a service.

    Raises:
        ConfigError: the entry is wrong.
    """
    stated = settings(target)
    options, tls = stated.options, stated.tls
    client = RestClient(
        stated.base_url,
        timeout=(options.connect_timeout, options.read_timeout),
        ca=None if tls.ca is None else str(tls.ca),
        **stated.common,
    )
    if tls.certificate is not None:
        client.cert = str(tls.certificate) if tls.key is None else (str(tls.certificate), str(tls.key))
    client.headers.update(stated.headers)
    # as bytes, because requests encodes a text in Latin-1; its annotation does not say that it takes them
    client.auth = stated.login if stated.bearer is None else BearerAuth(stated.bearer)  # type: ignore[assignment]
    return client
