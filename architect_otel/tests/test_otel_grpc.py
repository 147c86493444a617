"""Each call of a gRPC client has a span that names the dependency, and is measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("grpc_tools", reason="architect-grpc[tools] is not installed")
pytest.importorskip("architect_grpc", reason="architect-grpc is not installed")
pytest.importorskip("opentelemetry.instrumentation.grpc", reason="it is not installed")

import grpc
from opentelemetry import propagate
from opentelemetry.instrumentation.grpc import GrpcInstrumentorClient
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import architect.sdk as architect
from architect_core.contract import Definitions, StubGenerator
from architect_core.plugins import Plugins
from architect_core.resolver import Resolver
from architect_testing.tools.sockets import can_see_sockets, left_open, open_sockets

DURATION = "architect.client.call.duration"
NAME = "otel/echo"
PROTO = """syntax = "proto3";
package otel_echo;
message Word { string text = 1; }
service Echo {
  rpc Say (Word) returns (Word);
  rpc Split (Word) returns (stream Word);
  rpc Join (stream Word) returns (Word);
  rpc Each (stream Word) returns (stream Word);
}
"""


class Server:
    """Responds to "fail" with UNAVAILABLE, and to other words with the caller's trace; "wait" lasts 5 seconds.

    Attributes:
        waited: for each call with the word "wait", whether the caller was still connected at its end.
    """

    def __init__(self, root: Path) -> None:
        definitions = Definitions(NAME, root, ("otel_echo.proto",))
        (root / "otel_echo.proto").write_text(PROTO)
        for name, content in Plugins().get(StubGenerator, "grpc", "the tests").generate(definitions).items():
            path = root / "architect_services" / "otel" / "echo" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.root = root
        self.waited: list[bool] = []
        self.entry = {"host": "127.0.0.1", "port": 1, "api": "grpc", "options": {"retries": 0}}
        serving = Resolver({NAME: self.entry}, current_service=NAME, root=root).current_service()
        self.server = grpc.server(ThreadPoolExecutor(4))
        serving.add_servicer(servicer(serving.Servicer, serving.defs.Word, self.waited), self.server)
        self.entry["port"] = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()


def servicer(base, word, waited):
    class Echo(base):
        def answer(self, text: str, context: Any) -> Any:
            if text == "fail":
                context.abort(grpc.StatusCode.UNAVAILABLE, "for now")
            if text == "wait":
                ends = time.monotonic() + 5
                while context.is_active() and time.monotonic() < ends:
                    time.sleep(0.01)
                waited.append(context.is_active())
            return word(text=dict(context.invocation_metadata()).get("traceparent", ""))

        def Say(self, request, context):
            return self.answer(request.text, context)

        def Split(self, request, context):
            yield self.answer(request.text, context)

        def Join(self, request_iterator, context):
            return [self.answer(request.text, context) for request in request_iterator].pop()

        def Each(self, request_iterator, context):
            for request in request_iterator:
                yield self.answer(request.text, context)

    return Echo()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("echo"))
    yield server
    server.server.stop(None).wait()


@pytest.fixture
def echo(server: Server) -> Callable[[], Any]:
    """Returns the service at the server, whose client is made after an observer is set."""
    server.waited.clear()

    def service() -> Any:
        architect.configure({NAME: server.entry}, root=server.root)
        return architect.service(NAME)

    return service


def aio(call: Callable[[Any], Any]) -> Any:
    """The response of an awaited call, or the last one of its stream."""

    async def begin() -> Any:
        answer = call(architect.service(NAME).aio.client)
        return [part async for part in answer].pop() if hasattr(answer, "__aiter__") else await answer

    return asyncio.run(begin())


CALLS = {
    "Say": lambda client, word: client.Say(word),
    "Say.with_call": lambda client, word: client.Say.with_call(word)[0],
    "Say.future": lambda client, word: client.Say.future(word).result(5),
    "Split": lambda client, word: list(client.Split(word)).pop(),
    "Join": lambda client, word: client.Join(iter([word])),
    "Each": lambda client, word: list(client.Each(iter([word]))).pop(),
    "Say.aio": lambda _, word: aio(lambda client: client.Say(word)),
    "Split.aio": lambda _, word: aio(lambda client: client.Split(word)),
    "Join.aio": lambda _, word: aio(lambda client: client.Join(iter([word]))),
    "Each.aio": lambda _, word: aio(lambda client: client.Each(iter([word]))),
}


def when(find: Callable[[], list[Any]]) -> list[Any]:
    """Returns what `find` returns, once that is not empty: gRPC ends some calls in threads of its own."""
    ends = time.monotonic() + 5
    while not (found := find()) and time.monotonic() < ends:
        time.sleep(0.01)
    return found


@pytest.mark.parametrize("kind", CALLS)
def test_a_call_has_one_span_that_names_the_dependency_and_is_sent_to_it(echo, spans, points, tracer, kind):
    architect.observe("otel")
    service = echo()
    with tracer.start_as_current_span("order") as order:
        header = CALLS[kind](service.client, service.defs.Word(text="hello")).text
    (span,) = when(spans)
    assert span.attributes["service.peer.name"] == NAME
    assert span.name == f"otel_echo.Echo/{kind.partition('.')[0]}"
    assert header.split("-")[1:3] == [f"{order.context.trace_id:032x}", f"{span.context.span_id:016x}"]
    ((attributes, point),) = when(lambda: points().get(DURATION, []))
    assert (attributes, point.count) == ({"service.peer.name": NAME, "architect.protocol": "grpc"}, 1)


@pytest.mark.parametrize("kind", CALLS)
def test_a_failed_call_is_measured_with_the_name_of_its_status(echo, spans, points, kind):
    architect.observe("otel")
    service = echo()
    with pytest.raises(grpc.RpcError) as caught:
        CALLS[kind](service.client, service.defs.Word(text="fail"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    (span,) = when(spans)
    assert span.attributes["service.peer.name"] == NAME
    assert span.attributes["rpc.grpc.status_code"] == grpc.StatusCode.UNAVAILABLE.value[0]
    ((attributes, _),) = when(lambda: points().get(DURATION, []))
    assert attributes["error.type"] == "UNAVAILABLE"


def test_an_awaited_call_that_is_cancelled_ends_at_the_server_and_has_a_span(echo, server, spans, points):
    architect.observe("otel")
    service = echo()

    async def give_up():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(service.aio.client.Say(service.defs.Word(text="wait")), 0.2)

    asyncio.run(give_up())
    assert when(lambda: server.waited) == [False]
    (span,) = when(spans)
    assert span.attributes["error.type"] == "CANCELLED"
    ((attributes, _),) = when(lambda: points().get(DURATION, []))
    assert attributes["error.type"] == "CANCELLED"


class ShoutingPropagator(TraceContextTextMapPropagator):
    """Writes its header with capitals, as X-Ray's does."""

    def inject(self, carrier, context=None, setter=None):
        plain: dict[str, str] = {}
        super().inject(plain, context)
        carrier.update({name.title(): value for name, value in plain.items()})


