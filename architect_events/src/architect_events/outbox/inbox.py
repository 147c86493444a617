"""The inbox: which events a consumer has handled, kept in the transaction of their effects."""

from __future__ import annotations

import time
from typing import Any

from architect_core.contract import Message, Once
from architect_core.exceptions import InboxError
from architect_events.outbox.connections import aio_execute, execute
from architect_events.outbox.libraries import Insert
from architect_events.outbox.tables import INBOX, LONGEST_NAME, RECEIVED

_INSERT = Insert(INBOX, RECEIVED, InboxError, "`with`", "`async with`", once="received_at")


class Inbox(Once):
    """A context whose value is whether the event is new to the consumer.

    It inserts a row in the transaction of the connection, which is committed or rolled back together with the event's
    effects, by the caller; so whatever ends before the commit has the event be new when it is delivered again. If two
    transactions insert the same row, the second one waits until the first has ended. Under REPEATABLE READ and
    SERIALIZABLE, PostgreSQL fails the second one, as it does every concurrent update; the event is delivered again
    then. An error in the context's body is not handled here: roll back, as after any other.
    """

    def __init__(self, connection: Any, event: Message | str, consumer: str) -> None:
        """Raises InboxError if the event's id or the consumer's name is no text, empty, or too long."""
        identifier = event.id if isinstance(event, Message) else event
        for name, text in (("event's id", identifier), ("consumer's name", consumer)):
            if not isinstance(text, str):
                raise InboxError(f"{INBOX}: the {name} must be text, not {type(text).__name__}")
            length = len(text.encode(errors="surrogatepass"))
            if not 0 < length <= LONGEST_NAME:  # MySQL would cut it off, if it is not strict
                raise InboxError(f"{INBOX}: the {name} must have 1 to {LONGEST_NAME} bytes, not {length}")
        self._connection = connection
        self._consumer = consumer
        self._identifier = identifier

    def __enter__(self) -> bool:
        return _is_new(execute(self._connection, _INSERT, self._values()))

    def __exit__(self, *_: object) -> None: ...

    async def __aenter__(self) -> bool:
        return _is_new(await aio_execute(self._connection, _INSERT, self._values()))

    async def __aexit__(self, *_: object) -> None: ...

    def _values(self) -> tuple[Any, ...]:
        return self._consumer, self._identifier, time.time()


def _is_new(count: int) -> bool:
    if count < 0:
        raise InboxError(
            f"{INBOX}: the connection is in pipeline mode, in which the answer comes later: leave the pipeline first"
        )
    return count == 1
