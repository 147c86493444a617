"""The worker, with a consumer in memory, whose every call is recorded."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from architect_core.contract import Capabilities, Consumer, Message, Receipt, Received
from architect_core.exceptions import ConfigError
from architect_events.consuming.worker import Sink, Worker
from architect_events.schedule import DELIVERIES, HANDLERS, Schedule

OK = Receipt()
QUICK = Schedule((0.0, 0.0, 0.0))


class Memory(Consumer):
    """Delivers what is in `queue`, and again what is released; what is retried comes back if `comes_back`."""

    def __init__(self, received: Iterable[Received] = (), *, comes_back: bool = False) -> None:
        self.queue = deque(received)
        self.comes_back = comes_back
        self.limits: list[int] = []
        self.acks: list[list[str]] = []
        self.retried: list[tuple[str, int, float]] = []
        self.buried: list[tuple[str, str]] = []
        self.released: list[str] = []
        self.extended: list[list[str]] = []
        self.closed = False
        self.problems: dict[str, deque[Exception]] = {}
        self.arrival = asyncio.Event()
        self.waiting = asyncio.Event()

    def put(self, *received: Received) -> None:
        self.queue.extend(received)
        self.arrival.set()

    def fail(self, method: str, *problems: Exception) -> None:
        self.problems.setdefault(method, deque()).extend(problems)

    def _raise(self, method: str) -> None:
        if self.problems.get(method):
            raise self.problems[method].popleft()

    async def receive(self, limit: int, timeout: float) -> Sequence[Received]:
        self._raise("receive")
        self.limits.append(limit)
        if not self.queue:
            self.arrival.clear()
            self.waiting.set()
            try:
                await asyncio.wait_for(self.arrival.wait(), timeout)
            except TimeoutError:
                return []
        return [self.queue.popleft() for _ in range(min(limit, len(self.queue)))]

    async def ack(self, received: Sequence[Received]) -> None:
        self._raise("ack")
        self.acks.append([each.message.id for each in received])

    async def retry(self, received: Received, delay: float) -> None:
        self._raise("retry")
        self.retried.append((received.message.id, received.attempt, delay))
        if self.comes_back:
            self.put(Received(received.message, received.attempt + 1, None))

    async def dead(self, received: Received, reason: str) -> None:
        self.buried.append((received.message.id, reason))

    async def release(self, received: Sequence[Received]) -> None:
        self.released += [each.message.id for each in received]

    async def extend(self, received: Sequence[Received]) -> None:
        self._raise("extend")
        self.extended.append([each.message.id for each in received])

    async def close(self) -> None:
        self.closed = True

    @property
    def acked(self) -> list[str]:
        return [each for ack in self.acks for each in ack]


def message(id_: str, key: str | None = None, attempt: int = 1) -> Received:
    return Received(Message(id_, "placed", "acme/orders", datetime.now(UTC), b"secret", key=key), attempt, None)


def messages(count: int) -> list[Received]:
    return [message(str(number)) for number in range(count)]


def worker(consumer: Consumer, sink: Sink, **arguments: Any) -> Worker:
    arguments = {"schedule": QUICK, "capabilities": Capabilities(), "empty": 0.05, **arguments}
    return Worker("the test", consumer, sink, **arguments)


def each(handle: Callable[[Received], Awaitable[Receipt | None]]) -> Sink:
    async def sink(batch: Sequence[Received]) -> list[Receipt]:
        return [await handle(one) or OK for one in batch]

    return sink


def run(coroutine: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(coroutine(), 20))  # type: ignore[arg-type]


def test_every_message_is_handled_and_acknowledged() -> None:
    async def scenario() -> None:
        consumer, handled = Memory(messages(100)), []

        async def handle(received: Received) -> None:
            handled.append(received.message.id)

        engine = worker(consumer, each(handle))
        await engine.run(until_empty=True)
        assert sorted(handled) == sorted(consumer.acked) == sorted(str(number) for number in range(100))
        assert (engine.counts.done, engine.counts.failed, engine.counts.dead) == (100, 0, 0)
        assert consumer.closed

    run(scenario)


def test_no_more_is_held_and_no_more_runs_than_the_concurrency() -> None:
    async def scenario() -> None:
        consumer, gate, running, most = Memory(messages(20)), asyncio.Semaphore(0), set(), 0

        async def handle(received: Received) -> None:
            nonlocal most
            running.add(received.message.id)
            most = max(most, len(running))
            await gate.acquire()
            running.remove(received.message.id)

        engine = worker(consumer, each(handle), concurrency=3)
        task = asyncio.create_task(engine.run(until_empty=True))
        while len(running) < 3:
            await asyncio.sleep(0)
        assert len(consumer.queue) == 17
        for _ in range(20):
            gate.release()
        await task
        assert most == 3
        assert max(consumer.limits) == 3

    run(scenario)


def test_a_sink_of_batches_gets_full_batches_in_order() -> None:
    async def scenario() -> None:
        consumer, batches = Memory(messages(250)), []

        async def sink(batch: Sequence[Received]) -> list[Receipt]:
            batches.append([one.message.id for one in batch])
            return [OK] * len(batch)

        await worker(consumer, sink, concurrency=2, batch=100).run(until_empty=True)
        assert [len(batch) for batch in batches] == [100, 100, 50]
        assert [id_ for batch in batches for id_ in batch] == [str(number) for number in range(250)]

    run(scenario)


def test_batches_are_filled_though_messages_wait_for_running_ones_of_their_keys() -> None:
    async def scenario() -> None:
        consumer, batches = Memory(message(str(number), str(number % 7)) for number in range(100)), []

        async def sink(batch: Sequence[Received]) -> list[Receipt]:
            batches.append([int(one.message.id) for one in batch])
            await asyncio.sleep(0.01)
            return [OK] * len(batch)

        await worker(consumer, sink, concurrency=3, batch=20, ahead=40).run(until_empty=True)
        assert [len(batch) for batch in batches] == [20] * 5
        for key in range(7):
            of_key = [number for batch in batches for number in batch if number % 7 == key]
            assert of_key == sorted(of_key)

    run(scenario)


def test_what_succeeds_in_the_same_moment_is_acknowledged_together() -> None:
    async def scenario() -> None:
        consumer, gate, running = Memory(messages(8)), asyncio.Event(), []

        async def handle(received: Received) -> None:
            running.append(received)
            await gate.wait()

        task = asyncio.create_task(worker(consumer, each(handle), concurrency=8).run(until_empty=True))
        while len(running) < 8:
            await asyncio.sleep(0)
        gate.set()
        await task
        assert len(consumer.acks) == 1

    run(scenario)


def test_messages_with_the_same_key_are_handled_one_after_another_and_others_meanwhile() -> None:
    async def scenario() -> None:
        keyed = [message(f"{key}{number}", key) for number in range(5) for key in "ab"]
        consumer, order, running = Memory([*keyed, message("free")]), [], set()
        overlap = []

        async def handle(received: Received) -> None:
            key = received.message.key
            assert key is None or key not in running
            running.add(key)
            overlap.append(len(running))
            await asyncio.sleep(0.001)
            running.discard(key)
            order.append(received.message.id)

        await worker(consumer, each(handle), concurrency=11).run(until_empty=True)
        for key in "ab":
            assert [id_ for id_ in order if id_.startswith(key)] == [f"{key}{number}" for number in range(5)]
        assert max(overlap) == 3

    run(scenario)


def test_a_failed_message_is_retried_with_the_delay_of_the_schedule_and_at_last_dead() -> None:
    async def scenario() -> None:
        consumer, attempts = Memory([message("1")], comes_back=True), []

        async def handle(received: Received) -> None:
            attempts.append(received.attempt)
            raise RuntimeError("no")

        engine = worker(consumer, each(handle), schedule=Schedule((5.0, 300.0)))
        await engine.run(until_empty=True)
        assert attempts == [1, 2, 3]
        (first, second) = (delay for _, _, delay in consumer.retried)
        assert 5 <= first <= 6
        assert 300 <= second <= 360
        assert consumer.buried == [("1", "no")]
        assert consumer.acked == []
        assert (engine.counts.failed, engine.counts.dead) == (3, 1)

    run(scenario)


def test_a_permanent_receipt_is_dead_at_once_and_retry_after_is_honoured() -> None:
    async def scenario() -> None:
        consumer = Memory(messages(2))

        async def handle(received: Received) -> Receipt:
            if received.message.id == "0":
                return Receipt(status=410, permanent=True)
            return Receipt(status=429, retry_after=40.0)

        await worker(consumer, each(handle), capabilities=Capabilities(max_delay=45.0)).run(until_empty=True)
        assert consumer.buried == [("0", "status 410")]
        (retried,) = consumer.retried
        assert retried[:2] == ("1", 1)
        assert 40 <= retried[2] <= 45

    run(scenario)


def test_a_channel_that_holds_back_gets_what_is_behind_a_failed_message_back_unattempted() -> None:
    async def scenario() -> None:
        consumer, handled = Memory([message(str(number), "k") for number in range(4)]), []

        async def handle(received: Received) -> None:
            handled.append(received.message.id)
            if received.message.id == "1":
                raise RuntimeError("no")

        capabilities = Capabilities(holds_back=True)
        await worker(consumer, each(handle), capabilities=capabilities).run(until_empty=True)
        assert handled == ["0", "1"]
        assert [id_ for id_, _, _ in consumer.retried] == ["1"]
        assert consumer.released == ["2", "3"]
        assert consumer.acked == ["0"]

    run(scenario)


@pytest.mark.parametrize("batch", [1, 10])
def test_for_a_channel_that_does_not_hold_back_the_worker_keeps_a_failed_message_before_those_behind_it(
    batch: int,
) -> None:
    async def scenario() -> None:
        consumer, succeeded = Memory([message(str(number), "k") for number in range(4)]), []

        async def handle(received: Received) -> Receipt:
            if int(received.message.id) >= 1 and received.attempt + len(succeeded) < 4:
                return Receipt(RuntimeError("no"))
            succeeded.append(received.message.id)
            return OK

        engine = worker(consumer, each(handle), batch=batch, concurrency=10, schedule=Schedule((0.001,) * 5))
        consumer.put(*messages(1))
        await engine.run(until_empty=True)
        assert [id_ for id_ in succeeded if id_ != "0"] == ["1", "2", "3"]
        assert consumer.retried == []
        assert sorted(consumer.acked) == ["0", "0", "1", "2", "3"]

    run(scenario)


def test_a_kept_message_is_dead_after_its_last_attempt_and_those_behind_it_go_on() -> None:
    async def scenario() -> None:
        consumer, attempts = Memory([message("bad", "k"), message("good", "k")]), []

        async def handle(received: Received) -> None:
            attempts.append((received.message.id, received.attempt))
            if received.message.id == "bad":
                raise RuntimeError("no")

        await worker(consumer, each(handle)).run(until_empty=True)
        assert attempts == [("bad", 1), ("bad", 2), ("bad", 3), ("bad", 4), ("good", 1)]
        assert consumer.buried == [("bad", "no")]
        assert consumer.acked == ["good"]

    run(scenario)


def test_leases_are_extended_while_a_message_is_unfinished_and_a_failure_of_that_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        consumer, gate, running = Memory(messages(2)), asyncio.Event(), []
        consumer.fail("extend", OSError("away"))

        async def handle(received: Received) -> None:
            running.append(received)
            if received.message.id == "1":
                await gate.wait()

        engine = worker(consumer, each(handle), capabilities=Capabilities(lease=0.1))
        task = asyncio.create_task(engine.run())
        while len(consumer.extended) < 3:
            await asyncio.sleep(0.01)
        assert consumer.extended[1:] == [["1"]] * (len(consumer.extended) - 1)
        assert "could not extend leases: away" in caplog.text
        gate.set()
        while len(consumer.acked) < 2:
            await asyncio.sleep(0.01)
        before = len(consumer.extended)
        await asyncio.sleep(0.2)
        assert len(consumer.extended) == before
        engine.stop()
        await task

    run(scenario)


def test_an_outage_is_logged_once_and_ends_when_the_broker_is_back(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        consumer, prepared = Memory(), []
        consumer.fail("receive", *(ConnectionRefusedError("refused") for _ in range(3)))

        async def prepare() -> None:
            prepared.append(len(consumer.problems["receive"]))

        async def handle(received: Received) -> None:
            engine.stop()

        engine = worker(consumer, each(handle), prepare=prepare)
        consumer.put(message("1"))
        with caplog.at_level(logging.INFO, "architect.events"):
            await engine.run()
        assert consumer.acked == ["1"]
        assert [record.getMessage() for record in caplog.records] == [
            "the test cannot be reached, and is tried again: refused", "the test can be reached again",
        ]  # fmt: skip
        assert prepared == [3, 2, 1, 0]

    run(scenario)


def test_a_configuration_error_ends_the_worker() -> None:
    async def scenario() -> None:
        consumer = Memory()
        consumer.fail("receive", ConfigError("the test", [("", "no table")]))
        with pytest.raises(ConfigError, match="no table"):
            await worker(consumer, each(None)).run()  # type: ignore[arg-type]
        assert consumer.closed

    run(scenario)


def test_an_acknowledgement_is_tried_again_while_the_broker_is_away() -> None:
    async def scenario() -> None:
        consumer = Memory(messages(1))
        consumer.fail("ack", OSError("away"), OSError("away"))

        async def handle(received: Received) -> None:
            pass

        engine = worker(consumer, each(handle))
        await engine.run(until_empty=True)
        assert consumer.acked == ["0"]
        assert engine.counts.done == 1

    run(scenario)


def test_messages_of_a_lost_connection_keep_no_others_from_being_acknowledged(caplog: pytest.LogCaptureFixture) -> None:
    class Lost(Memory):
        async def ack(self, received: Sequence[Received]) -> None:
            if any(one.message.id == "1" for one in received):
                raise ValueError("the connection was lost")
            await super().ack(received)

    async def scenario() -> None:
        consumer = Lost(messages(3))

        async def sink(batch: Sequence[Received]) -> list[Receipt]:
            return [OK] * len(batch)

        await worker(consumer, sink, batch=3).run(until_empty=True)
        assert sorted(consumer.acked) == ["0", "2"]
        assert "could not acknowledge, so it may be delivered again" in caplog.text

    run(scenario)


def test_on_stop_nothing_new_begins_and_what_runs_ends_and_is_acknowledged() -> None:
    async def scenario() -> None:
        consumer, gate, running = Memory([message("1", "k"), message("2", "k")]), asyncio.Event(), []

        async def handle(received: Received) -> None:
            running.append(received.message.id)
            await gate.wait()

        engine = worker(consumer, each(handle), capabilities=Capabilities(holds_back=True))
        task = asyncio.create_task(engine.run())
        await consumer.waiting.wait()
        while not running:
            await asyncio.sleep(0)
        engine.stop()
        await asyncio.sleep(0.02)
        consumer.put(message("3"))
        gate.set()
        await task
        assert running == ["1"]
        assert consumer.acked == ["1"]
        assert consumer.released == ["2"]
        assert consumer.closed

    run(scenario)


def test_what_does_not_end_in_time_is_cancelled_and_not_acknowledged(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        consumer, started = Memory(messages(1)), asyncio.Event()

        async def handle(received: Received) -> None:
            started.set()
            await asyncio.Event().wait()

        engine = worker(consumer, each(handle), grace=0.01)
        task = asyncio.create_task(engine.run())
        await started.wait()
        engine.stop()
        await task
        assert (consumer.acked, consumer.retried, consumer.closed) == ([], [], True)
        assert "1 calls did not end in 0.01 seconds" in caplog.text

    run(scenario)


def test_what_waits_is_given_back_once_if_a_call_fails_while_that_is_done() -> None:
    async def scenario() -> None:
        releasing, gate, running = asyncio.Event(), asyncio.Event(), asyncio.Event()

        class Slow(Memory):
            async def release(self, received: Sequence[Received]) -> None:
                await super().release(received)
                releasing.set()
                while not self.retried:
                    await asyncio.sleep(0)

        async def handle(received: Received) -> Receipt:
            running.set()
            await gate.wait()
            return Receipt(OSError("away"))

        consumer = Slow([message("1", "k"), message("2", "k")])
        engine = worker(consumer, each(handle), capabilities=Capabilities(holds_back=True), grace=0.0)
        task = asyncio.create_task(engine.run())
        await running.wait()
        engine.stop()
        await releasing.wait()
        gate.set()
        await task
        assert consumer.released == ["2"]

    run(scenario)


def test_a_sink_that_is_cancelled_by_itself_or_returns_too_few_receipts_has_failed() -> None:
    async def scenario() -> None:
        consumer = Memory(messages(2))

        async def sink(batch: Sequence[Received]) -> list[Receipt]:
            if batch[0].message.id == "0":
                raise asyncio.CancelledError
            return []

        await worker(consumer, sink).run(until_empty=True)
        assert sorted(id_ for id_, _, _ in consumer.retried) == ["0", "1"]
        assert consumer.acked == []

    run(scenario)


def test_no_payload_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        consumer = Memory(messages(1), comes_back=True)
        await worker(consumer, each(None)).run(until_empty=True)  # type: ignore[arg-type]
        assert len(consumer.buried) == 1

    run(scenario)
    assert "placed" in caplog.text
    assert "secret" not in caplog.text


def test_the_schedule_of_deliveries_is_that_of_standard_webhooks_with_jitter_on_top() -> None:
    nominal = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    delays = [DELIVERIES.delay(attempt) for attempt in range(1, 11)]
    assert delays[-1] is None
    assert all(least <= (delay or 0) <= least * 1.2 for least, delay in zip(nominal, delays, strict=False))
    assert len({DELIVERIES.delay(1) for _ in range(10)}) > 1
    assert len(HANDLERS.delays) == len(DELIVERIES.delays)


def test_a_receiver_can_ask_for_a_longer_delay_of_a_day_at_most() -> None:
    assert 60 <= (DELIVERIES.delay(1, retry_after=60.0) or 0) <= 72
    assert (DELIVERIES.delay(1, retry_after=1e9) or 0) <= 86_400 * 1.2
    assert DELIVERIES.delay(3, limit=900.0) == 900.0
