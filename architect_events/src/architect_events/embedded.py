"""The channel "events.sqlite": a file of this machine, `ARCHITECT_EVENTS=sqlite:////var/lib/events.db`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote
from weakref import WeakSet

from architect_core.clock import monotonic
from architect_core.contract import (
    Broker,
    Capabilities,
    Channel,
    Consumer,
    DatastoreProvisioner,
    EventChannel,
    Message,
    Provisioned,
    Receipt,
    Received,
    Topic,
    hookimpl,
)
from architect_core.exceptions import ConfigError
from architect_events.outbox.claiming import Lane
from architect_events.outbox.consumer import LEASE, OutboxConsumer, StoreThread
from architect_events.outbox.insert import values_of
from architect_events.outbox.store import Store
from architect_events.outbox.tables import DEAD, OUTBOX, PENDING, PUBLISHED

ARCHITECT_CONTRACT = 2

IDLE = 0.1  # seconds between two looks into a file; one takes about 50 microseconds

# WAL lets consumers read while an event is written; FULL has a commit survive a power failure, too
_SETTINGS = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL")
_SUBSCRIPTIONS = """\
CREATE TABLE IF NOT EXISTS architect_subscription (
    source TEXT NOT NULL,
    event TEXT NOT NULL,
    subscriber TEXT NOT NULL,
    PRIMARY KEY (source, event, subscriber)
) WITHOUT ROWID"""
_INSERT = (
    f"INSERT INTO {OUTBOX} ({', '.join(PUBLISHED)}, subscriber) SELECT {', '.join('?' * len(PUBLISHED))}, subscriber"
    " FROM architect_subscription WHERE source = ? AND event = ?"
)


class EventsFile(Store):
    """The rows of a file, one for each subscriber of an event, and who has subscribed to what."""

    @property
    def statements(self) -> tuple[str, ...]:
        """What creates the tables that do not exist yet, that of subscriptions included."""
        return (*super().statements, _SUBSCRIPTIONS)

    def declare(self, topics: Sequence[Topic]) -> None:
        """Add the topics' subscribers to those that are known."""
        self.create()
        rows = [(topic.source, topic.event, name) for topic in topics for name in topic.subscribers]
        if rows:
            with self.database.transaction() as cursor:
                cursor.run_many("INSERT OR IGNORE INTO architect_subscription VALUES (?, ?, ?)", rows)

    def put(self, rows: Sequence[Sequence[Any]]) -> None:
        """Keep messages for their subscribers, all of them or none; `rows` are the parameters of each."""
        with self.database.transaction() as cursor:
            cursor.run_many(_INSERT, rows)


def open_file(broker: Broker) -> EventsFile:
    """Returns the file that `ARCHITECT_EVENTS` names; raises ConfigError if that is memory."""
    name = broker.credentials.name
    if not name or name == ":memory:":
        raise ConfigError(broker.where, [("", "must name a file: sqlite:////absolute/path/events.db")])
    return EventsFile(broker.credentials, f"the events file {Path(name).absolute()}", _SETTINGS)


class EmbeddedChannel(Channel):
    """Keeps events in a file."""

    def __init__(self, file: EventsFile) -> None:
        self._file = file
        self._thread = StoreThread(file)
        self._waiting: list[tuple[list[Sequence[Any]], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._is_created = False
        self._consumers: WeakSet[Consumer] = WeakSet()

    async def send(self, messages: Sequence[Message], timeout: float) -> Sequence[Receipt]:
        """Keep messages; those that are sent meanwhile are committed together."""
        since = monotonic()
        problem: Exception | None = None
        rows: list[Sequence[Any]] = [(*values_of(each), each.source, each.event) for each in messages]
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((rows, future))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError:
            problem = TimeoutError(f"{self._file.database.where}: not written within {timeout:g} seconds")
        except Exception as error:  # noqa: BLE001 - a receipt has it
            problem = error
        return [Receipt(problem, elapsed=monotonic() - since)] * len(messages)

    async def declare(self, topics: Sequence[Topic]) -> None:
        """Remember the topics' subscribers."""
        await self._thread.call(self._file.declare, topics)
        self._is_created = True

    def consumer(self, subscriber: str, topics: Sequence[Topic], limit: int, *, dead: bool = False) -> Consumer:
        """Returns a consumer, which subscribes to the topics when it first receives."""
        consumer = FileConsumer(self, self._thread, subscriber, topics, limit, dead=dead)
        self._consumers.add(consumer)
        return consumer

    async def close(self) -> None:
        """Close the consumers and, once everything is written, the file."""
        for each in list(self._consumers):
            await each.close()
        if self._writing is not None:
            await self._writing
        await self._thread.close()

    async def _write(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            problem: Exception | None = None
            try:
                if not self._is_created:
                    await self.declare([])
                await self._thread.call(self._file.put, [row for rows, _ in waiting for row in rows])
            except Exception as error:  # noqa: BLE001 - every sender gets it
                problem = error
            for _, future in waiting:
                if future.done():
                    continue  # its sender has given up
                if problem is None:
                    future.set_result(None)
                else:
                    future.set_exception(problem)


class FileConsumer(OutboxConsumer):
    """Takes the messages of one subscriber from a file."""

    def __init__(
        self, channel: Channel, thread: StoreThread, subscriber: str, topics: Sequence[Topic], limit: int, *, dead: bool
    ) -> None:
        sources = sorted({topic.source for topic in topics})
        lanes = [Lane(source, subscriber, DEAD if dead else PENDING) for source in sources]
        events = sorted({topic.event for topic in topics})
        super().__init__(thread, lanes, limit=limit, events=events, idle=IDLE)
        self._channel = channel
        self._topics = [Topic(topic.event, topic.source, (subscriber,)) for topic in topics]
        self._is_declared = False

    async def receive(self, limit: int, timeout: float) -> Sequence[Received]:
        """Returns at most `limit` messages as soon as one is due; none if that takes `timeout` seconds."""
        if not self._is_declared:
            await self._channel.declare(self._topics)
            self._is_declared = True
        return await super().receive(limit, timeout)


class Embedded(EventChannel):
    """Keeps events in a file of this machine, for the processes of this machine."""

    capabilities: ClassVar = Capabilities(orders=True, holds_back=True, lease=LEASE)

    def open(self, broker: Broker | None) -> Channel:
        """Returns a channel; the file is created by the first event or subscription."""
        if broker is None:
            raise ConfigError("the environment", [("", "ARCHITECT_EVENTS must be set for the channel events.sqlite")])
        return EmbeddedChannel(open_file(broker))


@hookimpl
def architect_event_channel() -> EventChannel:
    return Embedded()


class EmbeddedProvisioner(DatastoreProvisioner):
    """Has the processes of `architect run --events sqlite` keep events in a file of the run."""

    def provision(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned:  # noqa: ARG002 - no server
        """The file is "events.db" in `folder`."""
        return Provisioned({"url": f"sqlite:///{quote(str(folder / 'events.db'))}"})

    def provision_kept(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned:
        """The same: the file is created by its first user, who keeps what it finds."""
        return self.provision(wanted, folder, port)


@hookimpl
def architect_datastore_provisioner() -> DatastoreProvisioner:
    return EmbeddedProvisioner()
