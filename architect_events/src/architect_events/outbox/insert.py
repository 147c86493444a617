"""Keeping an event in the transaction of a caller's connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from architect_core.contract import Message


def put(connection: Any, message: Message) -> None:
    """Insert `message` by a connection that blocks."""
    raise NotImplementedError


async def aio_put(connection: Any, message: Message) -> None:
    """Insert `message` by a connection for asyncio."""
    raise NotImplementedError
