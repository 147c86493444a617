"""A client calls the rpcs of its definitions as grpc's documentation describes."""

from __future__ import annotations

import asyncio
import doctest
import importlib
import os
import pkgutil
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

import architect_grpc
from architect_core.exceptions import ConfigError, PluginError, StubError
from architect_grpc import stubs

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
service Refunds {
  rpc Create (Word) returns (Word);
  rpc Refunds (Word) returns (Word);
  rpc close (Word) returns (Word);
}
"""


@pytest.mark.parametrize("module", [found.name for found in pkgutil.iter_modules(architect_grpc.__path__)])
def test_the_examples_in_docstrings_run(module):
    assert doctest.testmod(importlib.import_module(f"architect_grpc.{module}")).failed == 0


@pytest.fixture
def payments(project, serve):
    """The service "payments" with a server."""
    project.install("payments", {"service.proto": PAYMENTS})
    serving = project.resolver("payments")
    defs = serving.current_service().defs

    class Payments(serving.current_service().Servicer):
        def Pay(self, request, context):
            if request.amount < 0:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "too little")
            context.send_initial_metadata(context.invocation_metadata())
            return defs.PayResponse(output=request.amount * 2)

        def Count(self, request, context):
            for number in range(request.amount):
                yield defs.PayResponse(output=number)

        def Sum(self, request_iterator, context):
            return defs.PayResponse(output=sum(request.amount for request in request_iterator))

        def Double(self, request_iterator, context):
            for request in request_iterator:
                yield defs.PayResponse(output=request.amount * 2)

    resolver = project.resolver(payments=serve(serving, Payments()))
    yield resolver.service("payments")
    resolver.close()


def test_all_four_kinds_of_calls_work(payments):
    client, ask = payments.client, payments.defs.PayRequest
    assert client.Pay(ask(amount=10)).output == 20
    assert [each.output for each in client.Count(ask(amount=3))] == [0, 1, 2]
    assert client.Sum(ask(amount=number) for number in (1, 2, 3)).output == 6
    assert [each.output for each in client.Double(iter([ask(amount=1), ask(amount=2)]))] == [2, 4]


def test_an_rpc_takes_timeout_and_metadata_and_has_with_call_and_future(payments):
    client, ask = payments.client, payments.defs.PayRequest(amount=1)
    answer, call = client.Pay.with_call(ask, timeout=5, metadata=[("x-trace", "7")])
    assert (answer.output, call.code()) == (2, grpc.StatusCode.OK)
    assert ("x-trace", "7") in [tuple(each) for each in call.initial_metadata()]
    assert client.Pay.future(ask).result(timeout=5).output == 2
    answer, call = client.Pay.with_call(ask, 5, [("x-trace", "8")], None, True)
    assert (answer.output, ("x-trace", "8") in [tuple(each) for each in call.initial_metadata()]) == (2, True)
    for wrong, named in (((ask, 5), {"timeout": 5}), ((ask, 5, None), {"metadata": ()}), ((ask,) + (None,) * 6, {})):
        with pytest.raises(TypeError):
            client.Pay(*wrong, **named)


def test_calls_to_the_same_machine_use_no_proxy(payments, monkeypatch):
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert payments.client.Pay(payments.defs.PayRequest(amount=1), timeout=5).output == 2


def test_errors_are_grpc_s_own(payments):
    with pytest.raises(grpc.RpcError) as caught:
        payments.client.Pay(payments.defs.PayRequest(amount=-1))
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "too little")


def test_a_dead_endpoint_is_unavailable(project):
    project.install("payments", {"service.proto": PAYMENTS})
    resolver = project.resolver()
    with pytest.raises(grpc.RpcError) as caught:
        resolver.service("payments").client.Pay(resolver.service("payments").defs.PayRequest(), timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    resolver.close()


def test_a_method_that_is_not_overridden_is_unimplemented(project, serve):
    project.install("payments", {"service.proto": PAYMENTS})
    serving = project.resolver("payments")
    resolver = project.resolver(payments=serve(serving, serving.current_service().Servicer()))
    payments = resolver.service("payments")
    with pytest.raises(grpc.RpcError) as caught:
        payments.client.Pay(payments.defs.PayRequest())
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    resolver.close()


def test_a_closed_client_is_replaced(payments):
    former, ask = payments.client, payments.defs.PayRequest(amount=1)
    payments.close()
    assert payments.client is not former
    assert payments.client.Pay(ask).output == 2
    with pytest.raises(ValueError, match=r"payments is closed; take service\('payments'\)\.client anew"):
        former.Pay(ask)


def test_a_client_that_the_application_has_closed_opens_another_channel(payments):
    client, ask = payments.client, payments.defs.PayRequest(amount=1)
    former = client.Pay
    for _ in range(3):
        client.close()
        client.close()
        assert repr(client) == "<gRPC client of payments: closed>"
        with ThreadPoolExecutor(8) as threads:
            assert {each.output for each in threads.map(lambda _: client.Pay(ask), range(50))} == {2}
        client.close()
        assert client["shop.Example"].Pay(ask).output == 2
    with pytest.raises(ValueError, match="closed channel"):
        former(ask)
    assert payments.client is client


def test_a_client_from_which_an_rpc_was_deleted_can_be_closed(payments):
    del payments.client.Pay
    payments.client.close()
    assert payments.client.Pay


def test_fifty_threads_share_one_client(payments):
    with ThreadPoolExecutor(50) as threads:
        clients = list(threads.map(lambda _: payments.client, range(50)))
    assert len({id(client) for client in clients}) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_a_client_of_its_own(project):
    project.install("payments", {"service.proto": PAYMENTS})
    resolver = project.resolver()
    former = resolver.service("payments").client
    child = os.fork()
    if child == 0:
        os._exit(0 if resolver.service("payments").client is not former else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    resolver.close()


def test_each_of_several_services_is_an_attribute_and_unique_rpcs_are_direct(project, serve):
    project.install("shop", {"shop.proto": SEVERAL})
    serving = project.resolver("shop")
    word = serving.current_service().defs.Word

    class Orders(serving.current_service().Servicer.Orders):
        def Create(self, request, context):
            return word(text=f"order {request.text}")

        def List(self, request, context):
            return word(text="listed")

    class Refunds(serving.current_service().Servicer["shop.v1.Refunds"]):
        def Create(self, request, context):
            return word(text=f"refund {request.text}")

        def Refunds(self, request, context):
            return word(text="refunds")

        def close(self, request, context):
            return word(text="closed")

    resolver = project.resolver(shop=serve(serving, Orders(), Refunds()))
    client = resolver.service("shop").client
    assert client.Orders.Create(word(text="7")).text == "order 7"
    assert client.Refunds.Create(word(text="7")).text == "refund 7"
    assert client["shop.v1.Refunds"].Refunds(word()).text == "refunds"
    assert client.List(word()).text == "listed"
    assert client.close(word()).text == "closed"
    with pytest.raises(
        AttributeError, match=r"'Create' is ambiguous in shop; use client\.Orders\.Create or client\.Ref"
    ):
        _ = client.Create
    with pytest.raises(AttributeError, match=r"no rpc or service 'Refund' \(did you mean 'Refunds'\?\)"):
        _ = client.Refund
    with pytest.raises(KeyError, match=r"did you mean 'shop\.v1\.Refunds'"):
        client["shop.v1.Refund"]
    with pytest.raises(AttributeError, match=r"shop\.v1\.Orders has no rpc 'Creat' \(did you mean 'Create'"):
        _ = client.Orders.Creat
    resolver.close()


def test_one_class_may_implement_several_services(project, serve):
    project.install("shop", {"shop.proto": SEVERAL})
    serving = project.resolver("shop")

    class Both(serving.current_service().Servicer):
        def Create(self, request, context):
            return request

    resolver = project.resolver(shop=serve(serving, Both()))
    shop = resolver.service("shop")
    assert shop.client.Orders.Create(shop.defs.Word(text="a")).text == "a"
    assert shop.client.Refunds.Create(shop.defs.Word(text="b")).text == "b"
    resolver.close()


def test_an_object_of_another_class_is_registered_if_it_has_all_rpcs_and_refused_otherwise(project, serve):
    project.install("shop", {"shop.proto": SEVERAL})
    serving = project.resolver("shop")

    class Duck:
        def Create(self, request, context):
            return request

        List = Create

    resolver = project.resolver(shop=serve(serving, Duck()))
    shop = resolver.service("shop")
    assert shop.client.List(shop.defs.Word(text="a")).text == "a"
    with pytest.raises(TypeError, match=r"a object implements none of shop\.v1\.Orders, shop\.v1\.Refunds"):
        serving.current_service().add_servicer(object(), grpc.server(None))
    resolver.close()


def test_asyncio_servers_and_channels_accept_the_same_classes(project):
    project.install("payments", {"service.proto": PAYMENTS})
    service = project.resolver("payments").current_service()
    defs = service.defs

    class Payments(service.Servicer):
        async def Pay(self, request, context):
            return defs.PayResponse(output=request.amount * 3)

    async def call() -> int:
        server = grpc.aio.server()
        service.add_servicer(Payments(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = stubs.services_of(project.services / "payments", "service.proto")["ExampleStub"](channel)
            answer = await stub.Pay(defs.PayRequest(amount=2))
        await server.stop(None)
        return answer.output

    assert asyncio.run(call()) == 6


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("http://payments/v1", "has no path"),
        ("http://me:canary@payments", "has no user and password"),
        ("ftp://payments", "starts with grpc://"),
    ],
)
def test_a_host_that_grpc_cannot_use_is_an_error_with_its_path(project, host, reason):
    project.install("payments", {"service.proto": PAYMENTS})
    project.config["payments"]["host"] = host
    with pytest.raises(ConfigError, match=rf"payments\.host: .*{reason}") as caught:
        _ = project.resolver().service("payments").client
    assert "canary" not in str(caught.value)


def test_an_unknown_option_is_an_error_with_its_path(project):
    project.install("payments", {"service.proto": PAYMENTS})
    project.config["payments"]["options"] = {"max_send_message_byte": 1}
    with pytest.raises(
        ConfigError, match=r"payments\.options\.max_send_message_byte: unknown key \(did you mean 'max_s"
    ):
        _ = project.resolver().service("payments").client


def test_the_option_max_receive_message_bytes_limits_a_response(project, serve):
    project.install("payments", {"service.proto": SEVERAL})
    serving = project.resolver("payments")

    class Orders(serving.current_service().Servicer.Orders):
        def Create(self, request, context):
            return request

    port = serve(serving, Orders())
    project.config["payments"]["options"] = {"max_receive_message_bytes": 100}
    payments = project.resolver(payments=port).service("payments")
    with pytest.raises(grpc.RpcError) as caught:
        payments.client.Orders.Create(payments.defs.Word(text="x" * 200))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    payments.close()


def test_definitions_without_a_service_have_messages_and_no_client(project):
    project.install("shared", {"shared.proto": "message Word { string text = 1; }"})
    shared = project.resolver("shared").current_service()
    assert shared.defs.Word(text="a").text == "a"
    for ask in (lambda: shared.client, lambda: shared.Servicer):
        with pytest.raises(StubError, match=r"the definitions of shared \(shared\.proto\) define no service"):
            ask()


def test_a_service_of_another_protocol_has_no_servicer(project):
    from architect_core.resolver import Resolver

    with pytest.raises(PluginError):
        _ = Resolver({"a": {"host": "h", "port": 1, "api": "rest"}}, current_service="a").current_service().Servicer
