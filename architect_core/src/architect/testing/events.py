"""An event whose publications are recorded and checked, and reach nobody."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from architect.testing.errors import UnfitEventError
from architect_core._base.json_text import dotted
from architect_core.contract.events import Delivery, Subscription, Subscriptions, serialise
from architect_core.plugins.registry import Plugins
from architect_core.resolver.events import Notification

if TYPE_CHECKING:
    from collections.abc import Mapping


class RecordedNotification(Notification):
    """What `architect.notification(event)` gives in a test.

    Attributes:
        events: the payloads that were published, as a subscriber parses them from JSON, in the order of publication.
    """

    def __init__(self, event: str, schema: Any, subscribers: Mapping[str, int | Exception]) -> None:
        for name, answer in subscribers.items():
            if not isinstance(answer, int | Exception) or isinstance(answer, bool):
                raise TypeError(
                    f"event {event!r}: the subscriber {name!r} answers with a {type(answer).__name__}; give a status, "
                    "such as 503, or the exception that keeps it from answering"
                )
        places = [Subscription(name, "http://double.invalid", 80, "/") for name in subscribers]
        super().__init__(event, Subscriptions(places), Plugins())
        self.events: list[Any] = []
        self._answers = dict(subscribers)
        self._schema = None if schema is None else TypeAdapter(schema)
        self._schema_name = schema.__name__ if isinstance(schema, type) else repr(schema)

    def publish(self, payload: object, *, timeout: float = 10.0) -> list[Delivery]:
        """Record `payload`, and answer for every subscriber.

        Raises:
            PayloadError: the payload cannot be written as JSON.
            UnfitEventError: it does not fit the schema, or is bytes that are no JSON.
        """
        body = serialise(payload)
        received = self._checked(body)
        deliveries = super().publish(body, timeout=timeout)
        self.events.append(received)
        return deliveries

    def _checked(self, body: bytes) -> Any:
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

    def _deliver(self, api: str, served: list[Subscription], body: bytes, timeout: float) -> list[Delivery]:  # noqa: ARG002
        return [self._delivery(each, self._answers[each.name]) for each in served]

    def _delivery(self, subscription: Subscription, answer: int | Exception) -> Delivery:
        if isinstance(answer, Exception):
            return Delivery(subscription, None, 0.0, answer)
        return Delivery(subscription, answer, 0.0)
