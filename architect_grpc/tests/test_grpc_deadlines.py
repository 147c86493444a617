"""A call ends with its own `timeout`, the option `total_timeout`, and the deadline around it."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from architect_core.deadline import deadline, remaining
from architect_core.exceptions import ConfigError
from architect_grpc import AioDeadlineInterceptor, DeadlineInterceptor

DEFINITIONS = """
package slow;
message Seconds { double value = 1; }
service Slow {
  rpc Sleep (Seconds) returns (Seconds);
  rpc Gather (stream Seconds) returns (Seconds);
  rpc Count (Seconds) returns (stream Seconds);
  rpc Echo (stream Seconds) returns (stream Seconds);
}
"""
NONE = -1.0
LONG = 20  # seconds that a call takes if nothing ends it


@pytest.fixture
def slow(project, serve):
    """Returns a client, with options, of a service that sleeps before each response; a stream has three."""
    project.install("slow", {"slow.proto": DEFINITIONS})
    serving = project.resolver("slow")

    class Slow(serving.current_service().Servicer):
        def Sleep(self, request, context):
            over.wait(request.value)
            return request

        def Gather(self, request_iterator, context):
            return self.Sleep(next(request_iterator), context)

        def Count(self, request, context):
            for _ in range(3):
                yield self.Sleep(request, context)

        def Echo(self, request_iterator, context):
            yield from self.Count(next(request_iterator), context)

    over, port, resolvers = threading.Event(), serve(serving, Slow()), []

    def make(**options):
        project.config["slow"]["options"] = options
        resolvers.append(project.resolver(slow=port))
        return resolvers[-1].service("slow").client

    make.seconds = serving.current_service().defs.Seconds
    yield make
    over.set()
    for resolver in resolvers:
        resolver.close()


def assert_cut(call, within=LONG / 2):
    started = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - started < within


@pytest.mark.parametrize("form", ["__call__", "with_call", "future"])
def test_a_call_with_a_single_response_ends_with_the_option_total_timeout(slow, form):
    client, long = slow(total_timeout=0.1), slow.seconds(value=LONG)
    for call in (lambda: getattr(client.Sleep, form)(long), lambda: getattr(client.Gather, form)(iter([long]))):
        assert_cut((lambda: call().result()) if form == "future" else call)  # noqa: B023 - called at once


def test_a_call_s_own_timeout_wins_over_the_option(slow):
    client = slow(total_timeout=0.05)
    assert client.Sleep(slow.seconds(value=0.1), timeout=5).value == 0.1
    assert client.Sleep(slow.seconds(value=0.1), 5).value == 0.1
    assert_cut(lambda: slow(total_timeout=LONG).Sleep(slow.seconds(value=LONG), 0.1))


def test_total_timeout_is_30_seconds_by_default_and_no_limit_if_null(project, serve):
    project.install("slow", {"slow.proto": DEFINITIONS})
    serving = project.resolver("slow")
    times = []

    class Timed(serving.current_service().Servicer):
        def Sleep(self, request, context):
            times.append(context.time_remaining())
            return request

    port = serve(serving, Timed())
    for options in ({}, {"total_timeout": None}):
        project.config["slow"]["options"] = options
        resolver = project.resolver(slow=port)
        resolver.service("slow").client.Sleep(serving.current_service().defs.Seconds())
        resolver.close()
    assert 25 < times[0] < 31
    assert times[1] > 10**6


def test_a_response_stream_is_not_ended_by_the_option(slow):
    client = slow(total_timeout=0.1)
    assert len(list(client.Count(slow.seconds(value=0.05)))) == 3
    assert len(list(client.Echo(iter([slow.seconds(value=0.05)])))) == 3


def test_no_call_outlives_the_deadline_around_it(slow):
    client, long = slow(), slow.seconds(value=LONG)
    for call in (
        lambda: client.Sleep(long, timeout=LONG),
        lambda: client.Gather(iter([long])),
        lambda: list(client.Count(long)),
        lambda: list(client.Echo(iter([long]))),
    ):
        with deadline(0.1):
            assert_cut(call)
    with deadline(LONG):
        assert_cut(lambda: client.Sleep(long, timeout=0.1))


def test_a_call_past_the_deadline_is_not_made(slow):
    client = slow()
    with deadline(0):
        assert_cut(lambda: client.Sleep(slow.seconds(value=0)))


def test_arguments_have_grpc_s_names(slow):
    client = slow()
    assert client.Sleep(request=slow.seconds(), metadata=None, wait_for_ready=True).value == 0
    assert client.Gather(request_iterator=iter([slow.seconds()])).value == 0
    assert isinstance(client.Sleep, grpc.UnaryUnaryMultiCallable)
    assert isinstance(client.Echo, grpc.StreamStreamMultiCallable)


def test_a_total_timeout_of_0_is_an_error_with_its_path(slow):
    with pytest.raises(ConfigError, match=r"slow\.options\.total_timeout: "):
        slow(total_timeout=0)


def servicer(base, defs):
    """Responds with the seconds that remain for the servicer's own calls."""

    class Asked(base):
        def Sleep(self, request, context):
            left = remaining()
            return defs.Seconds(value=NONE if left is None else left)

        def Gather(self, request_iterator, context):
            return self.Sleep(next(request_iterator), context)

        def Count(self, request, context):
            yield self.Sleep(request, context)
            with deadline(100):  # holds from one response to the next
                yield self.Sleep(request, context)
                yield self.Sleep(request, context)

        def Echo(self, request_iterator, context):
            yield from self.Count(next(request_iterator), context)

    return Asked()


