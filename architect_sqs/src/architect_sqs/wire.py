"""Messages as SNS and SQS carry them: text, and at most ten attributes with text.

The attributes are those of CloudEvents ("ce-id", ...), "content-type" and "traceparent". Further headers, and whether
the body is base64, are in one more, "architect-more", because raw delivery takes ten attributes and discards a message
that has more. A dead letter has the reason in "architect-reason".
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from architect_core.contract import Message

MAX_BYTES = 180 * 1024
"""The largest body: SNS takes 256 KiB with the attributes, and base64 makes four bytes of three."""

REASON = "architect-reason"
"""The attribute, and the header of a received dead letter, that says why it is dead."""

_MAX_TOTAL = 256 * 1024 - 2048  # leaves room for a reason
_MORE = "architect-more"
_PLAIN = (
    "ce-specversion",
    "ce-id",
    "ce-source",
    "ce-type",
    "ce-time",
    "ce-partitionkey",
    "content-type",
    "traceparent",
)
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

    def with_reason(self, reason: str) -> Wire:
        """Returns the dead letter of this message."""
        text = _NO_TEXT.sub(" ", reason)[:400] or "unknown"
        return Wire(self.body, {**self.attributes, REASON: _attribute(text)})

    def without_reason(self) -> Wire:
        """Returns what was sent at first."""
        return Wire(self.body, {name: each for name, each in self.attributes.items() if name != REASON})


def encode(message: Message) -> Wire:
    """Returns `message` for SNS; raises ValueError if it is too large for it."""
    headers = message.to_headers()
    plain = {name: headers.pop(name) for name in _PLAIN if _TEXT.fullmatch(headers.get(name, ""))}
    more: dict[str, Any] = {"headers": headers} if headers else {}
    body, encoding = _text_of(message.body)
    if encoding is not None:
        more["encoding"] = encoding
    if more:
        plain[_MORE] = json.dumps(more)
    wire = Wire(body, {name: _attribute(value) for name, value in plain.items()})
    for size, limit, what in ((len(message.body), MAX_BYTES, "a body"), (wire.size, _MAX_TOTAL, "body and headers")):
        if size > limit:
            reason = f"{what} of {size:,} bytes, where SNS takes {limit:,} at most"
            raise ValueError(f"event {message.event!r} has {reason}. Publish a reference to it instead")
    return wire


def decode(wire: Wire) -> Message:
    """Returns the message that `encode` was given; raises ValueError if it is none."""
    headers = {name: each["StringValue"] for name, each in wire.attributes.items() if "StringValue" in each}
    more = _more(headers.pop(_MORE, "{}"))
    headers |= more.get("headers", {})
    return Message.from_headers(headers, _bytes_of(wire.body, more.get("encoding")))


def foreign(wire: Wire, message_id: str) -> Message:
    """Returns a message for something in a queue that is no event, so that it can be shown and discarded."""
    found = wire.attributes.get(REASON, {}).get("StringValue")
    headers = {} if found is None else {REASON: found}
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


def _bytes_of(body: str, encoding: object) -> bytes:
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


def _more(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    headers = found.get("headers", {}) if isinstance(found, dict) else None
    if not isinstance(headers, dict) or not all(isinstance(each, str) for each in headers.values()):
        raise ValueError(f"the attribute {_MORE} is malformed")
    return {**found, "headers": headers}


def _attribute(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


def _length(text: str) -> int:
    return len(text.encode())
