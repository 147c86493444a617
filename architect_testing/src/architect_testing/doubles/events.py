"""An event whose publications are recorded and checked and reach nobody, and calls of the application's handlers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from inspect import iscoroutine
from typing import Any
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from architect_core.contract import Delivery, Event, Sender, Subscription, Subscriptions, dotted, serialise
from architect_core.resolver import events
from architect_core.resolver.events import Notification
from architect_testing.doubles.errors import NoHandlerError, UnfitEventError


class RecordedNotification(Notification):
    """What `architect.notification(event)` returns in a test.

    `publish` raises an UnfitEventError if the payload does not fit the schema, or is bytes that are not JSON.

    Attributes:
        events: the payloads that were published, as a subscriber parses them from JSON, in the order of publication.
        keys: the key of each, or None.

    An outbox is not written to, and with one there are no deliveries, as in production.
    """

    def __init__(self, event: str, schema: Any, subscribers: Mapping[str, int | Exception]) -> None:
        for name, answer in subscribers.items():
            if not isinstance(answer, int | Exception) or isinstance(answer, bool):
                raise TypeError(
                    f"event {event!r}: the subscriber {name!r} answers with a {type(answer).__name__}; give a status, "
                    "such as 503, or the exception that keeps it from answering"
                )
        endpoints = [Subscription(name, "http://double.invalid", 80, "/") for name in subscribers]
        super().__init__(event, Subscriptions(endpoints), lambda: _Recorder(self))
        self.events: list[Any] = []
        self.keys: list[str | None] = []
        self._answers = dict(subscribers)
        self._schema = None if schema is None else TypeAdapter(schema)
        self._schema_name = schema.__name__ if isinstance(schema, type) else repr(schema)

    def _record(self, body: bytes, key: str | None) -> list[Delivery]:
        self.events.append(self._parsed(body))
        self.keys.append(key)
        answers = [(each, self._answers[each.name]) for each in self.subscriptions]
        return [
            Delivery(each, None, 0.0, answer) if isinstance(answer, Exception) else Delivery(each, answer, 0.0)
            for each, answer in answers
        ]

    def _parsed(self, body: bytes) -> Any:
        problems = []
        try:
            if self._schema is not None:
                self._schema.validate_json(body)
        except ValidationError as problem:
            found = problem.errors(include_input=False, include_url=False, include_context=False)
            problems = [(dotted("", each["loc"]), each["msg"][0].lower() + each["msg"][1:]) for each in found]
        if problems:  # raised here: a ValidationError in __context__ carries the payload
            raise UnfitEventError(self.event, self._schema_name, problems)
        try:
            return json.loads(body)
        except ValueError:
            pass
        raise UnfitEventError(self.event, "JSON", [("", "it is bytes that cannot be parsed")])


class _Recorder(Sender):
    """Records publications; a transaction and a broker are not touched."""

    def __init__(self, recorded: RecordedNotification) -> None:
        self._recorded = recorded

    def publish(self, body: bytes, key: str | None, outbox: Any, timeout: float) -> list[Delivery]:  # noqa: ARG002
        deliveries = self._recorded._record(body, key)  # noqa: SLF001 - of this module
        return [] if outbox is not None else deliveries

    async def aio_publish(self, body: bytes, key: str | None, outbox: Any, timeout: float) -> list[Delivery]:
        return self.publish(body, key, outbox, timeout)


def call_handler(service: str, event: str, payload: object, key: str | None, attempt: int) -> Any:
    """See `Doubles.deliver`."""
    handler = events.handlers.get((service, event))
    if handler is None:
        raise NoHandlerError(f"{service} {event}", (" ".join(each) for each in events.handlers))
    now = datetime.now(UTC)
    result = handler.function(Event(str(uuid4()), event, service, now, serialise(payload), key=key, attempt=attempt))
    if not iscoroutine(result):
        return result
    with ThreadPoolExecutor(1) as thread:  # because this thread may run an event loop
        return thread.submit(asyncio.run, result).result()
