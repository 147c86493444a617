"""Signatures of webhooks, as Standard Webhooks define them: what is sent is signed, what arrives is verified."""

from __future__ import annotations

import hmac
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import unquote

from architect_core.contract import Event
from architect_core.exceptions import ArchitectError

TOLERANCE = 300.0  # seconds
_TIMESTAMP = re.compile(r"[0-9]{1,10}")


class SignatureError(ArchitectError):
    """A request is not signed, or its signature is wrong, too old or from the future; the message says which."""


def sign(id: str, timestamp: int, body: bytes, secret: str) -> str:  # noqa: A002 - its name in the specification
    """Returns the signature of a message, to be sent as the header `webhook-signature`.

    >>> sign("7", 1767225600, b"{}", "whsec_YW4gZXhhbXBsZSBvZiBhIHNlY3JldA==")
    'v1,2gV4NbbOoXT8wPDKU+sWQbAMnMq7j6YWzNC2a5Qo6WY='

    Args:
        id: the header `webhook-id`, the same for every attempt.
        timestamp: the header `webhook-timestamp`, in seconds since 1970, of this attempt.
        body: the bytes that are sent.
        secret: "whsec_" and base64.

    Raises:
        ValueError: the secret is malformed.
    """
    return f"v1,{b64encode(_digest(id, str(timestamp), body, secret)).decode()}"


def verify(
    headers: Mapping[str, str], body: bytes, secrets: str | Sequence[str], *, tolerance: float = TOLERANCE
) -> Event:
    """Returns the event in a signed request, or raises SignatureError.

        @app.post("/event")
        def receive():
            event = verify(request.headers, request.get_data(), os.environ["WEBHOOK_SECRET"])
            with architect.inbox(connection, event) as is_new:
                ...

    The signature covers the event's `id`, `body` and the time of the attempt, and not its other attributes, which are
    empty if the sender has no CloudEvents headers. Requests may be signed by Standard Webhooks senders of any kind.

    Args:
        headers: of the request; names in any case.
        body: as it arrived: parsed and written again, JSON has other bytes.
        secrets: any of these has signed it; several while one is replaced by another.
        tolerance: seconds that the attempt may be old, or ahead of this machine's clock. A request that is repeated
            within that time is accepted again: an inbox recognises its `id`.

    Raises:
        SignatureError: a header is missing or malformed, the time is beyond the tolerance, or no signature is right.
        ValueError: there is no secret, or one is malformed.
    """
    secrets = (secrets,) if isinstance(secrets, str) else tuple(secrets)
    if not secrets:
        raise ValueError("there is no secret to verify a signature with")
    given = {name.lower(): value for name, value in headers.items()}
    id_, timestamp = _header(given, "webhook-id"), _header(given, "webhook-timestamp")
    signatures = _header(given, "webhook-signature")
    _check_time(timestamp, tolerance)
    expected = [f"v1,{b64encode(_digest(id_, timestamp, body, secret)).decode()}".encode() for secret in secrets]
    found = [each.encode() for each in signatures.split()]
    # each is compared with each, so that the time says nothing about which one is nearly right
    if not any([hmac.compare_digest(one, other) for one in expected for other in found]):  # noqa: C419
        raise SignatureError("the signature is wrong")
    return _event(given, id_, int(timestamp), body)


def _event(headers: Mapping[str, str], id_: str, timestamp: int, body: bytes) -> Event:
    attributes = {name: unquote(value) if name.startswith("ce-") else value for name, value in headers.items()}
    if headers.get("ce-id", id_) != id_:
        raise SignatureError("the headers webhook-id and ce-id differ")
    for name, default in (("ce-id", id_), ("ce-type", ""), ("ce-source", "")):
        attributes.setdefault(name, default)
    attributes.setdefault("ce-time", datetime.fromtimestamp(timestamp, UTC).isoformat())
    try:
        event = Event.from_headers(attributes, body)
    except ValueError:
        raise SignatureError("the header ce-time is malformed") from None
    return event if event.time.tzinfo else replace(event, time=event.time.replace(tzinfo=UTC))


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "").strip()
    if not value:
        raise SignatureError(f"the header {name} is missing")
    return value


def _check_time(timestamp: str, tolerance: float) -> None:
    if not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureError("the header webhook-timestamp is malformed")
    age = time.time() - int(timestamp)
    if age > tolerance:
        raise SignatureError(f"the signature is too old: {age:.0f} seconds, and {tolerance:g} are accepted")
    if age < -tolerance:
        raise SignatureError(f"the signature is {-age:.0f} seconds in the future, and {tolerance:g} are accepted")


def _digest(id_: str, timestamp: str, body: bytes, secret: str) -> bytes:
    return hmac.digest(key_of(secret), b"%b.%b.%b" % (id_.encode(), timestamp.encode(), body), "sha256")


@lru_cache(1024)
def key_of(secret: str) -> bytes:
    """Returns the bytes of a secret; raises ValueError if it is malformed."""
    text = secret.removeprefix("whsec_")
    try:
        key = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError("a secret must be 'whsec_' and base64")
    return key
