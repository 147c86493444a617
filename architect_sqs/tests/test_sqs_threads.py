"""Calls that block run in threads that serve again, and end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from architect_sqs.threads import Threads


@pytest.fixture
def threads() -> Iterator[Threads]:
    made = Threads("architect-sqs-test")
    yield made
    made.close()


def test_calls_one_after_another_run_in_one_thread(threads: Threads) -> None:
    async def main() -> set[int]:
        return {await threads.call(threading.get_ident) for _ in range(50)}

    assert len(asyncio.run(main())) == 1


def test_calls_at_the_same_time_run_in_threads_of_their_own(threads: Threads) -> None:
    barrier = threading.Barrier(5)

    def ident() -> int:
        barrier.wait(10)
        return threading.get_ident()

    async def main() -> list[set[int]]:
        return [set(await asyncio.gather(*(threads.call(ident) for _ in range(5)))) for _ in range(3)]

    first, second, third = asyncio.run(main())
    assert len(first) == 5
    assert first == second == third


def test_an_error_is_that_of_the_call_and_its_thread_serves_again(threads: Threads) -> None:
    def fails() -> None:
        raise ValueError(str(threading.get_ident()))

    async def main() -> tuple[str, int]:
        with pytest.raises(ValueError, match=r"\d+") as caught:
            await threads.call(fails)
        return str(caught.value), await threads.call(threading.get_ident)

    failed, after = asyncio.run(main())
    assert failed == str(after)


def test_the_result_of_a_cancelled_call_is_not_lost(threads: Threads) -> None:
    go_on = threading.Event()

    async def main() -> int:
        orphan: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        call = threads.call(lambda: go_on.wait(10) and 7, orphan.set_result)
        await asyncio.sleep(0)
        call.cancel()
        go_on.set()
        return await asyncio.wait_for(orphan, 10)

    assert asyncio.run(main()) == 7


def test_closing_ends_the_threads_once_their_calls_have_ended() -> None:
    threads, go_on = Threads("architect-sqs-closing"), threading.Event()

    async def main() -> list[threading.Thread]:
        calls = [threads.call(lambda: go_on.wait(10)) for _ in range(3)]
        started = [each for each in threading.enumerate() if each.name == "architect-sqs-closing"]
        threads.close()
        go_on.set()
        assert await asyncio.gather(*calls) == [True] * 3
        return started

    started = asyncio.run(main())
    assert len(started) == 3
    for each in started:
        each.join(10)
        assert not each.is_alive()
