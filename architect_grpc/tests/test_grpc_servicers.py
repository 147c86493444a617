"""A server answers an rpc with the servicer whose class says so, and with UNIMPLEMENTED if there is none."""

from __future__ import annotations

import asyncio
import importlib
import sys
from types import SimpleNamespace

import grpc
import pytest

TWO = """
package shop;
message Word { string text = 1; }
service Orders { rpc Get (Word) returns (Word); rpc List (Word) returns (Word); }
service Refunds { rpc Get (Word) returns (Word); rpc Undo (Word) returns (Word); }
"""


class Shop:
    """A project whose service "shop" has two services, both with an rpc Get."""

    def __init__(self, project, serve):
        project.install("shop", {"shop.proto": TWO})
        self._project, self._serve, self._resolvers = project, serve, []
        self.current = self.resolver("shop").current_service()

    def resolver(self, *current, **ports):
        self._resolvers.append(self._project.resolver(*current, **ports))
        return self._resolvers[-1]

    def answers(self, base, text, *rpcs):
        """An instance of a subclass of `base` whose `rpcs` answer `text`."""
        word = self.current.defs.Word

        def method(self, request, context):
            return word(text=text)

        return type(text.title(), (base,), dict.fromkeys(rpcs, method))()

    def serve(self, *servicers):
        """Each rpc -> the text of its answer, or the name of its status."""
        client = self.resolver(shop=self._serve(self._resolvers[0], *servicers)).service("shop").client
        rpcs = [("Orders", "Get"), ("Orders", "List"), ("Refunds", "Get"), ("Refunds", "Undo")]
        return {f"{service}.{rpc}": self._call(getattr(getattr(client, service), rpc)) for service, rpc in rpcs}

    def _call(self, rpc):
        try:
            return rpc(self.current.defs.Word(), timeout=5).text
        except grpc.RpcError as problem:
            return problem.code().name

    def close(self):
        for resolver in self._resolvers:
            resolver.close()


@pytest.fixture
def shop(project, serve):
    made = Shop(project, serve)
    yield made
    made.close()


@pytest.fixture
def generated(project, monkeypatch):
    """The generated module with the classes of both services, imported by name."""
    forget_generated_modules()
    monkeypatch.syspath_prepend(str(project.root))
    yield lambda: importlib.import_module("architect_services.shop.shop_pb2_grpc")
    forget_generated_modules()


def forget_generated_modules():
    """Each test has a folder of its own."""
    for name in [name for name in sys.modules if name.split(".")[0] == "architect_services"]:
        del sys.modules[name]


def test_a_subclass_of_one_service_s_class_answers_no_other_service(shop):
    orders = shop.answers(shop.current.Servicer.Orders, "orders", "Get", "List", "Undo")
    assert shop.serve(orders) == {
        "Orders.Get": "orders",
        "Orders.List": "orders",
        "Refunds.Get": "UNIMPLEMENTED",
        "Refunds.Undo": "UNIMPLEMENTED",
    }


def test_a_subclass_of_a_generated_module_s_class_answers_for_its_service_only(shop, generated):
    orders = shop.answers(generated().OrdersServicer, "orders", "Get", "List", "Undo")
    refunds = shop.answers(generated().RefundsServicer, "refunds", "Get")
    alone = {"Orders.Get": "orders", "Orders.List": "orders", "Refunds.Get": "UNIMPLEMENTED"}
    assert shop.serve(orders) == alone | {"Refunds.Undo": "UNIMPLEMENTED"}
    both = alone | {"Refunds.Get": "refunds", "Refunds.Undo": "UNIMPLEMENTED"}
    assert shop.serve(orders, refunds) == both
    assert shop.serve(refunds, orders) == both


def test_the_classes_of_generated_modules_are_those_of_servicer(shop, generated):
    assert generated().OrdersServicer is shop.current.Servicer.Orders
    assert generated().RefundsServicer is shop.current.Servicer["shop.Refunds"]
    assert issubclass(shop.current.Servicer, generated().OrdersServicer)
    assert generated().OrdersServicer.__module__ == generated().__name__


def test_two_subclasses_of_the_class_of_all_services_answer_what_each_implements(shop):
    orders = shop.answers(shop.current.Servicer, "orders", "List")
    refunds = shop.answers(shop.current.Servicer, "refunds", "Undo")
    assert shop.serve(orders, refunds) == {
        "Orders.Get": "UNIMPLEMENTED",
        "Orders.List": "orders",
        "Refunds.Get": "UNIMPLEMENTED",
        "Refunds.Undo": "refunds",
    }


def test_a_class_that_extends_two_services_classes_answers_both(shop):
    servicer = shop.current.Servicer
    both = type("Both", (servicer.Orders, servicer.Refunds), {})
    assert set(shop.serve(shop.answers(both, "both", "Get", "List", "Undo")).values()) == {"both"}


def test_an_object_that_extends_no_generated_class_answers_the_service_that_alone_has_its_methods(shop):
    expected = {"Orders.Get": "UNIMPLEMENTED", "Orders.List": "a", "Refunds.Get": "UNIMPLEMENTED"}
    assert shop.serve(shop.answers(object, "a", "List")) == expected | {"Refunds.Undo": "UNIMPLEMENTED"}
    expected |= {"Orders.Get": "a", "Refunds.Undo": "UNIMPLEMENTED"}
    assert shop.serve(shop.answers(object, "a", "Get", "List")) == expected
    assert shop.serve(shop.answers(object, "a", "List", "Undo"))["Refunds.Undo"] == "a"


@pytest.mark.parametrize("rpcs", [["Get"], ["Get", "List", "Undo"]])
def test_an_object_whose_methods_fit_several_services_is_refused(shop, rpcs):
    server = grpc.server(None)
    for duck in (shop.answers(object, "a", *rpcs), SimpleNamespace(**dict.fromkeys(rpcs, print))):
        with pytest.raises(TypeError, match=r"shop\.Orders and shop\.Refunds both have an rpc 'Get'.*Servicer\['shop"):
            shop.current.add_servicer(duck, server)


def test_a_subclass_of_another_dependency_s_class_is_refused(shop, project):
    project.install("other", {"other.proto": TWO.replace("package shop", "package other")})
    other = shop.resolver("other").current_service().Servicer.Orders
    with pytest.raises(TypeError, match=r"a Orders implements none of shop\.Orders, shop\.Refunds"):
        shop.current.add_servicer(shop.answers(other, "orders", "Get", "List"), grpc.server(None))


def test_a_server_for_asyncio_answers_with_the_same_servicers(shop):
    async def use():
        server = grpc.aio.server()
        shop.current.add_servicer(shop.answers(shop.current.Servicer.Orders, "orders", "Get"), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        client = shop.resolver(shop=port).service("shop").aio.client
        word = shop.current.defs.Word()
        assert (await client.Orders.Get(word)).text == "orders"
        for rpc in (client.Refunds.Get, client.Refunds.Undo, client.Orders.List):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await rpc(word)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        await server.stop(None)

    asyncio.run(use())
