"""What several threads and event loops publish at the same time is sent together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from architect_core.contract import Message, Receipt
from architect_core.exceptions import PluginError
from architect_events.loop import LoopThread
from architect_events.together import Together

THREAD = LoopThread("architect-events-test")


def message(number: int) -> Message:
    return Message(str(number), "placed", "acme/orders", datetime.now(UTC), b"")


class Channel:
    """Refuses odd ids, and remembers how many messages came in each call."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    async def send(self, messages: Sequence[Message], timeout: float) -> Sequence[Receipt]:
        self.calls.append(len(messages))
        await asyncio.sleep(0)
        return [Receipt(ValueError(each.id)) if int(each.id) % 2 else Receipt() for each in messages]


def expected(number: int, receipt: Receipt) -> bool:
    return str(receipt.error) == str(number) if number % 2 else receipt.ok


def test_each_thread_gets_the_receipt_of_its_own_message() -> None:
    channel = Channel()
    together = Together(THREAD, channel.send, 100)
    with ThreadPoolExecutor(20) as threads:
        receipts = list(threads.map(lambda number: together.send(message(number), 5), range(500)))
    assert all(expected(number, receipt) for number, receipt in enumerate(receipts))
    assert sum(channel.calls) == 500


def test_what_one_event_loop_publishes_at_the_same_time_is_sent_in_few_calls_that_are_not_too_large() -> None:
    channel = Channel()
    together = Together(THREAD, channel.send, 30)
    blocked, free = threading.Event(), threading.Event()

    async def main() -> list[Receipt]:
        THREAD.call(lambda: (blocked.set(), free.wait(10)))
        tasks = [asyncio.create_task(together.aio_send(message(number), 5)) for number in range(100)]
        await asyncio.to_thread(blocked.wait, 10)
        await asyncio.sleep(0)
        free.set()
        return await asyncio.gather(*tasks)

    receipts = asyncio.run(main())
    assert all(expected(number, receipt) for number, receipt in enumerate(receipts))
    assert sum(channel.calls) == 100
    assert max(channel.calls) == 30


def test_a_channel_that_raises_or_hangs_or_returns_too_few_receipts_fails_its_messages() -> None:
    async def raises(messages: Sequence[Message], timeout: float) -> Sequence[Receipt]:
        raise ValueError("broken")

    async def hangs(messages: Sequence[Message], timeout: float) -> Sequence[Receipt]:
        await asyncio.sleep(60)
        return []

    async def forgets(messages: Sequence[Message], timeout: float) -> Sequence[Receipt]:
        return []

    found = [Together(THREAD, send, 9).send(message(0), 0.1).error for send in (raises, hangs, forgets)]
    assert [type(error) for error in found] == [ValueError, TimeoutError, PluginError]


def test_the_longest_timeout_is_possible() -> None:
    assert Together(THREAD, Channel().send, 9).send(message(0), threading.TIMEOUT_MAX).ok


def test_a_caller_that_gives_up_disturbs_no_other() -> None:
    finish = asyncio.Event()

    async def waits(messages: Sequence[Message], timeout: float) -> Sequence[Receipt]:
        await finish.wait()
        return [Receipt()] * len(messages)

    together = Together(THREAD, waits, 9)

    async def main() -> Receipt:
        first, second = (asyncio.create_task(together.aio_send(message(number), 10)) for number in (0, 1))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        THREAD.call(finish.set)
        return await second

    assert asyncio.run(main()).ok
