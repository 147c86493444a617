"""Events as text and as JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from architect_events.outbox.browsing import Count, Entry

_HEADER = ("ID", "EVENT", "SUBSCRIBER", "STATE", "ATTEMPTS", "AGE", "NEXT")
_LONGEST = 60  # characters of a problem in a table


def summary(place: str, counts: Sequence[Count]) -> str:
    """Returns how many events there are in a place, and how old the oldest of each state is."""
    parts = []
    for state in ("pending", "dead", "delivered"):
        of_state = [each for each in counts if each.state == state]
        if of_state:
            number, oldest = sum(each.count for each in of_state), max(each.oldest for each in of_state)
            parts.append(f"{number} {state} (the oldest for {duration(oldest)})")
    return f"{place}: {', '.join(parts) or 'none'}"


def table(entries: Sequence[Entry], count: int) -> Iterator[str]:
    """Yields the lines of a table of some of `count` events."""
    if not entries:
        return
    rows = [_HEADER, *map(_row, entries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row, entry in zip(rows, (None, *entries), strict=True):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        if entry is not None and entry.body is not None:
            yield f"    {_printable(_text(entry.body))}"
    if count > len(entries):
        yield f"and {count - len(entries)} more: --limit shows them"


def details(place: str, entry: Entry) -> str:
    """Returns all about an event, line by line."""
    lines = {
        "id": entry.id,
        "event": f"{entry.event} of {entry.source}",
        "subscriber": entry.subscriber or "all",
        "key": entry.key,
        "state": f"{entry.state}, in {place}",
        "published": f"{entry.time.isoformat()} ({duration(entry.age)} ago)",
        "attempts": None if entry.attempts is None else str(entry.attempts),
        "next": _next(entry) if entry.due is not None else None,
        "ended": None if entry.ended is None else f"{duration(entry.ended)} ago",
        "problem": entry.problem,
        **{f"header {name}": value for name, value in entry.headers.items()},
        "payload": None if entry.body is None else _text(entry.body),
    }
    return "\n".join(f"{name}: {_printable(value)}" for name, value in lines.items() if value is not None)


def as_text(value: object) -> str:
    """Returns JSON for people; raises ValueError for NaN and infinity, which Python reads, but which are no JSON."""
    return json.dumps(value, indent=2, allow_nan=False)


def as_json(place: str, counts: Sequence[Count], entries: Sequence[Entry]) -> dict[str, Any]:
    """Returns the counts and events of a place."""
    counted = [asdict(each) for each in counts]
    for each in counted:
        each["oldest_seconds"] = round(each.pop("oldest"), 3)
    return {"place": place, "counts": counted, "events": [entry_as_json(each) for each in entries]}


def entry_as_json(entry: Entry) -> dict[str, Any]:
    """Returns an event; its payload is a JSON value, a text or, under "payload_base64", other bytes."""
    found: dict[str, Any] = {
        "id": entry.id,
        "event": entry.event,
        "source": entry.source,
        "subscriber": entry.subscriber,
        "key": entry.key,
        "state": entry.state,
        "attempts": entry.attempts,
        "published": entry.time.isoformat(),
        "age_seconds": round(entry.age, 3),
        "next_seconds": None if entry.due is None else round(max(0.0, entry.due), 3),
        "in_delivery": entry.is_held,
        "ended_seconds": None if entry.ended is None else round(entry.ended, 3),
        "problem": entry.problem,
        "content_type": entry.content_type,
        "headers": dict(entry.headers),
    }
    if entry.body is not None:
        found.update(_payload(entry.body))
    return found


def duration(seconds: float) -> str:
    """Returns seconds in the largest unit that fits: "12 s", "3 h"."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _row(entry: Entry) -> tuple[str, ...]:
    attempts = "-" if entry.attempts is None else str(entry.attempts)
    cells = (entry.id, entry.event, entry.subscriber or "-", entry.state, attempts, duration(entry.age), _next(entry))
    return tuple(map(_printable, cells))


def _next(entry: Entry) -> str:
    if entry.is_held:
        return "being delivered"
    if entry.due is None:
        return (entry.problem or "-")[:_LONGEST] if entry.state == "dead" else "-"
    return "now" if entry.due <= 0 else f"in {duration(entry.due)}"


def _payload(body: bytes) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        found = json.loads(body)
        as_text([[[[found]]]])  # as deep as it is in the output
        return {"payload": found}
    with suppress(UnicodeDecodeError):
        return {"payload": body.decode()}
    return {"payload_base64": base64.b64encode(body).decode()}


def _text(body: bytes) -> str:
    return body.decode(errors="backslashreplace")


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
