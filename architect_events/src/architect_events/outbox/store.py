"""The rows of an outbox: who takes them, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from architect_core.contract import REASON_HEADER, Credentials, Message
from architect_events.outbox.claiming import LANE, Claim, Lane, marks
from architect_events.outbox.database import Database
from architect_events.outbox.tables import DEAD, DELIVERED, OUTBOX, PENDING, PUBLISHED

_COLUMNS = ", ".join(PUBLISHED)


@dataclass(frozen=True)
class Row:
    """A row that a consumer has claimed; `lease` is whose it is, and `attempts` counts the claims."""

    id: int
    message: Message
    attempts: int
    lease: str


class Store:
    """An outbox's rows. Every method blocks; those that are undone by an error raise OSError, and have done nothing.

    A row is pending, dead or delivered. What is pending can be claimed from the time `next_at` on, by the database's
    clock. A claim is a lease: it moves `next_at` to when the row can be claimed again, and names its holder, without
    whose name the row is not changed any more.
    """

    def __init__(self, credentials: Credentials, where: str, settings: Sequence[str] = ()) -> None:
        """See `Database`; nothing is connected yet."""
        self.database = Database(credentials, where, settings)
        self._now = self.database.dialect.now
        self._busy: set[Lane] = set()  # where the last claim has found something

    @property
    def statements(self) -> tuple[str, ...]:
        """What creates the tables that do not exist yet."""
        return self.database.dialect.create

    def create(self) -> None:
        """Create the tables that do not exist yet."""
        with self.database.cursor() as cursor:
            for statement in self.statements:
                cursor.run(statement)

    def claim(
        self, lane: Lane, holder: str, limit: int, lease: float, events: Sequence[str] | None = None
    ) -> list[Row]:
        """Claim at most `limit` rows of a lane for `lease` seconds; returns them in order.

        Rows with the same key are claimed in the order of publication, and none while an earlier one waits for another
        attempt or has another holder. With `events`, only those events are claimed.
        """
        if lane not in self._busy and not self._is_due(lane):  # without a lock, which an idle relay would take all day
            return []
        self._busy.discard(lane)
        with self.database.transaction(lane.lock) as cursor:
            ids = Claim(cursor, self._now, lane, holder, limit, events).take()
            if not ids:
                return []
            these, columns = f"id IN {marks(ids)}", f"id, attempts, problem, {_COLUMNS}"
            leasing = f"UPDATE {OUTBOX} SET lease = ?, next_at = {self._now} + ?, attempts = attempts + 1 WHERE {these}"
            if self.database.dialect.has_returning:
                found = cursor.rows(f"{leasing} RETURNING {columns}", [holder, lease, *ids])
            else:
                cursor.run(leasing, [holder, lease, *ids])
                found = cursor.rows(f"SELECT {columns} FROM {OUTBOX} WHERE {these}", ids)
        self._busy.add(lane)
        by_id: dict[int, Row] = {}
        for number, attempts, problem, *row in found:
            try:
                message = _message(row, problem if lane.state == DEAD else None)
            except (TypeError, ValueError) as error:  # another program has inserted it
                self._bury(number, holder, f"this row cannot be read: {error}")
            else:
                by_id[number] = Row(number, message, attempts, holder)
        return [by_id[each] for each in ids if each in by_id]

    def expand(self, source: str, subscribers: Mapping[str, Sequence[str]], limit: int) -> int:
        """Replace rows that are for all subscribers by one for each; returns how many were replaced.

        `subscribers` are the names for each event; rows of other events, and what another relay holds, are left alone.
        """
        lane = Lane(source)
        if not subscribers or not self._is_due(lane):
            return 0
        with self.database.transaction(lane.lock) as cursor:
            ids = Claim(cursor, self._now, lane, "", limit, list(subscribers)).take()
            if not ids:
                return 0
            pairs = [(event, name) for event, names in subscribers.items() for name in names]
            these = f"id IN {marks(ids)}"
            if pairs:
                wanted = " UNION ALL ".join(["SELECT ? AS event, ? AS name"] + ["SELECT ?, ?"] * (len(pairs) - 1))
                columns = ", ".join(f"o.{each}" for each in PUBLISHED)
                cursor.run(
                    f"INSERT INTO {OUTBOX} ({_COLUMNS}, subscriber) SELECT {columns}, s.name FROM {OUTBOX} o"
                    f" JOIN ({wanted}) s ON s.event = o.event WHERE o.{these} ORDER BY o.id",
                    [*(text for pair in pairs for text in pair), *ids],
                )
            cursor.run(f"DELETE FROM {OUTBOX} WHERE {these}", ids)
        return len(ids)

    def delivered(self, rows: Sequence[Row], keep: float = 0.0) -> int:
        """Delete these rows, or keep them for `keep` seconds; returns how many were still held.

        What was lost to another holder, because its lease had ended, is delivered again.
        """
        if not rows:
            return 0
        what = f"DELETE FROM {OUTBOX}"
        values: list[Any] = []
        if keep > 0:
            what = f"UPDATE {OUTBOX} SET state = ?, lease = NULL, ended_at = {self._now}, next_at = {self._now} + ?"
            values = [DELIVERED, keep]
        return self._change(what, values, rows)

    def retry(self, row: Row, delay: float) -> int:
        """Let a row be claimed again after `delay` seconds; one that was dead begins anew. Returns 0 if it was lost."""
        # in this order, because MySQL reads `state` after it was set
        what = (
            f"UPDATE {OUTBOX} SET lease = NULL, next_at = {self._now} + ?, ended_at = NULL,"
            f" attempts = CASE WHEN state = ? THEN 0 ELSE attempts END, state = ?"
        )
        return self._change(what, [delay, DEAD, PENDING], [row], attempts=True)

    def dead(self, row: Row, problem: str) -> int:
        """Deliver a row no more, and keep it with the reason. Returns 0 if it was lost."""
        return self._change(self._burying, [problem, DEAD], [row], attempts=True)

    def release(self, rows: Sequence[Row]) -> int:
        """Give back rows that were not attempted; returns how many were still held."""
        what = f"UPDATE {OUTBOX} SET lease = NULL, next_at = 0, attempts = attempts - 1"
        return self._change(what, [], rows) if rows else 0

    def release_all(self, lane: Lane, holder: str) -> int:
        """Give back whatever `holder` holds in a lane; returns how many rows that were."""
        what = f"UPDATE {OUTBOX} SET lease = NULL, next_at = 0"
        where = f"{LANE} AND next_at > {self._now} AND lease = ?"
        with self.database.cursor() as cursor:
            return cursor.run(f"{what} WHERE {where}", [*lane.values, holder])

    def extend(self, rows: Sequence[Row], lease: float) -> int:
        """Hold these rows for `lease` seconds from now; returns how many were still held."""
        what = f"UPDATE {OUTBOX} SET next_at = {self._now} + ?"
        return self._change(what, [lease], rows) if rows else 0

    def purge(self, lane: Lane, limit: int = 1000) -> int:
        """Delete delivered rows of a lane that were kept long enough; returns how many, at most `limit`."""
        kept = replace(lane, state=DELIVERED)
        with self.database.transaction(kept.lock) as cursor:
            where = f"{LANE} AND next_at <= {self._now} ORDER BY next_at, id LIMIT {limit:d}"
            ids = [row[0] for row in cursor.rows(f"SELECT id FROM {OUTBOX} WHERE {where}", kept.values)]
            return cursor.run(f"DELETE FROM {OUTBOX} WHERE id IN {marks(ids)}", ids) if ids else 0

    @property
    def _burying(self) -> str:
        return f"UPDATE {OUTBOX} SET lease = NULL, next_at = 0, ended_at = {self._now}, problem = ?, state = ?"

    def _bury(self, number: int, holder: str, problem: str) -> None:
        with self.database.cursor() as cursor:
            cursor.run(f"{self._burying} WHERE id = ? AND lease = ?", [problem, DEAD, number, holder])

    def _change(self, what: str, values: Sequence[Any], rows: Sequence[Row], *, attempts: bool = False) -> int:
        ids = [row.id for row in rows]
        fence: list[Any] = [rows[0].lease]
        # one lease, as InnoDB locks all rows for pairs
        where = f"WHERE id IN {marks(ids)} AND lease = ?"
        if attempts:
            where += " AND attempts = ?"
            fence.append(rows[0].attempts)
        with self.database.cursor() as cursor:
            return cursor.run(f"{what} {where}", [*values, *ids, *fence])

    def _is_due(self, lane: Lane) -> bool:
        with self.database.cursor() as cursor:
            return bool(
                cursor.rows(f"SELECT 1 FROM {OUTBOX} WHERE {LANE} AND next_at <= {self._now} LIMIT 1", lane.values)
            )


def _message(row: Sequence[Any], reason: str | None) -> Message:
    id_, event, source, key, content_type, headers, body, occurred_at = row
    time = datetime.fromisoformat(occurred_at)
    time = time.replace(tzinfo=time.tzinfo or UTC)
    found = json.loads(headers)
    if not (isinstance(found, dict) and all(isinstance(value, str) for value in found.values())):
        raise ValueError("its headers are no JSON object of texts")
    if reason is not None:
        found[REASON_HEADER] = reason
    content = bytes_of(body)
    return Message(id_, event, source, time, content, key=key, content_type=content_type, headers=found)


def bytes_of(body: Any) -> bytes:
    """Returns a body; SQLite keeps a text as such if another program has inserted one."""
    return body.encode() if isinstance(body, str) else bytes(body)
