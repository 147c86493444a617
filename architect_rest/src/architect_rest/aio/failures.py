"""What an error of httpx2 says about its attempt."""

from __future__ import annotations

import ssl

import httpx2

UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout)
"""The errors that prove that nothing was sent."""

OF_THE_CALLER = (httpx2.LocalProtocolError, httpx2.UnsupportedProtocol)
"""The errors that say nothing about the endpoint."""


def is_distrust(problem: BaseException) -> bool:
    """Whether a certificate is not trusted, or TLS cannot be negotiated, so that another attempt would fail too."""
    if not isinstance(problem, httpx2.ConnectError):
        return False
    cause: BaseException | None = problem
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__
    return cause is not None and not isinstance(cause, ssl.SSLEOFError)  # which is a connection that broke
