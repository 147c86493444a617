"""The tables of the outbox and the inbox."""

from __future__ import annotations

OUTBOX = "architect_outbox"
INBOX = "architect_inbox"

PUBLISHED = (
    "message_id",  # text
    "event",  # text
    "source",  # text
    "ordering_key",  # text, or null
    "content_type",  # text
    "headers",  # the text of a JSON object
    "body",  # bytes
    "occurred_at",  # the text of a time in UTC, as `datetime.isoformat` writes it
)
"""The columns of the outbox that a publication fills in; every other one needs a default."""

RECEIVED = ("consumer", "message_id", "received_at")
"""The columns of the inbox. The first two are texts and its primary key, exact in case and trailing spaces.

The last is a number: seconds since 1970.
"""
