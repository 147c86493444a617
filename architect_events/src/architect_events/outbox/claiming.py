"""Which rows of an outbox can be taken now, so that those of a key are taken in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from architect_events.outbox.tables import OUTBOX, PENDING

if TYPE_CHECKING:
    from architect_events.outbox.database import Cursor

MOST_BYTES = 32 * 1024 * 1024
"""Of the bodies that are taken together, unless a single one is larger."""

_STEPS = 5  # how often further rows are looked at if all that were found have to wait
_MOST = 2000  # rows that are looked at in one step, as drivers limit the parameters of a statement
# seconds until a row is looked at again that waits for one that someone else holds; a relay that is to end once nothing
# is due waits longer than that for the next one
_HELD_BACK = 0.1

LANE = "source = ? AND subscriber = ? AND state = ?"
# keeps PostgreSQL from using the lane's index for keys, when it underestimates how much is pending
_LANE_OF_KEYS = LANE.replace("source", "coalesce(source, '')")


@dataclass(frozen=True)
class Lane:
    """Rows that are taken in order: those of a service for one subscriber, or for all if `subscriber` is empty."""

    source: str
    subscriber: str = ""
    state: str = PENDING

    @property
    def values(self) -> list[str]:
        """The parameters of `LANE`."""
        return [self.source, self.subscriber, self.state]

    @property
    def lock(self) -> str:
        """What a transaction that takes rows of the lane locks."""
        return "\n".join(self.values)


class _Found(NamedTuple):
    """A row; `until` is when those of its key that are behind it can be looked at again, if it is not due."""

    id: int
    key: str | None
    size: int
    is_due: bool = True
    until: float = 0.0


class Claim:
    """Rows of a lane that `holder` can take, in a transaction that has the lane's lock.

    Rows of a key are taken from its first one on, not counting those that `holder` has already, up to one that is not
    due. Those behind that one are postponed until it is due, so that the next claim need not look at them.
    """

    def __init__(
        self, cursor: Cursor, now: str, lane: Lane, holder: str, limit: int, events: Sequence[str] | None
    ) -> None:
        """`now` is the database's clock; rows of other `events` are not taken, unless it is None."""
        self._cursor = cursor
        self._now = now
        self._lane = lane
        self._holder = holder
        self._limit = min(limit, _MOST)
        self._events = [] if events is None else list(events)
        self._wanted = "" if events is None else f"event IN {marks(events)}"

    def take(self) -> list[int]:
        """Returns the ids of at most `limit` rows, in order."""
        taken: list[int] = []
        for _ in range(_STEPS):
            due = self._due()
            ready, blockers = self._of_keys(due)
            taken, waiting = self._divide(due, ready, blockers)
            for key, ids in waiting.items():
                self._postpone(ids, blockers[key].until)
            if taken or not waiting:
                break
        return taken

    def _due(self) -> list[_Found]:
        wanted = f" AND {self._wanted}" if self._wanted else ""
        rows = self._cursor.rows(
            f"SELECT id, ordering_key, length(body) FROM {OUTBOX}"
            f" WHERE {LANE} AND next_at <= {self._now}{wanted} ORDER BY next_at, id LIMIT {self._limit:d}",
            [*self._lane.values, *self._events],
        )
        return [_Found(*row) for row in rows]

    def _of_keys(self, due: Sequence[_Found]) -> tuple[dict[str, deque[_Found]], dict[str, _Found]]:
        """Returns, by the keys of these rows, the rows that can be taken, and the first one that is not due.

        A row of a key that is due may be in no claim yet, because its `next_at` is greater than that of a later one.
        """
        keys = {row.key for row in due if row.key is not None}
        ready: dict[str, deque[_Found]] = {key: deque() for key in keys}
        blockers: dict[str, _Found] = {}
        if not keys:
            return ready, blockers
        wanted = f" AND (next_at > {self._now} OR {self._wanted})" if self._wanted else ""
        rows = self._cursor.rows(
            f"SELECT id, ordering_key, length(body), next_at <= {self._now},"
            f" CASE WHEN lease IS NULL THEN next_at ELSE {self._now} + {_HELD_BACK} END FROM {OUTBOX}"
            f" WHERE {_LANE_OF_KEYS} AND ordering_key IN {marks(keys)} AND id <= ?"
            f" AND (lease IS NULL OR lease <> ?){wanted} ORDER BY id LIMIT {_MOST:d}",
            [*self._lane.values, *keys, max(row.id for row in due), self._holder, *self._events],
        )
        for row in rows:
            found = _Found(*row)
            if found.key is None or found.key in blockers:
                continue
            if found.is_due:
                ready[found.key].append(found)
            else:
                blockers[found.key] = found
        return ready, blockers

    def _divide(
        self, due: Sequence[_Found], ready: Mapping[str, deque[_Found]], blockers: Mapping[str, _Found]
    ) -> tuple[list[int], dict[str, list[int]]]:
        """Returns the ids to take, and those that wait, by their keys."""
        taken: list[int] = []
        waiting: dict[str, list[int]] = {}
        size = 0
        for row in due:
            candidates = deque((row,)) if row.key is None else ready[row.key]
            while candidates and candidates[0].id <= row.id:
                size += candidates[0].size
                if len(taken) == self._limit or (taken and size > MOST_BYTES):
                    return taken, waiting
                taken.append(candidates.popleft().id)
            if row.key is not None and row.key in blockers and blockers[row.key].id < row.id:
                waiting.setdefault(row.key, []).append(row.id)
        return taken, waiting

    def _postpone(self, ids: Sequence[int], until: float) -> None:
        self._cursor.run(f"UPDATE {OUTBOX} SET next_at = ? WHERE id IN {marks(ids)}", [until, *ids])


def marks(values: Sized) -> str:
    """Returns "(?, ?)", for two values."""
    return f"({', '.join('?' * len(values))})"
