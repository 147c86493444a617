"""Consuming from a real RabbitMQ: what is not acknowledged comes again, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import aio_pika
import pytest
from rabbit_tools import URL, Names, Proxy, bare, count, drain, numbers, opened, proxied, receive

from architect_rabbitmq import consumer as consuming
from architect_rabbitmq import topology
from architect_rabbitmq.channel import RabbitChannel
from architect_rabbitmq.consumer import RabbitConsumer
from architect_rabbitmq.link import RabbitError
from architect_rabbitmq.publisher import Outgoing, Publisher


async def published(channel: RabbitChannel, names: Names, *messages: int, key: str | None = None) -> None:
    await channel.declare([names.topic])
    receipts = await channel.send([names.message(number, key=key) for number in messages], 10)
    assert [receipt.error for receipt in receipts] == [None] * len(messages)


def consumer_of(channel: RabbitChannel, names: Names, limit: int = 10, *, dead: bool = False) -> RabbitConsumer:
    return channel.consumer(names.mailer, [names.topic], limit, dead=dead)


def test_a_consumer_gets_the_message_that_was_published(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            await channel.declare([names.topic])
            message = names.message(7, key="ädå", headers={"traceparent": "00-1-2-01"}, content_type="text/plain")
            await channel.send([message], 10)
            (received,) = await receive(consumer_of(channel, names), 1)
            assert (received.message, received.attempt) == (message, 1)
            assert received.message.body == message.body
            assert received.message.headers == {"traceparent": "00-1-2-01"}

    asyncio.run(main())


def test_what_is_acknowledged_never_comes_again_and_the_rest_does(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            await published(channel, names, 0, 1, 2, 3)
            first = consumer_of(channel, names)
            received = await receive(first, 4)
            await first.ack([received[1], received[3]])
            await first.close()
            second = consumer_of(channel, names)
            again = await drain(second, 2)
            assert [(each.attempt, *numbers([each])) for each in again] == [(2, 0), (2, 2)]

    asyncio.run(main())


def test_no_more_than_the_limit_is_held(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            await published(channel, names, *range(20))
            consumer = consumer_of(channel, names, limit=5)
            held = await receive(consumer, 5)
            assert await consumer.receive(5, 0.2) == []
            assert await count(topology.queue_of(names.mailer)) == 15
            await consumer.ack(held[:2])
            assert numbers(await receive(consumer, 2)) == [5, 6]

    asyncio.run(main())


def test_receive_returns_at_once_if_there_is_a_message_and_nothing_after_the_timeout(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            consumer = consumer_of(channel, names)
            assert await consumer.receive(5, 0.2) == []
            waiting = asyncio.create_task(consumer.receive(5, 10))
            await asyncio.sleep(0.05)
            started = time.monotonic()
            await published(channel, names, 3)
            assert numbers(list(await waiting)) == [3]
            assert time.monotonic() - started < 5

    asyncio.run(main())


def test_the_queues_of_a_consumer_exist_without_a_publisher(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            assert await consumer_of(channel, names).receive(1, 0.3) == []
        async with opened() as channel:
            names.subscribers.append(names.billing)
            await channel.send([names.message(4)], 10)
            assert await count(topology.queue_of(names.mailer)) == 1

    asyncio.run(main())


def test_acknowledging_in_any_order_and_twice_is_harmless(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            await published(channel, names, *range(10))
            consumer = consumer_of(channel, names, limit=8)
            held = await receive(consumer, 8)
            for batch in ([4], [1, 0, 5], [0, 1, 4], [7, 2], [3, 2]):
                await consumer.ack([held[number] for number in batch])
            await consumer.retry(held[6], 0)
            assert sorted(numbers(await drain(consumer, 3))) == [6, 8, 9]
            await consumer.close()
            assert numbers(await drain(consumer_of(channel, names), 0)) == []

    asyncio.run(main())


def test_an_acknowledgement_does_not_overtake_what_gives_an_earlier_message_back(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            await published(channel, names, 0, 1)
            consumer = consumer_of(channel, names)
            first, second = await receive(consumer, 2)
            raw = first.token.session.channel.raw
            nack = raw.basic_nack

            async def slow(*arguments: object, **options: object) -> None:
                await asyncio.sleep(0.05)  # as if the buffer for writing was full
                await nack(*arguments, **options)

            raw.basic_nack = slow
            await asyncio.gather(consumer.release([first]), consumer.ack([second]))
            assert numbers(await receive(consumer, 1)) == numbers([first])

    asyncio.run(main())


def test_two_consumers_share_the_messages(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel, opened() as other:
            consumers = [consumer_of(channel, names, 5), consumer_of(other, names, 5)]
            for each in consumers:
                await each.receive(1, 0.1)
            await published(channel, names, *range(10))
            shares = [numbers(await receive(each, 5)) for each in consumers]
            assert sorted(shares[0] + shares[1]) == [*range(10)]

    asyncio.run(main())


def test_a_retried_message_comes_after_its_delay_with_the_next_attempt(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            await published(channel, names, 1)
            consumer = consumer_of(channel, names)
            (first,) = await receive(consumer, 1)
            started = time.monotonic()
            await consumer.retry(first, 0.5)
            (second,) = await receive(consumer, 1)
            assert 0.45 < time.monotonic() - started < 5
            assert (second.attempt, second.message) == (2, first.message)
            await consumer.retry(second, 0)
            (third,) = await receive(consumer, 1)
            assert third.attempt == 3
            await consumer.close()  # without an answer, as after a crash
            (fourth,) = await drain(consumer_of(channel, names), 1)
            assert fourth.attempt == 4

    asyncio.run(main())


def test_a_short_delay_does_not_wait_for_a_long_one(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            await published(channel, names, 1, 2)
            consumer = consumer_of(channel, names)
            long, short = await receive(consumer, 2)
            await consumer.retry(long, 60)
            await consumer.retry(short, 0.3)
            assert numbers(await receive(consumer, 1)) == [2]
            assert await count(topology.retry_queue_of(names.mailer, 60)) == 1

    asyncio.run(main())


def test_a_queue_for_retries_that_has_expired_is_declared_again(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel, bare() as raw:
            await published(channel, names, 1)
            consumer = consumer_of(channel, names)
            (first,) = await receive(consumer, 1)
            await consumer.retry(first, 0.1)
            (second,) = await receive(consumer, 1)
            await raw.queue_delete(topology.retry_queue_of(names.mailer, 0.1))
            await consumer.retry(second, 0.1)
            (third,) = await receive(consumer, 1)
            assert third.attempt == 3

    asyncio.run(main())


def test_released_messages_come_again_before_all_others_in_their_order(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            await published(channel, names, 0, 1, 2, 3, 4)
            consumer = consumer_of(channel, names, limit=3)
            held = await receive(consumer, 3)
            await consumer.ack(held[:1])
            await consumer.release(held[1:])
            again = await drain(consumer, 4)
            assert sorted(numbers(again)) == [1, 2, 3, 4]
            assert numbers(again).index(1) < numbers(again).index(2) < numbers(again).index(4)

    asyncio.run(main())


def test_a_dead_message_is_kept_with_its_reason_until_it_is_acknowledged(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            await published(channel, names, 1)
            consumer = consumer_of(channel, names)
            (received,) = await receive(consumer, 1)
            await consumer.retry(received, 0)
            (received,) = await receive(consumer, 1)
            await consumer.dead(received, "the printer is on fire")
            assert await consumer.receive(1, 0.2) == []
            for _ in range(3):  # looking at it changes nothing
                looking = consumer_of(channel, names, dead=True)
                (letter,) = await receive(looking, 1)
                await looking.close()
            dead = consumer_of(channel, names, dead=True)
            (letter,) = await receive(dead, 1)
            assert (letter.message.id, letter.attempt, numbers([letter])) == (received.message.id, 2, [1])
            assert letter.message.headers["architect-reason"] == "the printer is on fire"
            await dead.ack([letter])
            await dead.close()
            assert await count(topology.dead_queue_of(names.mailer)) == 0

    asyncio.run(main())


def test_a_dead_letter_that_is_retried_begins_anew(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            await published(channel, names, 1)
            consumer = consumer_of(channel, names)
            (received,) = await receive(consumer, 1)
            await consumer.dead(received, "no")
            dead = consumer_of(channel, names, dead=True)
            (letter,) = await receive(dead, 1)
            await dead.retry(letter, 0)
            (received,) = await receive(consumer, 1)
            assert received.attempt == 1
            assert "architect-reason" not in received.message.headers
            await dead.close()
            assert await count(topology.dead_queue_of(names.mailer)) == 0

    asyncio.run(main())


def test_a_message_that_nobody_ever_answers_becomes_a_dead_letter(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topology, "_DELIVERIES", 2)

    async def main() -> None:
        async with opened() as channel:
            await published(channel, names, 1)
            for attempt in (1, 2, 3):
                consumer = consumer_of(channel, names)
                (received,) = await receive(consumer, 1)
                assert received.attempt == attempt
                await consumer.close()
            dead = consumer_of(channel, names, dead=True)
            (letter,) = await receive(dead, 1)
            assert letter.message.id == received.message.id
            assert "no consumer has answered" in letter.message.headers["architect-reason"]

    asyncio.run(main())


@pytest.mark.parametrize("headers", [{}, {"cloudEvents:id": "1"}, {"x-odd": [1, {"a": 2}], "n": None}])
def test_what_is_no_event_becomes_a_dead_letter_and_the_consumer_goes_on(
    names: Names, headers: aio_pika.abc.HeadersType
) -> None:
    async def main() -> None:
        async with opened() as channel, bare() as raw:
            await channel.declare([names.topic])
            exchange = await raw.get_exchange(topology.exchange_of(names.source, "placed"))
            await exchange.publish(aio_pika.Message(b"\xff\x00", headers=headers, message_id="alien"), "")
            await channel.send([names.message(5)], 10)
            consumer = consumer_of(channel, names)
            assert numbers(await drain(consumer, 1)) == [5]
            dead = consumer_of(channel, names, dead=True)
            (letter,) = await receive(dead, 1)
            assert (letter.message.id, letter.message.event, letter.message.body) == ("alien", "unknown", b"\xff\x00")
            assert "is missing" in letter.message.headers["architect-reason"]
            await dead.ack([letter])

    asyncio.run(main())


def test_a_message_that_cannot_be_read_becomes_a_dead_letter_without_harm_to_others(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topology, "_DELIVERIES", 5)

    async def main() -> None:
        corrupting = Proxy(replaced=(b"header", b"\xff\xff\xff\xff\xff\xff"))
        await corrupting.start()
        async with opened() as channel:
            await published(channel, names, 0)
            async with await aio_pika.connect(corrupting.url) as connection:
                exchange = await (await connection.channel()).get_exchange(
                    topology.exchange_of(names.source, "placed"), ensure=False
                )
                await exchange.publish(aio_pika.Message(b"", headers={"header": "x"}), "")
            await published(channel, names, *range(1, 30))
            consumer = consumer_of(channel, names)
            attempts: dict[int, int] = {}
            while len(attempts) < 30 or not await count(topology.dead_queue_of(names.mailer)):
                with suppress(RabbitError):
                    for each in await consumer.receive(10, 0.5):
                        attempts[numbers([each])[0]] = each.attempt
                        await consumer.ack([each])
            assert sorted(attempts) == list(range(30))
            assert max(attempts.values()) <= 3
            with pytest.raises(RabbitError, match="has a message that cannot be read"):
                await receive(consumer_of(channel, names, dead=True), 1)
        await corrupting.close()

    asyncio.run(asyncio.wait_for(main(), 30))


def test_after_a_message_that_cannot_be_read_as_many_as_before_are_taken_at_once(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            await published(channel, names, *range(8))
            consumer = consumer_of(channel, names, limit=3)
            consumer._is_careful = True
            for _ in range(3):
                (received,) = await consumer.receive(3, 10)
                await consumer.ack([received])
            assert sorted(numbers(await receive(consumer, 3))) == [3, 4, 5]
            assert await consumer.receive(3, 0.2) == []

    asyncio.run(main())


def test_events_of_other_producers_are_read_by_both_forms_of_their_headers(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel, bare() as raw:
            await channel.declare([names.topic])
            exchange = await raw.get_exchange(topology.exchange_of(names.source, "placed"))
            headers: aio_pika.abc.HeadersType = {
                "cloudEvents_id": "9",
                "cloudEvents_source": "/elsewhere",
                "cloudEvents_type": "placed",
                "cloudEvents_time": "2026-01-02T03:04:05Z",
                "tenant": 7,
            }
            await exchange.publish(aio_pika.Message(b"[]", headers=headers, content_type="text/json"), "")
            (received,) = await drain(consumer_of(channel, names), 1)
            message = received.message
            assert (message.id, message.source, message.event, message.time.year) == ("9", "/elsewhere", "placed", 2026)
            assert (message.content_type, message.headers) == ("text/json", {"tenant": "7"})

    asyncio.run(main())


def test_consumption_goes_on_after_the_connection_was_cut_and_what_was_held_comes_again(names: Names) -> None:
    async def main() -> None:
        async with proxied() as (proxy, channel):
            await published(channel, names, 0, 1)
            consumer = consumer_of(channel, names)
            (held, _) = await receive(consumer, 2)
            await proxy.cut()
            again = await receive(consumer, 2)
            assert [(each.attempt, *numbers([each])) for each in again] == [(2, 0), (2, 1)]
            for answer in (consumer.ack([held]), consumer.retry(held, 0), consumer.dead(held, "")):
                with pytest.raises(RabbitError, match="will be delivered again"):
                    await answer
            with pytest.raises(RabbitError, match="will be delivered again"):
                await consumer.ack([held, *again])
            assert await count(topology.queue_of(names.mailer)) == 0
            for number in (10, 11, 12):
                await proxy.cut()
                await published(channel, names, number)
                assert number in numbers(await drain(consumer, 1))  # others may come again: acks are not confirmed
            await consumer.close()
            assert await count(topology.queue_of(names.mailer)) == 0
            assert await count(topology.dead_queue_of(names.mailer)) == 0

    asyncio.run(main())


def test_consumption_goes_on_after_the_broker_was_away(names: Names) -> None:
    async def main() -> None:
        async with proxied() as (proxy, channel):
            consumer = consumer_of(channel, names)
            await proxy.stop()
            with pytest.raises(OSError, match="cannot connect to RabbitMQ"):
                await consumer.receive(1, 5)
            await proxy.start()
            await published(channel, names, 0)
            assert numbers(await drain(consumer, 1)) == [0]
            await proxy.stop()
            with pytest.raises(OSError, match="cannot connect to RabbitMQ"):
                await consumer.receive(1, 5)
            await proxy.start()
            await published(channel, names, 1)
            assert numbers(await drain(consumer, 1)) == [1]

    asyncio.run(main())


def test_an_outage_is_not_in_the_log_of_aiormq_too(names: Names, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with proxied() as (proxy, channel):
            consumer = consumer_of(channel, names)
            await consumer.receive(1, 0.1)
            await proxy.stop()
            with pytest.raises(RabbitError, match="cannot connect"):
                await consumer.receive(1, 5)
            await proxy.start()
            assert await consumer.receive(1, 0.5) == []

    asyncio.run(main())
    assert [each.getMessage() for each in caplog.records if each.name.startswith("aiormq.connection")] == []
    assert "consuming" in caplog.text


def test_consumption_uses_one_channel_however_often_the_queue_was_deleted(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel, bare() as raw:
            consumer = consumer_of(channel, names)
            for number in range(3):
                await consumer.receive(1, 0.1)
                await raw.queue_delete(topology.queue_of(names.mailer))
                while consumer._session.value is not None:
                    await asyncio.sleep(0.01)
                await published(channel, names, number)
                assert numbers(await drain(consumer, 1)) == [number]
            connection, _ = await channel._consuming._connection.get()
            assert connection.transport is not None
            assert sum(each is not None for each in connection.transport.connection.channels.values()) == 1

    asyncio.run(main())


def test_consumption_goes_on_after_the_queue_was_deleted(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel, bare() as raw:
            consumer = consumer_of(channel, names)
            assert await consumer.receive(1, 0.2) == []
            waiting = asyncio.create_task(consumer.receive(1, 10))
            await raw.queue_delete(topology.queue_of(names.mailer))
            await asyncio.sleep(0.2)
            await published(channel, names, 5)
            assert numbers(list(await waiting)) == [5]

    asyncio.run(main())


def test_consumption_goes_on_after_rabbitmq_has_closed_the_channel(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            await published(channel, names, 5)
            consumer = consumer_of(channel, names)
            (received,) = await receive(consumer, 1)
            await received.token.session.channel.raw.basic_ack(999)
            (again,) = await receive(consumer, 1)
            assert (again.attempt, numbers([again])) == (2, [5])
            await consumer.ack([again])

    asyncio.run(main())


def test_a_consumer_that_rabbitmq_has_forgotten_is_renewed(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consuming, "_CHECK", 0.1)

    async def main() -> None:
        async with opened() as channel:
            consumer = consumer_of(channel, names)
            assert await consumer.receive(1, 0.3) == []
            session = consumer._session.value
            assert session is not None
            callbacks = session.channel.raw.consumers
            (tag,) = callbacks
            kept = dict(callbacks)
            await session.channel.raw.basic_cancel(tag)
            callbacks.update(kept)
            await published(channel, names, 8)
            assert numbers(await drain(consumer, 1)) == [8]

    asyncio.run(main())


def test_a_frozen_connection_is_given_up_after_missed_heartbeats(names: Names) -> None:
    async def main() -> None:
        async with proxied("?heartbeat=1") as (proxy, channel):
            await published(channel, names, 1)
            consumer = consumer_of(channel, names)
            await receive(consumer, 1)
            proxy.freeze()
            asyncio.get_running_loop().call_later(8, proxy.thaw)
            assert numbers(await receive(consumer, 1, 20)) == [1]

    asyncio.run(main())


@pytest.mark.parametrize("answer", ["retry", "dead"])
def test_a_message_that_could_not_be_moved_is_not_acknowledged(
    names: Names, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    async def main() -> None:
        async with opened() as channel:
            await published(channel, names, 1)
            consumer = consumer_of(channel, names)
            (received,) = await receive(consumer, 1)

            async def fails(self: Publisher, outgoing: list[Outgoing], timeout: float) -> list[OSError]:
                return [RabbitError("no")]

            with monkeypatch.context() as patch:
                patch.setattr(Publisher, "publish", fails)
                with pytest.raises(RabbitError, match="no"):
                    await (consumer.retry(received, 0) if answer == "retry" else consumer.dead(received, "x"))
            await consumer.close()
            assert numbers(await drain(consumer_of(channel, names), 1)) == [1]

    asyncio.run(main())


def test_a_closed_consumer_gives_back_what_it_holds_at_once_and_receives_nothing(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            await published(channel, names, 1, 2)
            consumer = consumer_of(channel, names)
            await receive(consumer, 1)
            waiting = asyncio.create_task(consumer.receive(1, 20))
            await asyncio.sleep(0)
            await consumer.close()
            with pytest.raises(RabbitError, match="is closed"):
                await consumer.receive(1, 5)
            await asyncio.wait([waiting], timeout=5)
            assert waiting.done()
            waiting.exception()
            assert await count(topology.queue_of(names.mailer)) == 2

    asyncio.run(main())


def test_10000_messages_of_200_keys_arrive_once_each_in_the_order_of_each_key(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel, opened() as consuming_:
            await channel.declare([names.topic])
            consumer = consumer_of(consuming_, names, 500)

            async def publish() -> None:
                for first in range(0, 10_000, 200):
                    batch = [names.message(first + each, key=f"key {each}") for each in range(200)]
                    receipts = await channel.send(batch, 20)
                    assert all(receipt.ok for receipt in receipts)

            received, _ = await asyncio.gather(drain(consumer, 10_000, 60), publish())
            assert sorted(numbers(received)) == [*range(10_000)]
            last: dict[str | None, int] = {}
            for each, number in zip(received, numbers(received), strict=True):
                assert number > last.get(each.message.key, -1)
                last[each.message.key] = number

    started = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - started < 60


PROGRAM = """
import asyncio, sys
from architect_core.contract import Topic
from architect_rabbitmq.channel import RabbitChannel

