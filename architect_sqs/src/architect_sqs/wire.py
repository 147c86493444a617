"""Messages as SNS and SQS carry them: text, with attributes that are text.

The attribute "architect-headers" has all headers as a JSON object, by the names that they have in HTTP: "ce-id",
"content-type", "traceparent". They are not an attribute each, because a message has ten at most, and each makes a
publication some percent slower. "architect-encoding" says that a body is base64, because it is no plain text. A dead
letter has the reason in "architect-reason".
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from architect_core.contract import Message

MAX_BYTES = 180 * 1024
"""The largest body: SNS takes 256 KiB with the attributes, and base64 makes four bytes of three."""

REASON = "architect-reason"
"""The attribute, and the header of a received dead letter, that says why it is dead."""

_MAX_TOTAL = 256 * 1024 - 2048  # leaves room for a reason
_HEADERS = "architect-headers"
_ENCODING = "architect-encoding"
# XML 1.0 without "\r", which XML's readers turn into "\n"
_TEXT = re.compile("[\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
_NO_TEXT = re.compile("[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
_EMPTY = "-"

Attributes = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Wire:
    """A message's body and attributes in the form of boto3, and the bytes that count for the limits."""

    body: str = field(repr=False)
    attributes: Attributes = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes of the body and the attributes."""
        named = sum(len(name) + sum(map(_length, each.values())) for name, each in self.attributes.items())
        return _length(self.body) + named

    def text(self, name: str) -> str | None:
        """Returns an attribute, or None if there is none that is text."""
        return self.attributes.get(name, {}).get("StringValue")

    def with_reason(self, reason: str) -> Wire:
        """Returns the dead letter of this message."""
        text = _NO_TEXT.sub(" ", reason)[:400] or "unknown"
        return Wire(self.body, {**self.attributes, REASON: _attribute(text)})

    def without_reason(self) -> Wire:
        """Returns what was sent at first."""
        return Wire(self.body, {name: each for name, each in self.attributes.items() if name != REASON})


def encode(message: Message) -> Wire:
    """Returns `message` for SNS; raises ValueError if it is too large for it."""
    body, encoding = _text_of(message.body)
    attributes = {_HEADERS: _attribute(json.dumps(message.to_headers()))}
    if encoding is not None:
        attributes[_ENCODING] = _attribute(encoding)
    wire = Wire(body, attributes)
    for size, limit, what in ((len(message.body), MAX_BYTES, "a body"), (wire.size, _MAX_TOTAL, "body and headers")):
        if size > limit:
            reason = f"{what} of {size:,} bytes, where SNS takes {limit:,} at most"
            raise ValueError(f"event {message.event!r} has {reason}. Publish a reference to it instead")
    return wire


def decode(wire: Wire) -> Message:
    """Returns the message that `encode` was given; raises ValueError if it is none."""
    try:
        headers = json.loads(wire.text(_HEADERS) or "{}")
    except ValueError:
        headers = None
    if not isinstance(headers, dict) or not all(isinstance(each, str) for each in headers.values()):
        raise ValueError(f"the attribute {_HEADERS} is malformed")
    reason = wire.text(REASON)
    if reason is not None:
        headers[REASON] = reason
    return Message.from_headers(headers, _bytes_of(wire.body, wire.text(_ENCODING)))


def foreign(wire: Wire, message_id: str) -> Message:
    """Returns a message for something in a queue that is no event, so that it can be shown and discarded."""
    reason = wire.text(REASON)
    headers = {} if reason is None else {REASON: reason}
    body = wire.body.encode()
    return Message(
        message_id, "unknown", "unknown", datetime.now(UTC), body, content_type="text/plain", headers=headers
    )


def _text_of(body: bytes) -> tuple[str, str | None]:
    """Returns `body` as text, and its encoding unless it is UTF-8."""
    if not body:
        return _EMPTY, "empty"  # neither service takes a message without a body
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = ""
    return (text, None) if _TEXT.fullmatch(text) else (base64.b64encode(body).decode("ascii"), "base64")


def _bytes_of(body: str, encoding: str | None) -> bytes:
    if encoding is None:
        return body.encode()
    if encoding == "empty":
        return b""
    if encoding != "base64":
        raise ValueError("the body has an unknown encoding: a newer version of architect-sqs has sent it")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        raise ValueError("the body is no base64, which its attributes say that it is") from None


def _attribute(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


def _length(text: str) -> int:
    return len(text.encode())
