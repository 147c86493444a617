"""What a relay does with the receipts of a broker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from architect_core.contract import Capabilities, Channel, Message, Receipt, Received, Topic
from architect_events.consuming.repeating import Outage
from architect_events.consuming.sinks import BrokerSink, UrlSink

AWAY = Receipt(ConnectionRefusedError("refused"))
REFUSED = Receipt(ValueError("no queue"))
TOPICS = [Topic("placed", "acme/orders", ("acme/mailer",))]


class Broker(Channel):
    """Answers as `answer` says, and records what is sent and declared."""

    def __init__(self, answer: Callable[[Message], Receipt]) -> None:
        self.answer = answer
        self.sent: list[list[str]] = []
        self.declared = 0
        self.problems: list[Exception] = []

    async def send(self, messages: Sequence[Message], timeout: float) -> Sequence[Receipt]:
        self.sent.append([each.id for each in messages])
        return [self.answer(each) for each in messages]

    async def declare(self, topics: Sequence[Topic]) -> None:
        assert topics == TOPICS
        if self.problems:
            raise self.problems.pop()
        self.declared += 1


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("architect_events.consuming.repeating._LONGEST", 0.001)


def batch(count: int, size: int = 1) -> list[Received]:
    now = datetime.now(UTC)
    return [
        Received(Message(str(number), "placed", "acme/orders", now, b"x" * size), 1, None) for number in range(count)
    ]


def sink(broker: Broker, capabilities: Capabilities | None = None) -> BrokerSink:
    return BrokerSink(broker, TOPICS, capabilities or Capabilities(), 5.0, Outage("the broker"))


def test_topics_are_declared_before_the_first_batch_only() -> None:
    broker = Broker(lambda _: Receipt())

    async def scenario() -> None:
        send = sink(broker)
        for _ in range(2):
            assert all(receipt.ok for receipt in await send(batch(3)))

    asyncio.run(scenario())
    assert broker.declared == 1
    assert broker.sent == [["0", "1", "2"]] * 2


def test_while_the_broker_is_away_the_batch_is_kept_and_no_attempt_fails(caplog: pytest.LogCaptureFixture) -> None:
    outage = 20
    broker = Broker(lambda _: AWAY if len(broker.sent) < outage else Receipt())
    broker.problems = [OSError("cannot connect")]
    with caplog.at_level(logging.INFO, "architect.events"):
        receipts = asyncio.run(sink(broker)(batch(2)))
    assert [receipt.ok for receipt in receipts] == [True, True]
    assert len(broker.sent) == outage
    assert broker.declared > 1
    assert [record.getMessage() for record in caplog.records] == [
        "the broker cannot be reached, and is tried again: cannot connect",
        "the broker can be reached again",
    ]


def test_what_is_lost_on_the_way_fails_once_the_broker_accepts_others() -> None:
    broker = Broker(lambda message: AWAY if message.id == "1" else Receipt())
    receipts = asyncio.run(sink(broker)(batch(3)))
    assert [receipt.ok for receipt in receipts] == [True, False, True]
    assert len(broker.sent) == 1


def test_a_batch_that_alone_fails_is_given_up_once_another_one_succeeds() -> None:
    broker = Broker(lambda message: AWAY if message.id == "0" else Receipt())

    async def scenario() -> None:
        send = sink(broker)
        alone = asyncio.create_task(send(batch(1)))
        while len(broker.sent) < 3:
            await asyncio.sleep(0)
            await asyncio.sleep(0.001)
        (receipt,) = await send(batch(2)[1:])
        assert receipt.ok
        (receipt,) = await alone
        assert not receipt.ok

    asyncio.run(asyncio.wait_for(scenario(), 10))


def test_a_refusal_is_a_failure_at_once() -> None:
    broker = Broker(lambda _: REFUSED)
    assert asyncio.run(sink(broker)(batch(1))) == [REFUSED]


def test_a_body_above_the_brokers_limit_is_never_sent_and_never_tried_again() -> None:
    broker = Broker(lambda _: Receipt())
    send = sink(broker, Capabilities(max_bytes=10))
    small, large = asyncio.run(send([*batch(1), *batch(1, size=11)]))
    assert small.ok
    assert large.permanent
    assert "11 bytes" in str(large.error)
    assert broker.sent == [["0"]]


def test_an_event_whose_subscription_is_gone_is_tried_again_later() -> None:
    broker = Broker(lambda _: Receipt())
    (receipt,) = asyncio.run(UrlSink(broker, {}, 5.0)(batch(1)))
    assert not receipt.ok
    assert not receipt.permanent
    assert broker.sent == []
