"""Calling handlers: in threads and in an event loop, with time limits, and whatever they raise."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from architect_core.contract import Event, Message, Receipt, Received
from architect_events.consuming.calling import Caller

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

tenant: ContextVar[str] = ContextVar("tenant", default="none")


@dataclass(frozen=True)
class Handler:
    function: Callable[..., Any]
    timeout: float = 10.0


def received(id_: str = "1", attempt: int = 1) -> Received:
    message = Message(
        id_, "placed", "acme/orders", datetime.now(UTC), b'{"order": 7}', key="k", headers={"traceparent": TRACE}
    )
    return Received(message, attempt, None)


def caller(function: Callable[..., Any], timeout: float = 10.0, concurrency: int = 4) -> Caller:
    return Caller({("acme/orders", "placed"): Handler(function, timeout)}, concurrency)


def call(function: Callable[..., Any], timeout: float = 10.0) -> Receipt:
    async def once() -> Receipt:
        (receipt,) = await caller(function, timeout)([received()])
        return receipt

    return asyncio.run(once())


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 20))  # type: ignore[arg-type]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_handler_gets_the_event_with_its_attempt_and_runs_outside_of_the_loop_of_channels(asynchronous: bool) -> None:
    async def scenario() -> None:
        events: list[tuple[Event, str]] = []

        def function(event: Event) -> None:
            events.append((event, threading.current_thread().name))

        async def coroutine(event: Event) -> None:
            await asyncio.sleep(0)
            function(event)

        one = received(attempt=3)
        (receipt,) = await caller(coroutine if asynchronous else function)([one])
        ((event, thread),) = events
        assert receipt.ok
        assert (event.payload, event.attempt, event.key) == ({"order": 7}, 3, "k")
        assert (event.id, event.source, event.headers) == ("1", "acme/orders", {"traceparent": TRACE})
        assert thread == ("architect-handlers" if asynchronous else "architect-handler-1")

    run(scenario)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_context_variables_of_who_consumes_are_seen_by_handlers(asynchronous: bool) -> None:
    seen = []

    def function(event: Event) -> None:
        seen.append(tenant.get())
        tenant.set("changed")

    async def coroutine(event: Event) -> None:
        function(event)

    async def scenario() -> None:
        tenant.set("acme")
        calls = caller(coroutine if asynchronous else function)
        await calls([received()])
        await calls([received()])

    run(scenario)
    assert seen == ["acme", "acme"]


def test_coroutines_run_at_once_in_one_loop() -> None:
    async def scenario() -> None:
        loops = set()
        arrived, both = 0, asyncio.Event()

        async def coroutine(event: Event) -> None:
            nonlocal arrived
            loops.add(asyncio.get_running_loop())
            arrived += 1
            if arrived == 2:
                both.set()
            await both.wait()

        calls = caller(coroutine)
        await asyncio.gather(calls([received()]), calls([received()]))
        assert len(loops) == 1
        assert loops != {asyncio.get_running_loop()}

    run(scenario)


@pytest.mark.parametrize(
    "problem", [RuntimeError("secret"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()]
)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_whatever_a_handler_raises_is_a_failure_whose_reason_has_nothing_of_the_event(
    asynchronous: bool, problem: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def function(event: Event) -> None:
        raise problem

    async def coroutine(event: Event) -> None:
        raise problem

    with caplog.at_level(logging.ERROR, "architect.events"):
        receipt = call(coroutine if asynchronous else function)
    assert not receipt.ok
    assert not receipt.permanent
    assert "secret" not in str(receipt.error)
    assert type(problem).__name__ in str(receipt.error)
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[1] is problem
    assert TRACE in record.getMessage()
    assert "order" not in record.getMessage().replace("acme/orders", "")


def test_after_a_handler_that_wanted_to_exit_others_are_called() -> None:
    async def scenario() -> None:
        called = []

        async def coroutine(event: Event) -> None:
            called.append(event.id)
            if event.id == "1":
                raise SystemExit

        calls = caller(coroutine)
        (first,) = await calls([received("1")])
        (second,) = await calls([received("2")])
        assert (first.ok, second.ok, called) == (False, True, ["1", "2"])

    run(scenario)


def test_a_coroutine_is_cancelled_at_its_time_limit() -> None:
    ended = threading.Event()

    async def coroutine(event: Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    receipt = call(coroutine, timeout=0.05)
    assert "took longer than 0.05 seconds" in str(receipt.error)
    assert ended.wait(5)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_handler_that_hangs_has_failed_and_is_counted_as_running_until_it_ends(
    asynchronous: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        gate, running = threading.Event(), []

        def function(event: Event) -> None:
            running.append(event.id)
            gate.wait()

        async def coroutine(event: Event) -> None:
            function(event)  # it blocks its loop

        calls = caller(coroutine if asynchronous else function, timeout=0.05, concurrency=1)
        (receipt,) = await calls([received("1")])
        assert "took longer" in str(receipt.error)
        second = asyncio.create_task(calls([received("2")]))
        await asyncio.sleep(0.1)
        assert running == ["1"]
        assert "waits for handlers that go on after their time limit" in caplog.text
        gate.set()
        await second
        assert running == ["1", "2"]

    run(scenario)


def test_coroutines_behind_one_that_blocked_their_loop_leave_their_places() -> None:
    async def scenario() -> None:
        gate = threading.Event()

        async def coroutine(event: Event) -> None:
            if event.id == "1":
                gate.wait()

        calls = caller(coroutine, timeout=0.05, concurrency=2)
        receipts = await asyncio.gather(calls([received("1")]), calls([received("2")]))
        assert [one.ok for (one,) in receipts] == [False, False]
        gate.set()
        for _ in range(4):
            (receipt,) = await calls([received("3")])
            assert receipt.ok

    run(scenario)


def test_threads_are_used_again_and_are_never_more_than_the_concurrency() -> None:
    async def scenario() -> None:
        names = set()

        def function(event: Event) -> None:
            names.add(threading.current_thread().name)
            time.sleep(0.001)

        calls = caller(function, concurrency=3)
        await asyncio.gather(*(calls([received()]) for _ in range(30)))
        assert names <= {"architect-handler-1", "architect-handler-2", "architect-handler-3"}

    run(scenario)


def test_if_no_thread_can_be_started_the_event_has_failed_and_later_ones_are_handled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def scenario() -> None:
        handled: list[str] = []
        calls = caller(lambda event: handled.append(event.id), concurrency=1)
        with monkeypatch.context() as exhausted:
            exhausted.setattr(threading.Thread, "start", start)
            (receipt,) = await calls([received("1")])
        assert "no thread can be started" in str(receipt.error)
        (receipt,) = await calls([received("2")])
        assert receipt.ok
        assert handled == ["2"]

    run(scenario)


def test_an_event_without_a_handler_has_failed_and_is_not_lost() -> None:
    async def scenario() -> None:
        (receipt,) = await Caller({}, 1)([received()])
        assert not receipt.ok
        assert not receipt.permanent
        assert "no handler" in str(receipt.error)

    run(scenario)


def test_a_function_that_returns_a_coroutine_has_not_handled_the_event() -> None:
    async def inner() -> None:
        pass

    def function(event: Event) -> Awaitable[None]:
        return inner()

    assert "TypeError" in str(call(function).error)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_fork_in_a_handler_that_returns_in_the_child_ends_the_child_only(asynchronous: bool) -> None:
    children = []

    def function(event: Event) -> None:
        child = os.fork()
        if child:
            children.append(child)

    async def coroutine(event: Event) -> None:
        function(event)

    receipt = call(coroutine if asynchronous else function)
    assert receipt.ok
    _, status = os.waitpid(children[0], 0)
    assert os.waitstatus_to_exitcode(status) == 0