def aio_servicer(base, defs):
    class Asked(base):
        async def Sleep(self, request, context):
            left = remaining()
            return defs.Seconds(value=NONE if left is None else left)

        def Gather(self, request_iterator, context):  # a plain function, which an asyncio server runs in a thread
            left = remaining()
            return defs.Seconds(value=NONE if left is None else left)

        async def Count(self, request, context):
            for _ in range(3):
                yield await self.Sleep(request, context)

        async def Echo(self, request_iterator, context):  # the other way to write a stream
            for _ in range(3):
                await context.write(await self.Sleep(request_iterator, context))

    return Asked()


def answers(stub, seconds, timeout):
    return [
        stub.Sleep(seconds(), timeout=timeout).value,
        stub.Gather(iter([seconds()]), timeout=timeout).value,
        *[each.value for each in stub.Count(seconds(), timeout=timeout)],
        *[each.value for each in stub.Echo(iter([seconds()]), timeout=timeout)],
    ]


def test_a_servicer_s_calls_end_with_the_call_that_it_serves(project):
    project.install("slow", {"slow.proto": DEFINITIONS})
    service = project.resolver("slow").current_service()
    server = grpc.server(ThreadPoolExecutor(1), interceptors=[DeadlineInterceptor()])  # one thread, used again
    service.add_servicer(servicer(service.Servicer, service.defs), server)
    resolver = project.resolver(slow=server.add_insecure_port("127.0.0.1:0"))
    server.start()
    client = resolver.service("slow").client
    left = answers(client, service.defs.Seconds, 300)
    assert [round(each, -2) for each in left] == [300, 300, 300, 100, 100, 300, 100, 100], left
    assert next(client.Count(service.defs.Seconds())).value == NONE
    with pytest.raises(grpc.RpcError) as caught:
        client.Sleep.future(service.defs.Seconds(), timeout=-1).result()
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    resolver.close()
    server.stop(None).wait()


def test_a_cancelled_stream_leaves_the_deadline_that_its_servicer_has_entered(project):
    project.install("slow", {"slow.proto": DEFINITIONS})
    service, closed = project.resolver("slow").current_service(), threading.Event()

    class Endless(service.Servicer):
        def Count(self, request, context):
            try:
                with deadline(60):
                    while True:
                        yield request
                        time.sleep(0.01)
            except GeneratorExit:  # and no error from leaving the deadline in another context
                closed.set()
                raise

    server = grpc.server(ThreadPoolExecutor(1), interceptors=[DeadlineInterceptor()])
    service.add_servicer(Endless(), server)
    resolver = project.resolver(slow=server.add_insecure_port("127.0.0.1:0"))
    server.start()
    stream = resolver.service("slow").client.Count(service.defs.Seconds(), timeout=5)
    next(stream)
    stream.cancel()
    assert closed.wait(5)
    resolver.close()
    server.stop(None).wait()


def test_an_asyncio_servicer_s_calls_end_with_the_call_that_it_serves(project):
    project.install("slow", {"slow.proto": DEFINITIONS})
    service = project.resolver("slow").current_service()

    async def run():
        server = grpc.aio.server(interceptors=[AioDeadlineInterceptor()])
        service.add_servicer(aio_servicer(service.Servicer, service.defs), server)
        resolver = project.resolver(slow=server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        client = resolver.service("slow").client
        found = await asyncio.to_thread(answers, client, service.defs.Seconds, 300)
        unlimited = await asyncio.to_thread(lambda: next(client.Count(service.defs.Seconds())).value)
        resolver.close()
        await server.stop(None)
        return found, unlimited

    found, unlimited = asyncio.run(run())
    assert [round(each, -2) for each in found] == [300] * 8, found
    assert unlimited == NONE


def test_an_asyncio_servicer_s_own_deadline_holds_from_one_response_to_the_next(project):
    project.install("slow", {"slow.proto": DEFINITIONS})
    service = project.resolver("slow").current_service()

    class Nested(service.Servicer):
        async def Count(self, request, context):
            with deadline(200):
                for _ in range(3):
                    yield service.defs.Seconds(value=remaining())
            yield service.defs.Seconds(value=remaining())

    async def run():
        server = grpc.aio.server(interceptors=[AioDeadlineInterceptor()])
        service.add_servicer(Nested(), server)
        resolver = project.resolver(slow=server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        client = resolver.service("slow").client
        found = await asyncio.to_thread(lambda: list(client.Count(service.defs.Seconds(), timeout=900)))
        resolver.close()
        await server.stop(None)
        return [round(each.value, -2) for each in found]

    assert asyncio.run(run()) == [200, 200, 200, 900]


def test_an_unknown_method_is_unimplemented_with_the_interceptor():
    server = grpc.server(ThreadPoolExecutor(1), interceptors=[DeadlineInterceptor()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/a/B")(b"", timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    server.stop(None).wait()