@pytest.mark.parametrize("kind", ["Say", "Say.aio"])
def test_a_propagator_may_name_its_headers_with_capitals(echo, kind):
    former = propagate.get_global_textmap()
    propagate.set_global_textmap(ShoutingPropagator())
    try:
        architect.observe("otel")
        service = echo()
        assert CALLS[kind](service.client, service.defs.Word(text="hello")).text.startswith("00-")
    finally:
        propagate.set_global_textmap(former)


def test_requests_can_be_written_one_by_one(echo, spans):
    architect.observe("otel")
    service = echo()

    async def write():
        call = service.aio.client.Join()
        await call.write(service.defs.Word(text="hello"))
        await call.done_writing()
        return (await call).text

    assert asyncio.run(asyncio.wait_for(write(), 5)).startswith("00-")
    assert len(when(spans)) == 1


def test_a_response_stream_is_grpc_s_own_call(echo, spans):
    architect.observe("otel")
    service = echo()
    answer = service.client.Split(service.defs.Word(text="wait"))
    assert answer.cancel()
    (span,) = when(spans)
    assert span.attributes["rpc.grpc.status_code"] == grpc.StatusCode.CANCELLED.value[0]


def test_an_instrumentation_that_the_application_has_switched_on_is_not_changed(echo, spans, points):
    GrpcInstrumentorClient().instrument(request_hook=lambda span, request: span.set_attribute("word", request.text))
    try:
        architect.observe("otel")
        service = echo()
        service.client.Say(service.defs.Word(text="hello"))
        list(service.client.Split(service.defs.Word(text="hello")))
    finally:
        GrpcInstrumentorClient().uninstrument()
    assert [span.attributes.get("word") for span in spans()] == ["hello", None]
    assert sum(point.count for _, point in points()[DURATION]) == 2


def test_without_an_observer_nothing_is_traced_or_measured(echo, spans, points):
    service = echo()
    assert service.client.Say(service.defs.Word(text="hello")).text == ""
    assert (spans(), [name for name in points() if "client" in name]) == ([], [])


@pytest.mark.skipif(not can_see_sockets(), reason="this system does not list open sockets")
@pytest.mark.parametrize("kind", ["Say.aio", "Split.aio"])
def test_no_socket_is_left_open_when_the_event_loop_of_a_client_has_ended(echo, kind):
    architect.observe("otel")
    service = echo()
    before = open_sockets()
    CALLS[kind](service.client, service.defs.Word(text="hello"))
    service.close()
    assert left_open(before, 5) == 0
