"""The relay of a service: from its outbox to where events go, and from a broker to subscribers' URLs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from architect_core.contract import Broker, Capabilities, ClientObserver, Consumer, Subscription, Topic
from architect_core.exceptions import ConfigError
from architect_core.resolver.events import EVENTS_VARIABLE
from architect_core.resolver.observing import client_observer
from architect_events.consuming.repeating import Outage, Repeating
from architect_events.consuming.sinks import BrokerSink, UrlSink
from architect_events.consuming.worker import Counts, Sink, Worker
from architect_events.outbox.browsing import Browser
from architect_events.outbox.claiming import Lane
from architect_events.outbox.consumer import LEASE, OutboxConsumer, StoreThread
from architect_events.schedule import DELIVERIES, Schedule
from architect_events.subscribers import name_in_broker, topic_of

if TYPE_CHECKING:
    from architect_events.outbox.store import Store
    from architect_events.publishing import Channels

_AHEAD = 3  # batches on their way to a broker, so that it never waits for the database
_MEASURE = 15.0  # seconds between two counts of what is in the outbox, for an observer
_PURGE = 60.0  # seconds between looks for delivered events that were kept long enough
_POLL = 0.3  # seconds between looks for new events
_POLL_AGAIN = 1.0  # seconds between looks for those that are due again; new ones end the pause
_EMPTY, _EMPTY_BROKER = 0.2, 2.0  # seconds without an event after which there is none; a broker needs some to connect
_OUTBOX = Capabilities(orders=True, holds_back=True, lease=LEASE)


@dataclass(frozen=True)
class Settings:
    """How a relay works.

    Attributes:
        concurrency: how many requests one subscriber gets at once.
        batch: how many events are sent to a broker together.
        timeout: seconds that the broker or a subscriber has to answer.
        keep: seconds that delivered events stay in the outbox, so that they can be replayed.
        schedule: when a failed delivery is tried again.
    """

    concurrency: int = 32
    batch: int = 100
    timeout: float = 15.0
    keep: float = 0.0
    schedule: Schedule = DELIVERIES


class _Part(Protocol):
    """What a relay runs beside others."""

    async def run(self, *, until_empty: bool = False) -> None:
        """Returns after `stop` or, if `until_empty`, once nothing is left that is due."""

    def stop(self) -> None:
        """Begin nothing new."""


class Relay:
    """Moves the events of the running service; several relays of a service share the work.

    - With a broker, events go from the outbox to it in batches, and from there to the subscribers that have a URL.
    - Without one, an event in the outbox becomes one row for each subscriber, with its own attempts, and is posted.

    Each subscriber has a worker of its own, so that one that is slow or away delays no other's events.
    """

    def __init__(self, resolver: Any, channels: Channels, store: Store | None, settings: Settings) -> None:
        """Make a relay of the running service of `resolver`; nothing is connected yet.

        `store` is its outbox; None if there is only a broker to take events from. Raises ConfigError if there is
        nothing to relay, or a subscriber cannot be reached this way.
        """
        service = resolver.current_service()
        self.name: str = service.name
        self._resolver = resolver
        self._channels = channels
        self._settings = settings
        self._observer = client_observer(self.name, "events")
        self._thread = None if store is None else StoreThread(store)
        self._events: dict[str, Sequence[Subscription]] = {
            event: resolver.notification(event).subscriptions for event in service.config.subscriptions
        }
        self._workers: list[Worker] = []
        self._taking: list[_Part] = []  # from the outbox
        self._lanes: list[OutboxConsumer] = []
        self._plan()

    @property
    def plan(self) -> str:
        """What it takes events from, and for whom."""
        return "; ".join(each.name for each in self._workers)

    @property
    def counts(self) -> Counts:
        """How many messages were processed; one that goes to a broker and from there to a URL is two."""
        counts = [each.counts for each in self._workers]
        return Counts(sum(c.done for c in counts), sum(c.failed for c in counts), sum(c.dead for c in counts))

    def stop(self) -> None:
        """Begin nothing new; `run` returns once what runs has ended. To be called in the channels' event loop."""
        for part in (*self._taking, *self._workers):
            part.stop()

    async def run(self, *, until_empty: bool = False) -> None:
        """Relay until `stop` is called or, if `until_empty`, until nothing is left that is due."""
        posting: list[_Part] = [each for each in self._workers if each not in self._taking]
        stages = [self._taking, posting] if until_empty else [[*self._taking, *posting]]
        try:
            for stage in stages:
                await self._run_all(stage, until_empty)
        finally:
            if self._thread is not None:
                await self._thread.close()

    async def _run_all(self, parts: Sequence[_Part], until_empty: bool) -> None:
        tasks = [asyncio.create_task(part.run(until_empty=until_empty)) for part in parts]
        if not tasks:
            return
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            if not all(task.done() for task in tasks):  # one has failed
                self.stop()
                await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in tasks:
            task.result()

    def _plan(self) -> None:
        broker = self._resolver.broker()
        if self._thread is not None:
            self._post_rows(self._thread)
        if broker is not None:
            self._use_broker(broker)
        elif self._thread is not None:
            self._require_urls()
            where = self._thread.store.database.where
            self._taking.append(Repeating(partial(self._expand, self._thread), _POLL, Outage(where)))
        if self._thread is not None:
            outage = Outage(self._thread.store.database.where)
            self._taking.append(Repeating(partial(self._purge, self._thread), _PURGE, outage))
            if self._observer is not None:
                measure = partial(self._measure, self._thread, self._observer)
                self._taking.append(Repeating(measure, _MEASURE, Outage(self._thread.store.database.where)))
        if not self._taking and not self._workers:
            reason = (
                "there is nothing to relay: it has no datastore with an outbox, and either "
                f"{EVENTS_VARIABLE} is not set or no subscriber has a `uri`"
            )
            raise ConfigError(f"the service {self.name}", [("", reason)])

    async def _expand(self, thread: StoreThread) -> int:
        """Makes one row for each subscriber of events that are in the outbox; returns for how many."""
        names = {event: [each.name for each in found] for event, found in self._events.items()}
        count = await thread.call(thread.store.expand, self.name, names, self._settings.batch)
        if count:
            for lane in self._lanes:
                lane.wake()
        return count

    async def _purge(self, thread: StoreThread) -> int:
        """Deletes delivered events that were kept long enough; returns how many."""
        lanes = [Lane(self.name), *(Lane(self.name, subscriber) for subscriber in self._with_urls())]
        return sum([await thread.call(thread.store.purge, lane) for lane in lanes])

    async def _measure(self, thread: StoreThread, observer: ClientObserver) -> int:
        """Tells the observer how much is in the outbox; returns 0, as there is nothing further to do."""
        pending, oldest, dead = await thread.call(Browser(thread.store.database).backlog, self.name)
        observer.backlog(pending, oldest, dead)
        return 0

    def _require_urls(self) -> None:
        for event, subscriptions in self._events.items():
            for each in subscriptions:
                if each.consumes:
                    reason = f"{each.name} takes it from a broker, with a handler: set {EVENTS_VARIABLE}"
                    raise ConfigError(f"the service {self.name}", [(f"subscriptions.{event}", reason)])

    def _post_rows(self, thread: StoreThread) -> None:
        """Have the rows of each subscriber posted; with a broker too, as there may be some of the time before it."""
        where = thread.store.database.where
        outage = Outage(where)
        for name, subscriptions in self._with_urls().items():
            consumer = self._rows(thread, Lane(self.name, name), list(subscriptions), _POLL_AGAIN)
            self._lanes.append(consumer)
            self._work(f"{where}, for {name}", consumer, self._url_sink(subscriptions), _OUTBOX, outage)

    def _use_broker(self, broker: Broker) -> None:
        """Have the outbox sent to the broker, and what is in the broker for subscribers with a URL posted."""
        factory = self._resolver.channel(f"events.{broker.scheme}")
        capabilities: Capabilities = factory.capabilities
        if not capabilities.keeps:
            raise ConfigError(broker.where, [("", f"{broker.scheme} keeps no events, so it is no broker")])
        channel = self._channels.open(factory, broker)
        name = f"the broker of {EVENTS_VARIABLE}"
        outage = Outage(name)
        topics = [topic_of(event, self.name, found) for event, found in self._events.items()]
        if self._thread is not None:
            where = self._thread.store.database.where
            to_broker = BrokerSink(channel, topics, capabilities, self._settings.timeout, outage, self._observer)
            consumer = self._rows(self._thread, Lane(self.name), list(self._events), _POLL)
            self._taking.append(self._work(where, consumer, to_broker, _OUTBOX, Outage(where), self._settings.batch))
        for subscriber, subscriptions in self._with_urls().items():
            queue = name_in_broker(next(iter(subscriptions.values())), self.name)
            mine = [Topic(event, self.name, (queue,)) for event in subscriptions]
            taken = channel.consumer(queue, mine, 2 * self._settings.concurrency)
            sink, declare = self._url_sink(subscriptions), partial(channel.declare, mine)
            self._work(f"{name}, for {subscriber}", taken, sink, capabilities, outage, prepare=declare)

    def _rows(self, thread: StoreThread, lane: Lane, events: Sequence[str], idle: float) -> OutboxConsumer:
        return OutboxConsumer(thread, [lane], events=events, keep=self._settings.keep, idle=idle)

    def _with_urls(self) -> dict[str, dict[str, Subscription]]:
        """Returns the subscribers that have a URL, with their subscriptions by event."""
        found: dict[str, dict[str, Subscription]] = {}
        for event, subscriptions in self._events.items():
            for each in subscriptions:
                if not each.consumes:
                    found.setdefault(each.name, {})[event] = each
        return found

    def _url_sink(self, subscriptions: Mapping[str, Subscription]) -> UrlSink:
        name = f"events.{next(iter(subscriptions.values())).api}"
        channel = self._channels.open(self._resolver.channel(name), None)
        return UrlSink(channel, subscriptions, self._settings.timeout, self._observer)

    def _work(
        self,
        name: str,
        consumer: Consumer,
        sink: Sink,
        capabilities: Capabilities,
        outage: Outage,
        batch: int = 1,
        prepare: Callable[[], Awaitable[None]] | None = None,
    ) -> Worker:
        concurrency = self._settings.concurrency if batch == 1 else _AHEAD
        worker = Worker(
            name,
            consumer,
            sink,
            schedule=self._settings.schedule,
            capabilities=capabilities,
            concurrency=concurrency,
            batch=batch,
            ahead=concurrency if batch == 1 else batch,
            empty=_EMPTY if capabilities is _OUTBOX else _EMPTY_BROKER,
            prepare=prepare,
            outage=outage,
        )
        self._workers.append(worker)
        return worker
