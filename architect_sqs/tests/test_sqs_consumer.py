"""A message is delivered until it is acknowledged or dead, and to one consumer at a time."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqs_tools import SOON, SUBSCRIBER, TOPIC, Cloud, message, received, run, sent, until_it_fails

from architect_sqs import queue, topology

KEYS = pytest.mark.parametrize("key", [None, "ada"])


@pytest.fixture
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "LEASE", 1)
    monkeypatch.setattr("architect_sqs.consumer.LEASE", 1)


@KEYS
def test_what_is_acknowledged_is_gone_and_what_is_not_comes_again_after_its_lease(cloud: Cloud, key, short_lease):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            await sent(channel, *(message(str(number).encode(), key=key) for number in range(3)))
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 10)
            got = await received(consumer, 3)
            await consumer.ack(got[:2])
            (again,) = await received(consumer, 1)
            assert (again.message, again.attempt) == (got[2].message, 2)
            await consumer.ack([again])
            await consumer.close()

    run(check())


@KEYS
def test_a_retried_message_comes_again_after_its_delay(cloud: Cloud, key):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            await sent(channel, message(key=key))
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 10)
            for attempt, delay in ((1, 0.0), (2, 1.0)):
                (got,) = await received(consumer, 1)
                assert got.attempt == attempt
                started = time.monotonic()
                await consumer.retry(got, delay)
            (got,) = await received(consumer, 1)
            assert got.attempt == 3
            assert time.monotonic() - started >= 1.0
            await consumer.close()

    run(check())


def test_a_retry_may_be_delayed_by_the_longest_that_the_capabilities_state(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            await sent(channel, message())
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 10)
            (got,) = await received(consumer, 1)
            asked = []
            call = channel._aws.call

            async def seen(service, operation, **parameters):
                asked.append(parameters)
                return await call(service, operation, **parameters)

            channel._aws.call = seen
            await consumer.retry(got, queue.MAX_DELAY)
            (seconds,) = (each["VisibilityTimeout"] for each in asked[0]["Entries"])
            assert queue.MAX_DELAY - 10 <= seconds < queue.MAX_DELAY  # AWS counts from the message's arrival
            await consumer.close()

    run(check())


def test_messages_wait_for_one_with_the_same_key_that_is_retried(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            events = [message(str(number).encode(), key="ada") for number in range(3)]
            await sent(channel, *events, message(b"other", key="bob"))
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 10)
            got = await received(consumer, 4)
            await consumer.ack([each for each in got if each.message.key == "bob"])
            first, second, third = (each for each in got if each.message.key == "ada")
            await consumer.retry(first, 1.0)
            await consumer.release([second, third])
            bodies = []
            while len(bodies) < 3:
                some = await received(consumer, 1)
                bodies += [each.message.body for each in some]
                await consumer.ack(some)
            assert bodies == [b"0", b"1", b"2"]
            await consumer.close()

    run(check())


def test_an_extended_lease_keeps_messages_from_other_consumers(cloud: Cloud, short_lease):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            await sent(channel, *(message() for _ in range(12)))
            one, other = (channel.consumer(SUBSCRIBER, [TOPIC], 20) for _ in range(2))
            got = await received(one, 12)
            for _ in range(4):
                await one.extend(got)
                assert not await other.receive(20, 0.5)
            await one.ack(got)
            assert not await other.receive(20, 1.2)
            await one.close()
            await other.close()

    run(check())


def test_what_a_consumer_has_not_returned_yet_is_extended_with_what_it_holds(cloud: Cloud, short_lease):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            await sent(channel, message(b"1"), message(b"2", key="ada"))
            one, other = (channel.consumer(SUBSCRIBER, [TOPIC], 10) for _ in range(2))
            first = await received(one, 1, limit=1)
            while not one._found:
                await asyncio.sleep(0.01)
                await one._poll(1, 0.1)
            for _ in range(3):
                await one.extend(first)
                assert not await other.receive(10, 0.5)
            (second,) = await received(one, 1)
            assert {first[0].message.body, second.message.body} == {b"1", b"2"}
            await one.close()
            await other.close()

    run(check())


@KEYS
def test_a_consumer_that_ends_gives_back_what_it_holds(cloud: Cloud, key):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            await sent(channel, *(message(str(number).encode(), key=key) for number in range(3)))
            one, other = (channel.consumer(SUBSCRIBER, [TOPIC], 10) for _ in range(2))
            held = await received(one, 3)
            await one.ack(held[:1])
            started = time.monotonic()
            await one.close()
            got = await received(other, 2)
            assert {each.message.body for each in got} == {each.message.body for each in held[1:]}
            assert time.monotonic() - started < topology.LEASE / 4
            await other.close()

    run(check())


def test_closing_does_not_wait_for_a_long_poll_whose_messages_are_given_back(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            one, other = (channel.consumer(SUBSCRIBER, [TOPIC], 10) for _ in range(2))
            waiting = asyncio.create_task(one.receive(10, 20.0))
            while len(one._polls) < 2:
                await asyncio.sleep(0.01)
            waiting.cancel()
            started = time.monotonic()
            await one.close()
            assert time.monotonic() - started < 1
            await sent(channel, message())  # the poll of the first one takes it
            (got,) = await received(other, 1)
            assert time.monotonic() - started < topology.LEASE / 4
            assert got.attempt <= 2
            await other.close()

    run(check())


def test_a_process_that_ends_does_not_wait_for_a_long_poll(cloud: Cloud):
    program = f"""
