"""Events pass through SNS and SQS, and each subscriber gets all of them."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace

import pytest
from sqs_tools import EVENT, SOON, SOURCE, SUBSCRIBER, TOPIC, Cloud, message, received, run, sent

from architect_core.contract import Topic


def test_an_event_arrives_as_it_was_sent(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            event = message(b'{"order": 7}', key="ada", headers={"traceparent": "00-a-b-01", "tracestate": "x=y"})
            await sent(channel, event)
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 10)
            (got,) = await received(consumer, 1)
            assert (got.message, got.attempt) == (event, 1)
            assert got.message.headers == event.headers
            await consumer.ack([got])
            await consumer.close()

    run(check())


@pytest.mark.parametrize("key", [None, "ada"])
def test_each_subscriber_gets_every_event(cloud: Cloud, key: str | None):
    async def check() -> None:
        async with cloud.opened() as channel:
            topic = Topic(EVENT, SOURCE, ("acme/mailer", "acme/billing"))
            await channel.declare([topic])
            events = [message(key=key) for _ in range(12)]
            await sent(channel, *events)
            for subscriber in topic.subscribers:
                consumer = channel.consumer(subscriber, [topic], 20)
                found = set()
                for _ in range(12):
                    (got,) = await received(consumer, 1)
                    found.add(got.message.id)
                    await consumer.ack([got])
                assert found == {each.id for each in events}
                await consumer.close()

    run(check())


def test_a_queue_keeps_events_from_before_the_consumer_runs(cloud: Cloud):
    async def publish() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            await sent(channel, message(b"1"), message(b"2", key="ada"))

    async def consume() -> None:
        async with cloud.opened() as channel:
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 10)
            got = await received(consumer, 2)
            assert {each.message.body for each in got} == {b"1", b"2"}
            await consumer.close()

    run(publish())
    run(consume())


def test_events_with_one_key_arrive_in_the_order_of_publication(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            await sent(channel, *(message(str(n).encode(), key=key) for n in range(8) for key in ("a", "b", "c")))
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 10)
            bodies: dict[str | None, list[int]] = {}
            for _ in range(24):
                (got,) = await received(consumer, 1)
                bodies.setdefault(got.message.key, []).append(int(got.message.body))
                await consumer.ack([got])
            assert bodies == {key: list(range(8)) for key in "abc"}
            await consumer.close()

    run(check())


def test_events_that_are_published_at_the_same_time_share_calls_behind_the_first_one(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            calls = []
            call = channel._aws.call

            async def counted(service, operation, **parameters):
                calls.append(operation)
                return await call(service, operation, **parameters)

            channel._aws.call = counted
            await asyncio.gather(*(channel.send([message()], SOON) for _ in range(101)))
            assert calls == ["publish_batch"] * 11
            calls.clear()
            await channel.send([message() for _ in range(100)], SOON)
            assert calls == ["publish_batch"] * 10

    run(check())


def test_an_event_alone_waits_for_no_others(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            started = time.monotonic()
            await sent(channel, message())
            assert time.monotonic() - started < 1

    run(check())


def test_the_same_event_with_a_key_that_is_sent_twice_arrives_once(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            event = message(key="ada")
            await sent(channel, event)
            await sent(channel, event, message(b"next", key="ada"))
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 10)
            first, second = await received(consumer, 2)
            assert (first.message.id, second.message.body) == (event.id, b"next")
            await consumer.close()

    run(check())


def test_an_event_that_is_too_large_is_refused_for_good_and_the_others_are_not(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            large = message(b"x", headers={"x-large": "y" * 270_000})
            fitting = [message(b"x" * 100_000) for _ in range(5)]  # more than one call takes
            receipts = await channel.send([fitting[0], large, *fitting[1:]], SOON)
            assert [each.ok for each in receipts] == [True, False, True, True, True, True]
            assert receipts[1].permanent
            assert "where SNS takes 260,096 at most" in str(receipts[1].error)

    run(check())


def test_what_exists_is_left_as_it_is(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
        cloud.sqs.set_queue_attributes(QueueUrl=cloud.queue(), Attributes={"VisibilityTimeout": "77"})
        async with cloud.opened() as channel:
            await channel.declare([TOPIC, TOPIC])
        assert cloud.attributes(cloud.queue())["VisibilityTimeout"] == "77"
        subscriptions = cloud.sns.list_subscriptions_by_topic(TopicArn=cloud.topic())["Subscriptions"]
        assert len(subscriptions) == 1

    run(check())


def test_two_processes_may_declare_at_once(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as one, cloud.opened() as other:
            await asyncio.gather(*(channel.declare([TOPIC]) for channel in (one, other) for _ in range(3)))
            await sent(one, message())
            consumer = other.consumer(SUBSCRIBER, [TOPIC], 10)
            await received(consumer, 1)
            assert not await consumer.receive(1, 0.2)
            await consumer.close()

    run(check())


@pytest.mark.parametrize("fifo", [False, True])
def test_a_queue_keeps_messages_for_14_days_and_has_a_dead_letter_queue(cloud: Cloud, fifo: bool):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])

    run(check())
    found, dead = (cloud.attributes(cloud.queue(fifo=fifo, dead=dead)) for dead in (False, True))
    assert found["MessageRetentionPeriod"] == dead["MessageRetentionPeriod"] == "1209600"
    redrive = json.loads(found["RedrivePolicy"])
    assert (redrive["deadLetterTargetArn"], redrive["maxReceiveCount"]) == (dead["QueueArn"], 100)
    (statement,) = json.loads(found["Policy"])["Statement"]
    assert statement["Resource"] == found["QueueArn"]
    assert statement["Condition"]["ArnLike"] == {
        "aws:SourceArn": f"arn:aws:sns:eu-central-1:000000000000:{cloud.prefix}-*"
    }
    assert found.get("FifoQueue", "false") == str(fifo).lower()


def test_a_topic_that_was_deleted_is_created_again_with_its_subscribers(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            cloud.sns.delete_topic(TopicArn=cloud.topic())
            (receipt,) = await channel.send([message()], SOON)
            assert not receipt.permanent
            assert "SNS refused" in str(receipt.error)
            await sent(channel, message())
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 10)
            await received(consumer, 1)
            await consumer.close()

    run(check())


def test_a_subscriber_that_is_added_gets_what_is_sent_from_then_on(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            await sent(channel, message(b"before"))
            await channel.declare([replace(TOPIC, subscribers=("acme/billing",))])
            await sent(channel, message(b"after"))
            consumer = channel.consumer("acme/billing", [TOPIC], 10)
            (got,) = await received(consumer, 1)
            assert got.message.body == b"after"
            await consumer.close()

    run(check())


def test_an_event_that_was_never_declared_is_accepted(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await sent(channel, message())

    run(check())
