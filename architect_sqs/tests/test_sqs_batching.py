"""What is sent at the same time is sent together, and what has the same key one after another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from sqs_tools import run

from architect_sqs.batching import Batcher


class Calls:
    """Records batches; each ends when `let` is called."""

    def __init__(self, **options: int) -> None:
        self.batches: list[list[str]] = []
        self.failing: set[str] = set()
        self._gates: list[asyncio.Event] = []
        self.batcher: Batcher[str, str] = Batcher(self._call, lambda result: result.startswith("failed"), **options)

    async def _call(self, items: Sequence[str]) -> list[str]:
        self.batches.append(list(items))
        gate = asyncio.Event()
        self._gates.append(gate)
        await gate.wait()
        return [f"failed {each}" if each in self.failing else f"sent {each}" for each in items]

    def put(self, item: str, size: int = 0, key: str | None = None) -> asyncio.Task[str]:
        return asyncio.create_task(self.batcher.put(item, size, key))

    async def let(self, number: int) -> None:
        self._gates[number].set()
        await all_begun()


async def all_begun() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_the_first_is_sent_at_once_and_the_others_in_full_batches_meanwhile():
    async def check() -> None:
        calls = Calls()
        first = calls.put("first")
        await all_begun()
        others = [calls.put(str(number)) for number in range(14)]
        await all_begun()
        assert calls.batches == [["first"], [str(number) for number in range(10)]]
        await calls.let(0)
        await calls.let(1)
        assert calls.batches[2] == ["10", "11", "12", "13"]
        await calls.let(2)
        assert await first == "sent first"
        assert await asyncio.gather(*others) == [f"sent {number}" for number in range(14)]

    run(check())


def test_no_more_calls_than_allowed_are_made_at_once():
    async def check() -> None:
        calls = Calls(parallel=2)
        tasks = [calls.put(str(number)) for number in range(40)]
        await all_begun()
        assert len(calls.batches) == 2
        for number in range(4):
            await calls.let(number)
        assert len(await asyncio.gather(*tasks)) == 40

    run(check())


def test_a_batch_has_no_more_bytes_than_allowed():
    async def check() -> None:
        calls = Calls(max_bytes=100)
        tasks = [calls.put(str(number), size=size) for number, size in enumerate([60, 40, 1, 500, 99])]
        await all_begun()
        for number in range(4):
            await calls.let(number)
        assert calls.batches == [["0", "1"], ["2"], ["3"], ["4"]]
        await asyncio.gather(*tasks)

    run(check())


def test_items_with_the_same_key_are_sent_one_after_another():
    async def check() -> None:
        calls = Calls()
        tasks = [calls.put(item, key=item[0]) for item in ("a1", "a2", "b1", "a3", "b2")]
        await all_begun()
        assert calls.batches == [["a1", "b1"]]
        await calls.let(0)
        assert calls.batches[1:] == [["a2", "b2"]]
        await calls.let(1)
        await calls.let(2)
        assert calls.batches[2:] == [["a3"]]
        await asyncio.gather(*tasks)

    run(check())


def test_what_follows_a_failed_item_with_the_same_key_fails_too():
    async def check() -> None:
        calls = Calls()
        calls.failing = {"a1"}
        tasks = [calls.put(item, key=item[0]) for item in ("a1", "a2", "b1", "b2")]
        await all_begun()
        await calls.let(0)
        await calls.let(1)
        assert await asyncio.gather(*tasks) == ["failed a1", "failed a1", "sent b1", "sent b2"]
        assert calls.batches == [["a1", "b1"], ["b2"]]

    run(check())


def test_an_item_that_nobody_waits_for_any_more_is_not_sent():
    async def check() -> None:
        calls = Calls()
        first = calls.put("first")
        await all_begun()
        given_up, other = calls.put("given up"), calls.put("other")
        await all_begun()
        given_up.cancel()
        await calls.let(0)
        await calls.let(1)
        assert calls.batches == [["first"], ["other"]]
        assert await asyncio.gather(first, other) == ["sent first", "sent other"]

    run(check())


def test_an_item_that_is_given_up_during_its_call_holds_back_its_key_until_the_end():
    async def check() -> None:
        calls = Calls()
        given_up = calls.put("a1", key="a")
        await all_begun()
        given_up.cancel()
        other = calls.put("a2", key="a")
        await all_begun()
        assert calls.batches == [["a1"]]
        await calls.let(0)
        await calls.let(1)
        assert await other == "sent a2"

    run(check())


def test_an_error_is_raised_to_all_that_wait():
    async def fail(items: Sequence[str]) -> list[str]:
        raise LookupError("a bug")

    async def check() -> None:
        batcher: Batcher[str, str] = Batcher(fail, lambda _: False)
        results = await asyncio.gather(*(batcher.put("x", key="k") for _ in range(3)), return_exceptions=True)
        assert [type(each) for each in results] == [LookupError] * 3
        with pytest.raises(LookupError):
            await batcher.put("x", key="k")

    run(check())