import asyncio
from sqs_tools import SUBSCRIBER, TOPIC, Cloud
async def check():
    channel = Cloud({cloud.endpoint!r}, {cloud.prefix!r}).channel()
    consumer = channel.consumer(SUBSCRIBER, [TOPIC], 10)
    try:
        async with asyncio.timeout(1):
            await consumer.receive(10, 20.0)
    except TimeoutError:
        print(len(consumer._polls), "polls")
asyncio.run(check())
"""
    started = time.monotonic()
    folder = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("2 polls\n", "")
    assert time.monotonic() - started < 10


@KEYS
def test_a_dead_message_is_a_dead_letter_with_the_reason(cloud: Cloud, key):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            event = message(b"\x00\xff", key=key, headers={"x-one": "1"})
            await sent(channel, event)
            consumer, letters = (channel.consumer(SUBSCRIBER, [TOPIC], 10, dead=dead) for dead in (False, True))
            (got,) = await received(consumer, 1)
            await consumer.dead(got, "no such\norder")
            assert not await consumer.receive(1, 0.3)
            (letter,) = await received(letters, 1)
            assert letter.message.id == event.id
            assert (letter.message.body, letter.message.key) == (event.body, key)
            assert letter.message.headers == {"x-one": "1", "architect-reason": "no such order"}
            await letters.dead(letter, "it stays one")
            (letter,) = await received(letters, 1)
            assert letter.message.headers["architect-reason"] == "no such order"
            await letters.ack([letter])
            assert not await letters.receive(1, 0.3)
            await consumer.close()
            await letters.close()

    run(check())


@KEYS
def test_a_dead_letter_that_is_retried_is_delivered_again_every_time(cloud: Cloud, key):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            event = message(key=key)
            await sent(channel, event)
            consumer, letters = (channel.consumer(SUBSCRIBER, [TOPIC], 10, dead=dead) for dead in (False, True))
            for _ in range(3):
                (got,) = await received(consumer, 1)
                assert (got.message, got.attempt, got.message.headers) == (event, 1, {})
                await consumer.dead(got, "again")
                (letter,) = await received(letters, 1)
                await letters.retry(letter, 0.0)
            await received(consumer, 1)
            await consumer.close()
            await letters.close()

    run(check())


def test_all_dead_letters_of_one_key_can_be_looked_at(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            await sent(channel, *(message(key="ada") for _ in range(12)))
            consumer, letters = (channel.consumer(SUBSCRIBER, [TOPIC], 20, dead=dead) for dead in (False, True))
            for _ in range(12):
                (got,) = await received(consumer, 1)
                await consumer.dead(got, "wrong")
            assert len(await received(letters, 12)) == 12
            await consumer.close()
            await letters.close()

    run(check())


def test_a_message_that_sqs_gave_up_itself_is_a_dead_letter_too(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            await sent(channel, message(b"again and again"))
            for _ in range(100):
                cloud.sqs.receive_message(QueueUrl=cloud.queue(), VisibilityTimeout=0)
            consumer, letters = (channel.consumer(SUBSCRIBER, [TOPIC], 10, dead=dead) for dead in (False, True))
            assert not await consumer.receive(1, 0.3)
            (letter,) = await received(letters, 1)
            assert letter.message.body == b"again and again"
            await letters.retry(letter, 0.0)
            (got,) = await received(consumer, 1)
            assert got.attempt == 1
            await consumer.close()
            await letters.close()

    run(check())


@pytest.mark.parametrize("fifo", [False, True])
def test_what_is_no_event_becomes_a_dead_letter_and_stops_nobody(cloud: Cloud, fifo: bool, caplog):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            order = {"MessageGroupId": "ada", "MessageDeduplicationId": "1"} if fifo else {}
            cloud.sqs.send_message(QueueUrl=cloud.queue(fifo=fifo), MessageBody="canary", **order)
            await sent(channel, message(key="ada" if fifo else None))
            consumer, letters = (channel.consumer(SUBSCRIBER, [TOPIC], 10, dead=dead) for dead in (False, True))
            await received(consumer, 1)
            (letter,) = await received(letters, 1)
            assert (letter.message.event, letter.message.body) == ("unknown", b"canary")
            assert "this is no event" in letter.message.headers["architect-reason"]
            await letters.ack([letter])
            await consumer.close()
            await letters.close()

    run(check())
    assert "is no event, and becomes a dead letter" in caplog.text
    assert "canary" not in caplog.text


def test_acknowledging_after_the_lease_is_logged_and_no_error(cloud: Cloud, short_lease, caplog):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            await sent(channel, message())
            one, other = (channel.consumer(SUBSCRIBER, [TOPIC], 10) for _ in range(2))
            got = await received(one, 1)
            again = await received(other, 1)
            await one.ack(got)
            await other.ack(again)
            await one.close()
            await other.close()

    run(check())
    assert "the lease of a message has ended before its handler" in caplog.text


def test_what_could_not_be_acknowledged_leaves_room_for_others_after_its_lease(cloud: Cloud, short_lease):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            first = message()
            await sent(channel, first)
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 1)
            for _ in range(2):
                (again,) = await received(consumer, 1)
                assert again.message.id == first.id
            await consumer.close()

    run(check())


def test_without_a_dead_letter_queue_what_is_no_event_keeps_no_others_back_and_the_queue_is_created(
    cloud: Cloud, caplog
):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 10)
            assert not await consumer.receive(1, 0.1)
            cloud.sqs.delete_queue(QueueUrl=cloud.queue(dead=True))
            cloud.sqs.send_message(QueueUrl=cloud.queue(), MessageBody="canary")
            await sent(channel, message())
            await consumer.ack(await received(consumer, 1))
            assert not await consumer.receive(1, 0.1)
            assert cloud.queue(dead=True)
            await consumer.close()

    run(check())
    assert "it could not become one" in caplog.text


def test_a_queue_that_was_deleted_is_created_again(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 10)
            assert not await consumer.receive(1, 0.1)
            cloud.sqs.delete_queue(QueueUrl=cloud.queue())
            with pytest.raises(OSError, match="SQS refused ReceiveMessage"):
                await until_it_fails(consumer)
            assert not await consumer.receive(1, 0.1)
            await sent(channel, message())
            await received(consumer, 1)
            await consumer.close()

    run(check())


def test_acknowledgements_at_the_same_time_share_calls(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            await sent(channel, *(message() for _ in range(20)))
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 20)
            got = await received(consumer, 20)
            calls = []
            call = channel._aws.call

            async def counted(service, operation, **parameters):
                calls.append(operation)
                return await call(service, operation, **parameters)

            channel._aws.call = counted
            await asyncio.gather(*(consumer.ack([each]) for each in got))
            assert calls == ["delete_message_batch"] * 2
            assert cloud.attributes(cloud.queue())["ApproximateNumberOfMessagesNotVisible"] == "0"
            await consumer.close()

    run(check())


def test_a_consumer_holds_no_more_than_it_was_told_to(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            await sent(channel, *(message() for _ in range(3)))
            one, other = (channel.consumer(SUBSCRIBER, [TOPIC], limit) for limit in (1, 10))
            assert len(await one.receive(10, SOON)) == 1
            assert len(await received(other, 2)) == 2
            await one.close()
            await other.close()

    run(check())
