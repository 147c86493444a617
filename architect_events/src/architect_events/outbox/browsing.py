"""Looking at an outbox's rows as an operator, and deciding what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from architect_events.outbox.claiming import marks
from architect_events.outbox.database import Database, NoTablesError
from architect_events.outbox.store import bytes_of
from architect_events.outbox.tables import DEAD, DELIVERED, OUTBOX, PENDING

_SHOWN = (
    "message_id, event, source, subscriber, ordering_key, state, attempts, occurred_at, next_at, lease, problem,"
    " ended_at, headers, content_type"
)


@dataclass(frozen=True)
class Selection:
    """Which rows are meant: those for which everything that is given holds."""

    ids: Sequence[str] = ()
    states: Sequence[str] = ()
    event: str | None = None
    subscriber: str | None = None
    since: datetime | None = None

    def sql(self) -> tuple[str, list[Any]]:
        """Returns a condition and its parameters."""
        conditions, values = ["1 = 1"], list[Any]()
        for column, wanted in (("message_id", self.ids), ("state", self.states)):
            if wanted:
                conditions.append(f"{column} IN {marks(wanted)}")
                values += wanted
        since = None if self.since is None else self.since.astimezone(UTC).isoformat()
        exact = ("event = ?", self.event), ("subscriber = ?", self.subscriber), ("occurred_at >= ?", since)
        for condition, value in exact:
            if value is not None:
                conditions.append(condition)
                values.append(value)
        return " AND ".join(conditions), values


@dataclass(frozen=True)
class Entry:
    """An event as an operator sees it: a row, or a dead letter of a broker.

    Attributes:
        subscriber: the only one that it is for, or None if it is for all.
        attempts: None if they are not known.
        age: seconds since it was published.
        due: seconds until the next attempt; None unless it is pending, and negative while it waits for a relay.
        is_held: whether a relay delivers it now.
        ended: seconds since it was delivered or dead; None while it is pending.
        body: None unless it was asked for.
    """

    id: str
    event: str
    source: str
    subscriber: str | None
    key: str | None
    state: str
    attempts: int | None
    time: datetime
    age: float
    headers: Mapping[str, str] = field(repr=False)
    content_type: str
    due: float | None = None
    is_held: bool = False
    problem: str | None = None
    ended: float | None = None
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Count:
    """How many rows of one kind there are; `oldest` is the age of the oldest in seconds."""

    source: str
    event: str
    subscriber: str | None
    state: str
    count: int
    oldest: float


class Browser:
    """An outbox as an operator sees it. Every method blocks, and raises OSError as those of a `Store` do."""

    def __init__(self, database: Database) -> None:
        self.name = database.where
        self._database = database
        self._now = database.dialect.now

    def exists(self) -> bool:
        """Whether the database has an outbox."""
        with suppress(NoTablesError), self._database.cursor() as cursor:
            cursor.rows(f"SELECT 1 FROM {OUTBOX} LIMIT 1")
            return True
        return False

    def counts(self, selection: Selection = Selection()) -> list[Count]:
        """Returns how many rows there are by service, event, subscriber and state."""
        where, values = selection.sql()
        columns = "source, event, subscriber, state"
        with self._database.cursor() as cursor:
            rows = cursor.rows(
                f"SELECT {columns}, count(*), min(occurred_at), {self._now} FROM {OUTBOX} WHERE {where}"
                f" GROUP BY {columns} ORDER BY {columns}",
                values,
            )
        return [
            Count(source, event, subscriber or None, state, count, _age(oldest, now))
            for source, event, subscriber, state, count, oldest, now in rows
        ]

    def backlog(self, source: str) -> tuple[int, float, int]:
        """Returns how many rows of a service are pending, the age of the oldest in seconds, and how many are dead."""
        counts = [each for each in self.counts(Selection(states=(PENDING, DEAD))) if each.source == source]
        pending = [each for each in counts if each.state == PENDING]
        dead = sum(each.count for each in counts if each.state == DEAD)
        return sum(each.count for each in pending), max((each.oldest for each in pending), default=0.0), dead

    def find(self, selection: Selection, limit: int, *, bodies: bool = False) -> list[Entry]:
        """Returns at most `limit` rows, the oldest first; with their bodies, if wanted."""
        where, values = selection.sql()
        body = "body" if bodies else "NULL"
        with self._database.cursor() as cursor:
            rows = cursor.rows(
                f"SELECT {_SHOWN}, {body}, {self._now} FROM {OUTBOX} WHERE {where} ORDER BY id LIMIT {limit:d}", values
            )
        return [_entry(row) for row in rows]

    def retry(self, selection: Selection) -> int:
        """Have pending and dead rows attempted now, as if for the first time; returns how many."""
        return self._again(selection, (PENDING, DEAD))

    def replay(self, selection: Selection) -> int:
        """Deliver again what was delivered and is kept, and what is dead; returns how many rows that are."""
        return self._again(selection, (DELIVERED, DEAD))

    def discard(self, selection: Selection) -> int:
        """Delete rows that no relay delivers now; returns how many."""
        where, values = selection.sql()
        with self._database.cursor() as cursor:
            return cursor.run(f"DELETE FROM {OUTBOX} WHERE {where} AND {self._free}", values)

    def _again(self, selection: Selection, states: Sequence[str]) -> int:
        where, values = selection.sql()
        anew = "state = ?, attempts = 0, next_at = 0, lease = NULL, ended_at = NULL"
        with self._database.cursor() as cursor:
            return cursor.run(
                f"UPDATE {OUTBOX} SET {anew} WHERE {where} AND state IN {marks(states)} AND {self._free}",
                [PENDING, *values, *states],
            )

    @property
    def _free(self) -> str:
        return f"(lease IS NULL OR next_at <= {self._now})"


def _entry(row: Sequence[Any]) -> Entry:
    id_, event, source, subscriber, key, state, attempts, occurred_at, next_at, lease, problem, ended_at, *rest = row
    headers, content_type, body, now = rest
    return Entry(
        id=id_,
        event=event,
        source=source,
        subscriber=subscriber or None,
        key=key,
        state=state,
        attempts=attempts,
        time=_time(occurred_at),
        age=_age(occurred_at, now),
        due=float(next_at) - float(now) if state == PENDING else None,
        is_held=state == PENDING and lease is not None and float(next_at) > float(now),
        problem=problem,
        ended=None if ended_at is None else float(now) - float(ended_at),
        headers=_headers(headers),
        content_type=content_type,
        body=None if body is None else bytes_of(body),
    )


def _age(occurred_at: str, now: Any) -> float:
    return max(0.0, float(now) - _time(occurred_at).timestamp())


def _time(text: str) -> datetime:
    """A time as it is; 1970 for one that another program has written and that cannot be read."""
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return datetime.fromtimestamp(0, UTC)
    return time.replace(tzinfo=time.tzinfo or UTC)


def _headers(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}
