"""Keeping an event in the transaction of a caller's connection."""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING, Any

from architect_core.exceptions import PublishError
from architect_events.outbox.connections import aio_execute, execute
from architect_events.outbox.libraries import Insert
from architect_events.outbox.tables import LONGEST_NAME, OUTBOX, PUBLISHED

if TYPE_CHECKING:
    from architect_core.contract import Message

_INSERT = Insert(OUTBOX, PUBLISHED, PublishError, "`publish`", "`await notification.aio.publish`", frozenset({"body"}))


def put(connection: Any, message: Message) -> None:
    """Insert `message` by a connection that blocks, and commit nothing.

    It is kept if and only if the transaction that the connection is in is committed; at once, if the connection commits
    each statement. Raises PublishError if the connection is unsuitable or the table is missing, else the error of the
    connection's own library.
    """
    execute(connection, _INSERT, _checked(message))


async def aio_put(connection: Any, message: Message) -> None:
    """The same by a connection for asyncio."""
    await aio_execute(connection, _INSERT, _checked(message))


def values_of(message: Message) -> tuple[Any, ...]:
    """Returns the columns `PUBLISHED` of a message."""
    return (
        message.id,
        message.event,
        message.source,
        message.key,
        message.content_type,
        json.dumps(dict(message.headers)) if message.headers else "{}",
        message.body,
        message.time.astimezone(UTC).isoformat(),
    )


def _checked(message: Message) -> tuple[Any, ...]:
    if message.key is not None and len(message.key) > LONGEST_NAME:
        length = f"has {len(message.key)} characters, and an outbox keeps {LONGEST_NAME} at most"
        raise PublishError(f"event {message.event!r}: the key {length}. Publish with a hash of it")
    return values_of(message)
