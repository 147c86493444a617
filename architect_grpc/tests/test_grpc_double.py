"""A double of a gRPC service is called over a real connection, with the client that production has."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace

import grpc
import pytest

import architect.sdk as architect
from architect.testing import Doubles
from architect_core.contract import search_root
from architect_grpc.stubs import load

PAYMENTS = """
package shop;
message PayRequest { int32 amount = 1; }
message PayResponse { int32 output = 1; }
service Example {
  rpc Pay (PayRequest) returns (PayResponse) {}
  rpc Count (PayRequest) returns (stream PayResponse);
  rpc Sum (stream PayRequest) returns (PayResponse);
  rpc Double (stream PayRequest) returns (stream PayResponse);
}
"""
SEVERAL = """
package shop.v1;
message Word { string text = 1; }
service Orders { rpc Create (Word) returns (Word); rpc List (Word) returns (Word); }
service Refunds { rpc Create (Word) returns (Word); rpc Undo (Word) returns (Word); }
"""


@pytest.fixture
def doubles(project):
    project.install("acme/payments", {"service.proto": PAYMENTS})
    project.install("acme/several", {"several.proto": SEVERAL})
    with Doubles(root=project.root) as opened:
        yield opened


@pytest.fixture
def payments(doubles):
    """Returns the service `acme/payments`, and its double with a behaviour."""

    def stand_in(behaviour, **entry):
        double = doubles.service("acme/payments", "grpc", behaviour, **entry)
        return architect.service("acme/payments"), double

    return stand_in


class Servicer:
    """Implements all four kinds of calls, and extends no class."""

    def Pay(self, request, context):
        if request.amount < 0:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "too little")
        context.send_initial_metadata(context.invocation_metadata())
        request.amount *= 2
        return answer(request.amount)

    def Count(self, request, context):
        for number in range(request.amount):
            yield answer(number)

    def Sum(self, request_iterator, context):
        return answer(sum(request.amount for request in request_iterator))

    def Double(self, request_iterator, context):
        for request in request_iterator:
            yield answer(request.amount * 2)


def answer(output):
    return architect.service("acme/payments").defs.PayResponse(output=output)


def code_of(call, *arguments):
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, timeout=5)
    return caught.value.code()


@pytest.mark.parametrize("behaviour", [Servicer, Servicer()])
def test_all_four_kinds_of_calls_work_and_are_recorded(payments, behaviour):
    service, double = payments(behaviour)
    client, ask = service.client, service.defs.PayRequest
    assert client.Pay(ask(amount=10)).output == 20
    assert [each.output for each in client.Count(ask(amount=3))] == [0, 1, 2]
    assert client.Sum(ask(amount=number) for number in (1, 2, 3)).output == 6
    assert [each.output for each in client.Double(iter([ask(amount=4), ask(amount=5)]))] == [8, 10]
    assert double.requests == [
        ("Pay", ask(amount=10)),  # as it was sent, although the servicer changes it
        ("Count", ask(amount=3)),
        *[("Sum", ask(amount=number)) for number in (1, 2, 3)],
        *[("Double", ask(amount=number)) for number in (4, 5)],
    ]


def test_all_four_kinds_of_calls_work_from_coroutines_and_are_recorded(payments):
    async def use():
        client = service.aio.client
        assert (await client.Pay(ask(amount=10), timeout=5)).output == 20
        assert [each.output async for each in client.Count(ask(amount=3))] == [0, 1, 2]
        assert (await client.Sum([ask(amount=1), ask(amount=2)])).output == 3
        assert [each.output async for each in client.Double([ask(amount=4)])] == [8]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.Pay(ask(amount=-1), timeout=5)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    service, double = payments(Servicer)
    ask = service.defs.PayRequest
    asyncio.run(use())
    assert double.requests == [
        ("Pay", ask(amount=10)),
        ("Count", ask(amount=3)),
        *[("Sum", ask(amount=number)) for number in (1, 2)],
        ("Double", ask(amount=4)),
        ("Pay", ask(amount=-1)),
    ]
    assert service.client.Pay(ask(amount=1)).output == 2


def test_the_calls_are_grpc_s_own(payments):
    service, _ = payments(Servicer)
    client, ask = service.client, service.defs.PayRequest
    done, call = client.Pay.with_call(ask(amount=1), timeout=5, metadata=[("x-trace", "7")])
    assert (done.output, call.code()) == (2, grpc.StatusCode.OK)
    assert ("x-trace", "7") in [tuple(each) for each in call.initial_metadata()]
    assert client.Pay.future(ask(amount=1)).result(timeout=5).output == 2
    assert code_of(client.Pay, ask(amount=-1)) is grpc.StatusCode.INVALID_ARGUMENT


def test_rpcs_that_the_behaviour_does_not_have_are_unimplemented(payments):
    service, double = payments(SimpleNamespace(Pay=lambda request, context: answer(1)))
    ask = service.defs.PayRequest
    assert service.client.Pay(ask()).output == 1
    with pytest.raises(grpc.RpcError) as caught:
        list(service.client.Count(ask(amount=2)))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert caught.value.details() == "the double of acme/payments does not implement Count"
    assert code_of(service.client.Sum, iter([ask(amount=2)])) is grpc.StatusCode.UNIMPLEMENTED
    assert double.requests[:2] == [("Pay", ask()), ("Count", ask(amount=2))]


def test_the_behaviour_may_be_a_subclass_of_the_generated_class(payments, project):
    stubs = load(project.services, "acme/payments")
    for base in (stubs.servicer, stubs.services_of("service.proto")["ExampleServicer"]):

        class Payments(base):
            def Pay(self, request, context):
                return answer(request.amount + 1)

        service, _ = payments(Payments)
        ask = service.defs.PayRequest
        assert service.client.Pay(ask(amount=1)).output == 2
        assert code_of(service.client.Sum, iter([ask()])) is grpc.StatusCode.UNIMPLEMENTED


def test_several_services_are_implemented_by_one_servicer_or_by_several(doubles, project):
    stubs = load(project.services, "acme/several")
    Orders, Refunds = (stubs.services_of("several.proto")[f"{name}Servicer"] for name in ("Orders", "Refunds"))

    class OrdersDouble(Orders):
        def Create(self, request, context):
            return type(request)(text=f"order {request.text}")

    class RefundsDouble(Refunds):
        def Create(self, request, context):
            return type(request)(text=f"refund {request.text}")

    double = doubles.service("acme/several", "grpc", [OrdersDouble, RefundsDouble()])
    several = architect.service("acme/several")
    word = several.defs.Word(text="7")
    assert several.client.Orders.Create(word).text == "order 7"
    assert several.client.Refunds.Create(word).text == "refund 7"
    assert double.requests == [("Create", word)] * 2

    doubles.service("acme/several", "grpc", RefundsDouble)
    several = architect.service("acme/several")
    assert several.client.Refunds.Create(word).text == "refund 7"
    assert code_of(several.client.Orders.Create, word) is grpc.StatusCode.UNIMPLEMENTED

    doubles.service("acme/several", "grpc", SimpleNamespace(Create=lambda request, context: word))
    several = architect.service("acme/several")
    assert several.client.Refunds.Create(word) == several.client.Orders.Create(word) == word


def test_a_servicer_that_extends_the_class_of_all_services_leaves_to_others_what_it_does_not_implement(
    doubles, project
):
    base = load(project.services, "acme/several").servicer
    orders, refunds = (
        type(name, (base,), {name: lambda self, request, context, name=name: type(request)(text=name)})
        for name in ("List", "Undo")
    )
    doubles.service("acme/several", "grpc", [orders, refunds])
    several = architect.service("acme/several")
    word = several.defs.Word()
    assert several.client.Orders.List(word).text == "List"
    assert several.client.Refunds.Undo(word).text == "Undo"


def test_the_first_of_two_servicers_with_the_same_rpc_serves_it(payments):
    first = SimpleNamespace(Pay=lambda request, context: answer(1))
    service, _ = payments((first, Servicer))
    ask = service.defs.PayRequest
    assert service.client.Pay(ask(amount=5)).output == 1
    assert service.client.Sum(iter([ask(amount=5)])).output == 5


class Async:
    async def Pay(self, request, context): ...


class AsyncStream:
    async def Count(self, request, context):
        yield None


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        ({"Pay": 1}, "the double of acme/payments is given a dict, which has none of its rpcs; give a servicer class"),
        (None, r"is given a NoneType, which has none .* \(request, context\): Pay, Count, Sum, Double"),
        (Async, "the double of acme/payments: Async.Pay is async; give a plain method of"),
        (AsyncStream(), "AsyncStream.Count is async"),
        (SimpleNamespace(Pay=7), "SimpleNamespace.Pay is a int; give a plain method"),
    ],
)
def test_a_behaviour_without_usable_methods_is_an_error_at_once(payments, behaviour, expected):
    with pytest.raises(TypeError, match=expected):
        payments(behaviour)


def test_missing_stubs_are_an_error_as_for_a_client(doubles):
    with pytest.raises(architect.StubError, match=r"there are no stubs of acme/mail .*architect install"):
        doubles.service("acme/mail", "grpc", Servicer)


def test_an_exception_of_a_servicer_has_the_status_unknown(payments, caplog):
    service, _ = payments(SimpleNamespace(Pay=lambda request, context: 1 / 0))
    assert code_of(service.client.Pay, service.defs.PayRequest()) is grpc.StatusCode.UNKNOWN
    assert "ZeroDivisionError" in caplog.text


def test_the_service_s_options_apply(payments):
    service, _ = payments(Servicer, options={"max_receive_message_bytes": 1})
    assert code_of(service.client.Pay, service.defs.PayRequest(amount=1000)) is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_two_doubles_listen_on_ports_of_their_own(doubles):
    ports = {doubles.service("acme/payments", "grpc", Servicer).entry["port"] for _ in range(5)}
    assert len(ports) == 5


def test_the_environment_s_proxy_is_not_used(payments, monkeypatch):
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    service, _ = payments(Servicer)
    assert service.client.Pay(service.defs.PayRequest(amount=1), timeout=5).output == 2


def test_no_thread_and_no_socket_is_left_when_the_test_has_ended(project):
    project.install("acme/payments", {"service.proto": PAYMENTS})
    before = set(threading.enumerate())
    with Doubles(root=project.root) as doubles:
        double = doubles.service("acme/payments", "grpc", Servicer)
        service = architect.service("acme/payments")
        client, ask = service.client, service.defs.PayRequest
        assert client.Pay(ask(amount=1)).output == 2
    with pytest.raises(ValueError, match="payments is closed"):
        client.Pay(ask(amount=1))
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert set(threading.enumerate()) - before == set()
    with grpc.insecure_channel(f"127.0.0.1:{double.entry['port']}") as channel:
        assert code_of(channel.unary_unary("/shop.Example/Pay"), b"") is grpc.StatusCode.UNAVAILABLE


def test_a_call_that_hangs_does_not_keep_the_double_open(project):
    project.install("acme/payments", {"service.proto": PAYMENTS})
    ended = threading.Event()
    hanging = SimpleNamespace(Pay=lambda request, context: ended.wait(20) and answer(1))
    started = time.monotonic()
    with Doubles(root=project.root) as doubles:
        doubles.service("acme/payments", "grpc", hanging)
        service = architect.service("acme/payments")
        with pytest.raises(grpc.RpcError) as caught:
            service.client.Pay(service.defs.PayRequest(), timeout=0.2)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - started < 10
    ended.set()


def test_the_tested_service_s_own_servicer_is_available(project):
    project.install("acme/payments", {"service.proto": PAYMENTS})
    api = '{"name": "acme/payments", "api": {"type": "grpc", "definitions": ["service.proto"]}}'
    (project.root / "architect.json").write_text(api)
    with Doubles(root=search_root(project.root)) as doubles:
        payments = architect.current_service()

        class Payments(payments.Servicer):
            def Pay(self, request, context):
                return payments.defs.PayResponse(output=request.amount)

        doubles.service("acme/payments", "grpc", Payments)
        ask = payments.defs.PayRequest(amount=3)
        assert architect.service("acme/payments").client.Pay(ask).output == 3
