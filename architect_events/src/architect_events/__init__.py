"""Publishes and handles events, and keeps them until they are delivered; signs and verifies webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from architect_core.lazy import load

if TYPE_CHECKING:
    from architect_events.middleware import AsgiSignatureMiddleware, SignatureMiddleware
    from architect_events.signing import SignatureError, sign, verify

__all__ = ["AsgiSignatureMiddleware", "SignatureError", "SignatureMiddleware", "sign", "verify"]

_HOMES = {
    **dict.fromkeys(("SignatureError", "sign", "verify"), "architect_events.signing"),
    **dict.fromkeys(("AsgiSignatureMiddleware", "SignatureMiddleware"), "architect_events.middleware"),
}


def __getattr__(name: str) -> object:
    return load(__name__, _HOMES, name)