url, source, mailer, output = sys.argv[1:]

async def main():
    channel = RabbitChannel({"url": url}, 1_000_000)
    consumer = channel.consumer(mailer, [Topic("placed", source, ())], 20)
    with open(output, "a") as file:
        while True:
            for each in await consumer.receive(20, 5):
                file.write(f"{each.message.body.decode()}\\n")  # the effect, before the acknowledgement
                file.flush()
                await consumer.ack([each])
                await asyncio.sleep(0.001)

asyncio.run(main())
"""


def test_nothing_is_lost_when_consumers_are_killed_in_the_middle(names: Names, tmp_path: Path) -> None:
    output = tmp_path / "output.txt"
    output.touch()

    def done() -> list[int]:
        return [json.loads(line)["number"] for line in output.read_text().splitlines()]

    async def main() -> None:
        async with opened() as channel:
            await published(channel, names, *range(1000))
            arguments = [sys.executable, "-c", PROGRAM, URL, names.source, names.mailer, str(output)]
            for killed in range(4):
                process = await asyncio.create_subprocess_exec(*arguments, env={**os.environ})
                try:
                    async with asyncio.timeout(60):
                        while len({*done()}) < (1000 if killed == 3 else 200 * (killed + 1)):
                            await asyncio.sleep(0.02)
                finally:
                    process.send_signal(signal.SIGKILL)
                    await process.wait()

    asyncio.run(main())
    assert {*done()} == {*range(1000)}
    assert len(done()) <= 1000 + 3 * 20  # what a killed one held came twice
