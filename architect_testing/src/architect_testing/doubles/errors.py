"""The errors of a test that lacks a double, or whose application publishes an event that does not fit."""

from __future__ import annotations

from collections.abc import Iterable

from architect_core.exceptions import ArchitectError, UnknownDatastoreError, UnknownEventError, UnknownServiceError


class NoDoubleError(ArchitectError):
    """The application uses something that the test made no double of, or whose test has ended.

    It is also the `UnknownServiceError`, `UnknownDatastoreError` or `UnknownEventError` that the application would get
    for a name that is not configured.
    """


class NoServiceDoubleError(NoDoubleError, UnknownServiceError):
    """The same about a service."""

    kind = "double of a service"
    remedy = "Make one: service(name, api, behaviour) of this test's doubles."


class NoDatastoreDoubleError(NoDoubleError, UnknownDatastoreError):
    """The same about a datastore."""

    kind = "double of a datastore"
    remedy = "Make one: datastore(name, type=..., ...) of this test's doubles."


class NoEventDoubleError(NoDoubleError, UnknownEventError):
    """The same about an event."""

    kind = "double of an event"
    remedy = "Make one: notification(event) of this test's doubles."


class NoHandlerError(UnknownEventError):
    """No function is registered for an event of a service."""

    kind = "handler of an event"
    remedy = "Import the module whose function has @architect.on(service, event)."


class EndedDoubleError(NoServiceDoubleError):
    """The application uses a double after its test has ended."""

    kind = "open double of a service"
    remedy = "The test that made one has ended; make one in every test that needs it."


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
