"""Observing what happens to a message, for logs, traces and metrics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

from architect_core.clock import monotonic
from architect_core.contract import ClientObserver, EventOperation, Message, Outcome


def described(message: Message) -> str:
    """Returns what logs call a message: its event, source, subscriber, id and trace, but nothing of its body."""
    to = f" to {message.to.name}" if message.to else ""
    trace = message.headers.get("traceparent")
    traced = f", traceparent {trace}" if trace else ""
    return f"event {message.event!r} of {message.source}{to} ({message.id}{traced})"


def observed(
    observer: ClientObserver | None, operation: EventOperation, message: Message
) -> AbstractContextManager[Message]:
    """Yields the message with the headers of its trace; tells the observer how the operation ends."""
    return nullcontext(message) if observer is None else _observed(observer, operation, message)


@contextmanager
def _observed(observer: ClientObserver, operation: EventOperation, message: Message) -> Iterator[Message]:
    begun = observer.begin_event(operation, message)
    if begun is None:
        yield message
        return
    start, error = monotonic(), None
    try:
        yield replace(message, headers={**message.headers, **begun.headers})
    except BaseException as problem:
        error = type(problem).__name__
        raise
    finally:
        begun.ended(Outcome(monotonic() - start, error))
