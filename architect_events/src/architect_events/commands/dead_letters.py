"""The dead letters that a broker keeps, as an operator sees them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from architect_core.contract import REASON_HEADER
from architect_events.outbox.browsing import Count, Entry, Selection
from architect_events.outbox.tables import DEAD

if TYPE_CHECKING:
    from architect_core.contract import Broker, Consumer, EventChannel, Received, Topic

    _Action = Callable[[str, Consumer, Received], Awaitable[None]]

_MOST = 1000  # dead letters of one subscriber that are looked at
_PATIENCE = 1.0  # seconds without a further one, after which there is none


class DeadLetters:
    """The dead letters that a broker keeps, of the running service's events and of those that it handles."""

    def __init__(self, factory: EventChannel, broker: Broker, queues: Mapping[str, Sequence[Topic]]) -> None:
        """`queues` are the topics of each subscriber."""
        self.name = f"the dead letters of the {broker.scheme} broker"
        self._factory = factory
        self._broker = broker
        self._queues = queues

    def counts(self, selection: Selection) -> list[Count]:
        """See `Browser`."""
        found: dict[tuple[str, str, str | None], list[float]] = defaultdict(list)
        for each in self.find(selection, _MOST):
            found[each.source, each.event, each.subscriber].append(each.age)
        return [Count(*key, DEAD, len(ages), max(ages)) for key, ages in sorted(found.items())]

    def find(self, selection: Selection, limit: int, *, bodies: bool = False) -> list[Entry]:
        """See `Browser`."""
        found: list[Entry] = []

        async def look(subscriber: str, _: Consumer, received: Received) -> None:
            found.append(_entry(subscriber, received, bodies=bodies))

        self._each(selection, look)
        return found[:limit]

    def retry(self, selection: Selection) -> int:
        """Have dead letters delivered to their subscribers again; returns how many."""
        return self._each(selection, lambda _, consumer, received: consumer.retry(received, 0.0))

    def replay(self, selection: Selection) -> int:
        """The same: a broker keeps nothing that was delivered."""
        return self.retry(selection)

    def discard(self, selection: Selection) -> int:
        """Delete dead letters; returns how many."""
        return self._each(selection, lambda _, consumer, received: consumer.ack([received]))

    def _each(self, selection: Selection, action: _Action) -> int:
        if selection.states and DEAD not in selection.states:
            return 0
        return asyncio.run(self._do(selection, action))

    async def _do(self, selection: Selection, action: _Action) -> int:
        done = 0
        channel = self._factory.open(self._broker)
        try:
            for subscriber, topics in self._queues.items():
                if selection.subscriber not in {None, subscriber}:
                    continue
                await channel.declare(topics)
                consumer = channel.consumer(subscriber, topics, _MOST, dead=True)
                try:
                    for received in await _all(consumer):
                        if _is_selected(selection, received):
                            await action(subscriber, consumer, received)
                            done += 1
                finally:
                    await consumer.close()  # which gives back the others
        finally:
            await channel.close()
        return done


async def _all(consumer: Consumer) -> list[Received]:
    found: list[Received] = []
    while len(found) < _MOST and (received := await consumer.receive(_MOST - len(found), _PATIENCE)):
        found += received
    return found


def _is_selected(selection: Selection, received: Received) -> bool:
    message = received.message
    return (
        (not selection.ids or message.id in selection.ids)
        and selection.event in {None, message.event}
        and (selection.since is None or message.time >= selection.since)
    )


def _entry(subscriber: str, received: Received, *, bodies: bool) -> Entry:
    message = received.message
    headers = dict(message.headers)
    problem = headers.pop(REASON_HEADER, None)
    return Entry(
        id=message.id,
        event=message.event,
        source=message.source,
        subscriber=subscriber,
        key=message.key,
        state=DEAD,
        attempts=None,
        time=message.time,
        age=max(0.0, (datetime.now(UTC) - message.time).total_seconds()),
        headers=headers,
        content_type=message.content_type,
        problem=problem,
        body=message.body if bodies else None,
    )
