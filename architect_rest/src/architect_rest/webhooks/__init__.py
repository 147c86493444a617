"""Webhooks: events are posted to subscribers over HTTP, signed, and verified there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from architect_core.lazy import load

if TYPE_CHECKING:
    from architect_rest.webhooks.middleware import AsgiSignatureMiddleware, SignatureMiddleware
    from architect_rest.webhooks.signing import SignatureError, sign, verify

__all__ = ["AsgiSignatureMiddleware", "SignatureError", "SignatureMiddleware", "sign", "verify"]

_HOMES = {
    **dict.fromkeys(("SignatureError", "sign", "verify"), "architect_rest.webhooks.signing"),
    **dict.fromkeys(("AsgiSignatureMiddleware", "SignatureMiddleware"), "architect_rest.webhooks.middleware"),
}


def __getattr__(name: str) -> object:
    return load(__name__, _HOMES, name)
