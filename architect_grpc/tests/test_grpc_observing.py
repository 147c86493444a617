"""An observer is notified of how each call of a gRPC client ended."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from dataclasses import replace
from typing import ClassVar

import grpc
import pytest
from test_grpc_calls import PAYMENTS

from architect_core.contract import ClientObserver, Target
from architect_grpc.observing import ObservedCall
from architect_grpc.plugin import GrpcClientFactory
from architect_grpc.settings import GrpcOptions


class Recorder(ClientObserver):
    def __init__(self):
        self.outcomes = []

    def ended(self, outcome):
        self.outcomes.append(outcome)

    def errors(self, count=1):
        """The errors of the calls that have ended, once there are `count`."""
        ends = time.monotonic() + 5
        while len(self.outcomes) < count and time.monotonic() < ends:
            time.sleep(0.01)
        return [each.error for each in self.outcomes]


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def resolver(project, serve):
    """Resolves the service "payments", which fails for an amount below 0, and waits for one of 1000."""
    project.install("payments", {"service.proto": PAYMENTS})
    serving = project.resolver("payments")
    defs = serving.current_service().defs
    waiting = threading.Event()

    class Payments(serving.current_service().Servicer):
        def Pay(self, request, context):
            if request.amount < 0:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "too little")
            return defs.PayResponse(output=request.amount * 2)

        def Count(self, request, context):
            for number in range(request.amount):
                yield defs.PayResponse(output=number)
                if request.amount == 1000:
                    waiting.wait(5)

        def Sum(self, request_iterator, context):
            return defs.PayResponse(output=sum(request.amount for request in request_iterator))

        def Double(self, request_iterator, context):
            for request in request_iterator:
                if request.amount < 0:
                    context.abort(grpc.StatusCode.INVALID_ARGUMENT, "too little")
                yield defs.PayResponse(output=request.amount * 2)

    resolver = project.resolver(payments=serve(serving, Payments()))
    yield resolver
    waiting.set()
    resolver.close()


@pytest.fixture
def target(resolver, project, recorder):
    config = resolver.service("payments").config
    return Target("payments", config, GrpcOptions(), "the test", lambda: project.root, recorder)


@pytest.fixture
def client(target):
    client = GrpcClientFactory().client(target)
    yield client
    client.close()


@pytest.fixture
def ask(resolver):
    return resolver.service("payments").defs.PayRequest


CALLS = {
    "Pay": lambda client, ask, amount: client.Pay(ask(amount=amount)).output,
    "Pay.with_call": lambda client, ask, amount: client.Pay.with_call(ask(amount=amount))[0].output,
    "Pay.future": lambda client, ask, amount: client.Pay.future(ask(amount=amount)).result(5).output,
    "Sum": lambda client, ask, amount: client.Sum(iter([ask(amount=amount), ask(amount=amount)])).output,
    "Sum.future": lambda client, ask, amount: client.Sum.future(iter([ask(amount=2 * amount)])).result(5).output,
    "Double": lambda client, ask, amount: [each.output for each in client.Double(iter([ask(amount=amount)]))].pop(),
}


@pytest.mark.parametrize("kind", CALLS)
def test_a_successful_call_has_no_error(client, ask, recorder, kind):
    assert CALLS[kind](client, ask, 3) == 6
    assert recorder.errors() == [None]
    assert 0 < recorder.outcomes[0].seconds < 5
    assert (recorder.outcomes[0].attempts, recorder.outcomes[0].instance) == (None, None)


@pytest.mark.parametrize("kind", [kind for kind in CALLS if not kind.startswith("Sum")])
def test_a_failed_call_has_its_status_as_the_error(client, ask, recorder, kind):
    with pytest.raises(grpc.RpcError) as caught:
        CALLS[kind](client, ask, -1)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert recorder.errors() == ["INVALID_ARGUMENT"]


def test_a_response_stream_is_observed_when_it_has_ended(client, ask, recorder):
    assert [each.output for each in client.Count(ask(amount=3))] == [0, 1, 2]
    assert recorder.errors() == [None]


def test_a_cancelled_response_stream_has_the_error_cancelled(client, ask, recorder):
    answer = client.Count(ask(amount=1000))
    assert next(answer).output == 0
    assert recorder.outcomes == []
    answer.cancel()
    assert recorder.errors() == ["CANCELLED"]


def test_a_response_stream_without_a_reference_is_cancelled_as_if_it_were_not_observed(client, ask, recorder):
    next(client.Count(ask(amount=1000)))
    gc.collect()
    assert recorder.errors() == ["CANCELLED"]


def test_a_call_on_a_closed_channel_has_its_exception_as_the_error(client, ask, recorder):
    pay = client.Pay
    client.close()
    for call in (pay, pay.future):
        with pytest.raises(ValueError, match=r"(?i)channel"):
            call(ask(amount=1))
    assert recorder.errors(2) == ["ValueError", "ValueError"]


def test_a_call_past_its_deadline_has_grpc_s_name_of_it_as_the_error(client, ask, recorder):
    with pytest.raises(grpc.RpcError):
        client.Pay(ask(amount=1), timeout=-1)
    assert recorder.errors() == ["DEADLINE_EXCEEDED"]


def test_a_response_stream_that_an_instrumentation_made_a_generator_is_observed_when_it_ends(recorder):
    def count():
        return ObservedCall(recorder, "/shop.Example/Count").watch(part for part in (1, 2))

    assert list(count()) == [1, 2]
    parts = count()
    next(parts)
    parts.close()
    assert recorder.errors(2) == [None, "CANCELLED"]


def test_the_channel_is_grpc_s_own(client):
    assert type(client.channel) is grpc._channel.Channel


class Begun:
    headers: ClassVar = {"x-trace": "t1"}

    def __init__(self, outcomes, rpc):
        self.outcomes = outcomes
        self.rpc = rpc

    def ended(self, outcome):
        self.outcomes.append(replace(outcome, instance=self.rpc))


def test_the_headers_of_a_begun_call_are_sent_and_it_is_notified_of_the_end(client, ask, recorder):
    recorder.begin = lambda rpc: Begun(recorder.outcomes, rpc)
    answer, call = client.Pay.with_call(ask(amount=1), metadata=[("x-mine", "m")])
    assert answer.output == 2
    assert call.code() is grpc.StatusCode.OK
    assert [each.instance for each in recorder.outcomes] == ["/shop.Example/Pay"]


@pytest.fixture
def in_loop(target):
    """Runs a coroutine function with a client of its event loop, which runs on until calls have ended."""

    def run(use):
        async def begin():
            factory = GrpcClientFactory()
            client = factory.aio_client(target)
            try:
                return await use(client)
            finally:
                await asyncio.sleep(0.05)
                await factory.aio_close(client)

        return asyncio.run(begin())

    return run


async def read(answer):
    return [each.output async for each in answer].pop()


async def one(call):
    return (await call).output


AIO_CALLS = {
    "Pay": lambda client, ask, amount: one(client.Pay(ask(amount=amount))),
    "Sum": lambda client, ask, amount: one(client.Sum(iter([ask(amount=amount), ask(amount=amount)]))),
    "Double": lambda client, ask, amount: read(client.Double(iter([ask(amount=amount)]))),
}


@pytest.mark.parametrize("kind", AIO_CALLS)
def test_an_awaited_call_is_observed(in_loop, ask, recorder, kind):
    assert in_loop(lambda client: AIO_CALLS[kind](client, ask, 3)) == 6
    assert recorder.errors() == [None]
    assert 0 < recorder.outcomes[0].seconds < 5


@pytest.mark.parametrize("kind", ["Pay", "Double"])
def test_a_failed_awaited_call_has_its_status_as_the_error(in_loop, ask, recorder, kind):
    with pytest.raises(grpc.aio.AioRpcError):
        in_loop(lambda client: AIO_CALLS[kind](client, ask, -1))
    assert recorder.errors() == ["INVALID_ARGUMENT"]


def test_an_awaited_response_stream_is_observed_when_it_has_ended(in_loop, ask, recorder):
    assert in_loop(lambda client: read(client.Count(ask(amount=3)))) == 2
    assert recorder.errors() == [None]


def test_a_cancelled_awaited_call_has_the_error_cancelled(in_loop, ask, recorder):
    async def give_up(client):
        answer = client.Count(ask(amount=1000))
        assert (await answer.read()).output == 0
        assert recorder.outcomes == []
        answer.cancel()

    in_loop(give_up)
    assert recorder.errors() == ["CANCELLED"]


async def write(client, ask):
    call = client.Sum()
    for amount in (1, 2):
        await call.write(ask(amount=amount))
    await call.done_writing()
    with pytest.raises(asyncio.InvalidStateError):
        await call.write(ask(amount=3))
    return (await call).output


async def read_on(client, ask):
    call = client.Double(iter([ask(amount=1), ask(amount=-1)]))
    assert (await call.read()).output == 2
    for _ in range(3):
        with pytest.raises(grpc.aio.AioRpcError):
            await call.read()
    return call.done()


async def cancel(client, ask):
    call = client.Pay(ask(amount=1))
    assert call.time_remaining() > 0
    assert call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    return call.cancelled(), call.done()


@pytest.mark.parametrize(("use", "given"), [(write, 3), (read_on, True), (cancel, (True, True))])
def test_an_observed_call_of_grpc_aio_has_all_its_methods(in_loop, ask, recorder, use, given):
    assert in_loop(lambda client: use(client, ask)) == given
    assert len(recorder.errors()) == 1
