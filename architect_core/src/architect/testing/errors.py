"""What a test is told that needs a double, or whose application announces what it should not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from architect_core.exceptions import ArchitectError, UnknownDatastoreError, UnknownEventError, UnknownServiceError

if TYPE_CHECKING:
    from collections.abc import Iterable


class NoDoubleError(ArchitectError):
    """The application asked for something that this test made no double of.

    It is also the `UnknownServiceError`, `UnknownDatastoreError` or `UnknownEventError` that the application would get
    where the name is not configured.
    """


class NoServiceDoubleError(NoDoubleError, UnknownServiceError):
    """The same of a service."""

    kind = "double of a service"
    remedy = "Make one: service(name, api, behaviour) of this test's doubles."


class NoDatastoreDoubleError(NoDoubleError, UnknownDatastoreError):
    """The same of a datastore."""

    kind = "double of a datastore"
    remedy = "Make one: datastore(name, type=..., ...) of this test's doubles."


class NoEventDoubleError(NoDoubleError, UnknownEventError):
    """The same of an event."""

    kind = "double of an event"
    remedy = "Make one: notification(event) of this test's doubles."


class UnfitEventError(ArchitectError, AssertionError):
    """The application published a payload that does not fit the event's schema.

    Attributes:
        event: the event's name.
        problems: one `(path, reason)` a problem; the path is dotted, and empty where the whole payload is meant.
    """

    def __init__(self, event: str, schema: str, problems: Iterable[tuple[str, str]]) -> None:
        self.event = event
        self.problems = tuple(problems)
        lines = [f"{path}: {reason}" if path else reason for path, reason in self.problems]
        message = f"event {event!r}: the payload does not fit {schema}"
        super().__init__(f"{message}: {lines[0]}" if len(lines) == 1 else "\n  ".join([f"{message}:", *lines]))
