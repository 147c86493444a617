"""`service(name).aio.client` has grpc.aio's rpcs, with everything that `service(name).client` adds to grpc."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from ledger import Outcomes

from architect_core.deadline import deadline
from architect_core.exceptions import ConfigError, StubError
from architect_grpc import AioDeadlineInterceptor
from architect_testing.tools.sockets import can_see_sockets, left_open, open_sockets

DEFINITIONS = """
package asked;
message Ask { int32 number = 1; double seconds = 2; }
message Reply { int32 number = 1; double left = 2; map<string, string> metadata = 3; string by = 4; }
service Kinds {
  rpc Pay (Ask) returns (Reply);
  rpc Count (Ask) returns (stream Reply);
  rpc Sum (stream Ask) returns (Reply);
  rpc Double (stream Ask) returns (stream Reply);
}
service Other { rpc Close (Ask) returns (Reply); }
"""
LONG = 20  # seconds that a call takes if nothing ends it


@pytest.fixture
def kinds(project):
    """Starts a server that responds with its view of the call, and returns the service "kinds" at it."""
    project.install("kinds", {"kinds.proto": DEFINITIONS})
    serving = project.resolver("kinds").current_service()
    over, started = threading.Event(), []

    def start(credentials=None, host="127.0.0.1", **options):
        server = grpc.server(ThreadPoolExecutor(8))
        serving.add_servicer(servicer(serving, f"server {len(started)}", over), server)
        at = "127.0.0.1:0"
        port = server.add_secure_port(at, credentials) if credentials else server.add_insecure_port(at)
        server.start()
        project.config["kinds"] = {"host": host, "port": port, "api": "grpc", "options": options}
        resolver = project.resolver()
        started.append((resolver, server))
        return resolver.service("kinds")

    start.resolver = lambda: started[-1][0]
    yield start
    over.set()
    for resolver, server in started:
        resolver.close()
        server.stop(None).wait()


def servicer(serving, name, over):
    def reply(number, context):
        metadata = {each.key: each.value for each in context.invocation_metadata()}
        return serving.defs.Reply(number=number, left=context.time_remaining(), metadata=metadata, by=name)

    class Kinds(serving.Servicer.Kinds):
        def Pay(self, request, context):
            over.wait(request.seconds)
            if request.number < 0:
                context.set_trailing_metadata([("x-reason", "7")])
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "too little")
            return reply(request.number * 2, context)

        def Count(self, request, context):
            for number in range(request.number):
                over.wait(request.seconds)
                yield reply(number, context)

        def Sum(self, request_iterator, context):
            return reply(sum(request.number for request in request_iterator), context)

        def Double(self, request_iterator, context):
            for request in request_iterator:
                yield self.Pay(request, context)

    return Kinds()


async def each_of(*requests):
    for request in requests:
        yield request


async def all_kinds(service, **arguments):
    """The responses of the four kinds of rpcs."""
    client, ask = service.aio.client, service.defs.Ask
    return [
        await client.Pay(ask(number=10), **arguments),
        *[reply async for reply in client.Count(ask(number=1), **arguments)],
        await client.Sum(each_of(ask(number=1), ask(number=2)), **arguments),
        *[reply async for reply in client.Double(each_of(ask(number=4)), **arguments)],
    ]


async def code_of(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asyncio.wait_for(call, 10)
    return caught.value.code()


async def assert_cut(call):
    started = time.monotonic()
    assert await code_of(call) is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - started < LONG / 2


async def listed(stream):
    return [each async for each in stream]


def test_all_four_kinds_of_calls_work(kinds):
    service = kinds()
    assert [reply.number for reply in asyncio.run(all_kinds(service))] == [20, 0, 3, 8]


def test_requests_are_written_or_come_from_a_plain_iterable(kinds):
    async def use():
        client, ask = service.aio.client, service.defs.Ask
        assert (await client.Sum([ask(number=1), ask(number=2)])).number == 3
        call = client.Sum()
        await call.write(ask(number=5))
        await call.done_writing()
        assert (await call).number == 5
        call = client.Double(timeout=5)
        for number in (1, 2):
            await call.write(ask(number=number))
            assert (await call.read()).number == 2 * number
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF

    service = kinds()
    asyncio.run(use())


def test_rpcs_and_calls_have_grpc_aio_s_types_and_arguments(kinds):
    async def use():
        client, ask = service.aio.client, service.defs.Ask(number=1)
        for name, kind in (("Pay", "Unary"), ("Count", "Unary"), ("Sum", "Stream"), ("Double", "Stream")):
            answered = "Stream" if name in ("Count", "Double") else "Unary"
            assert isinstance(getattr(client, name), getattr(grpc.aio, f"{kind}{answered}MultiCallable"))
        call = client.Pay(
            request=ask,
            timeout=5,
            metadata=grpc.aio.Metadata(("x-trace", "7")),
            credentials=None,
            wait_for_ready=True,
            compression=grpc.Compression.Gzip,
        )
        assert isinstance(call, grpc.aio.UnaryUnaryCall)
        assert (await call).metadata["x-trace"] == "7"
        assert await call.code() is grpc.StatusCode.OK
        assert isinstance(await call.trailing_metadata(), grpc.aio.Metadata)
        assert isinstance(client.Count(request=ask, compression=None), grpc.aio.UnaryStreamCall)
        reply = await client.Sum([ask], 5, (("x-trace", "8"),), None, True, None)
        assert (reply.metadata["x-trace"], reply.left < 6) == ("8", True)
        assert isinstance(client.Double(request_iterator=[ask], wait_for_ready=True), grpc.aio.StreamStreamCall)
        with pytest.raises(TypeError, match="positional"):
            client.Pay(ask, 5)

    service = kinds()
    asyncio.run(use())


def test_services_and_rpcs_have_the_names_of_the_other_client(kinds):
    async def use():
        client = service.aio.client
        assert client.Kinds.Pay is client.Pay is client["asked.Kinds"].Pay
        assert isinstance(client.channel, grpc.aio.Channel)
        assert repr(client) == repr(service.client)
        with pytest.raises(AttributeError, match=r"has no rpc or service 'Pya' .did you mean 'Pay'.*known: "):
            _ = client.Pya
        with pytest.raises(AttributeError, match=r"asked\.Kinds has no rpc 'Pya'"):
            _ = client.Kinds.Pya
        with pytest.raises(KeyError, match=r"kinds has no service 'asked\.Kind'"):
            _ = client["asked.Kind"]

    service = kinds()
    asyncio.run(use())


def test_errors_are_grpc_aio_s_own(kinds):
    async def use():
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await service.aio.client.Pay(service.defs.Ask(number=-1))
        assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "too little")
        assert caught.value.trailing_metadata()["x-reason"] == "7"
        assert await code_of(service.aio.client.Close(service.defs.Ask())) is grpc.StatusCode.UNIMPLEMENTED

    service = kinds()
    asyncio.run(use())


def test_a_dead_endpoint_is_unavailable(project):
    async def use():
        return await code_of(service.aio.client.Pay(service.defs.Ask(), timeout=5))

    project.install("kinds", {"kinds.proto": DEFINITIONS})
    service = project.resolver().service("kinds")
    assert asyncio.run(use()) is grpc.StatusCode.UNAVAILABLE


def test_errors_of_the_entry_and_of_the_stubs_are_those_of_the_synchronous_client(kinds, project):
    async def use(service):
        return service.aio.client

    with pytest.raises(ConfigError, match=r"kinds\.options\.total_timeout: "):
        asyncio.run(use(kinds(total_timeout=0)))
    project.config["mail"] = {"host": "127.0.0.1", "port": 1, "api": "grpc"}
    with pytest.raises(StubError, match=r"there are no stubs of mail .*architect install"):
        asyncio.run(use(project.resolver().service("mail")))


def test_total_timeout_ends_a_call_with_a_single_response_and_no_response_stream(kinds):
    async def use():
        client, ask = service.aio.client, service.defs.Ask
        await assert_cut(client.Pay(ask(seconds=LONG)))
        await assert_cut(client.Sum())
        assert len(await listed(client.Count(ask(number=3, seconds=0.05)))) == 3
        assert len(await listed(client.Double([ask(seconds=0.05)] * 3))) == 3

    service = kinds(total_timeout=0.1)
    asyncio.run(use())


def test_total_timeout_is_30_seconds_by_default_and_no_limit_if_null_and_a_call_s_timeout_wins(kinds):
    left = [reply.left for reply in asyncio.run(all_kinds(kinds()))]
    assert 25 < left[0] < 31
    assert 25 < left[2] < 31
    assert min(left[1], left[3]) > 10**6
    assert min(reply.left for reply in asyncio.run(all_kinds(kinds(total_timeout=None)))) > 10**6
    left = [reply.left for reply in asyncio.run(all_kinds(kinds(), timeout=90))]
    assert 85 < min(left) <= max(left) < 91


def test_no_call_outlives_the_deadline_around_it(kinds):
    async def use():
        client, ask = service.aio.client, service.defs.Ask
        for call in (
            lambda: client.Pay(ask(seconds=LONG), timeout=60),
            client.Sum,
            lambda: listed(client.Count(ask(number=1, seconds=LONG))),
            lambda: listed(client.Double([ask(seconds=LONG)])),
        ):
            with deadline(0.1):
                await assert_cut(call())
        with deadline(0):
            await assert_cut(client.Pay(ask()))
        with deadline(60):
            await assert_cut(client.Pay(ask(seconds=LONG), timeout=0.1))

    service = kinds()
    asyncio.run(use())


def test_each_task_has_a_deadline_of_its_own(kinds):
    async def left(seconds):
        with deadline(seconds):
            return (await service.aio.client.Pay(service.defs.Ask(seconds=0.1))).left

    async def use():
        return await asyncio.gather(left(200), left(400), left(300))

    service = kinds(total_timeout=None)
    assert [round(each, -2) for each in asyncio.run(use())] == [200, 400, 300]


def test_a_servicer_s_calls_end_with_the_call_that_it_serves(kinds, project):
    project.install("front", {"front.proto": DEFINITIONS.replace("asked", "front")})
    front, back = project.resolver("front").current_service(), kinds()

    class Front(front.Servicer.Kinds):
        async def Pay(self, request, context):
            return front.defs.Reply(left=(await back.aio.client.Pay(back.defs.Ask())).left)

    async def use():
        server = grpc.aio.server(interceptors=[AioDeadlineInterceptor()])
        front.add_servicer(Front(), server)
        service = project.resolver(front=server.add_insecure_port("127.0.0.1:0")).service("front")
        await server.start()
        try:
            return (await service.aio.client.Pay(service.defs.Ask(), timeout=20)).left
        finally:
            await server.stop(None)

    assert 5 < asyncio.run(use()) < 21


def test_auth_is_sent_over_tls_with_each_kind_of_call(kinds, files):
    service = kinds(files.server("127.0.0.1"), tls={"ca": str(files.ca)}, auth={"bearer": "t0ken"})
    reply = asyncio.run(all_kinds(service))
    assert [each.metadata["authorization"] for each in reply] == ["Bearer t0ken"] * 4
    for own in ([("x-trace", "7")], grpc.aio.Metadata(("x-trace", "7"))):
        reply = asyncio.run(all_kinds(service, metadata=own))
        assert [each.metadata["authorization"] for each in reply] == ["Bearer t0ken"] * 4
        assert [each.metadata["x-trace"] for each in reply] == ["7"] * 4
    own = grpc.aio.Metadata(("authorization", "own"))
    assert [each.metadata["authorization"] for each in asyncio.run(all_kinds(service, metadata=own))] == ["own"] * 4


def test_a_server_with_an_untrusted_certificate_is_not_called(kinds, files):
    async def use(service):
        return await code_of(service.aio.client.Pay(service.defs.Ask(), timeout=5))

    assert asyncio.run(use(kinds(files.server("127.0.0.1"), "grpcs://127.0.0.1"))) is grpc.StatusCode.UNAVAILABLE
    elsewhere = kinds(files.server("elsewhere.internal"), tls={"ca": str(files.ca)})
    assert asyncio.run(use(elsewhere)) is grpc.StatusCode.UNAVAILABLE


def test_auth_is_never_sent_in_plain_text_to_another_machine(kinds):
    async def use():
        return kinds(None, "payments.internal", auth={"bearer": "canary"}).aio.client

    with pytest.raises(ConfigError, match=r"kinds\.options\.auth: is sent over TLS") as caught:
        asyncio.run(use())
    assert "canary" not in str(caught.value)


def test_event_loops_in_several_threads_call_at_the_same_time(kinds):
    async def use():
        ask = service.defs.Ask
        answers = await asyncio.gather(*(service.aio.client.Pay(ask(number=number)) for number in range(50)))
        return [reply.number for reply in answers]

    service = kinds()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: asyncio.run(use()), range(8)))
    assert found == [[2 * number for number in range(50)]] * 8


def test_both_clients_of_a_service_can_be_used_at_the_same_time(kinds):
    async def use():
        ask = service.defs.Ask(number=4)
        there = asyncio.to_thread(service.client.Pay, ask)
        assert [reply.number for reply in await asyncio.gather(service.aio.client.Pay(ask), there)] == [8, 8]

    service = kinds()
    asyncio.run(use())


@pytest.mark.skipif(not can_see_sockets(), reason="this system does not list open sockets")
def test_no_socket_is_left_when_a_client_is_closed_or_its_loop_ends(kinds):
    async def use(*, close):
        before = open_sockets()
        kept.append(service.aio.client)  # so that garbage collection does not close it
        assert (await kept[-1].Pay(service.defs.Ask(number=1))).number == 2
        assert open_sockets() - before
        if close:
            await service.aio.close()
            assert await asyncio.to_thread(left_open, before, 5) == 0

    service, kept = kinds(), []
    gc.collect()  # gRPC shares connections, and one of an earlier test may be kept by garbage
    asyncio.run(use(close=False))
    before = open_sockets()
    for close in (True, False):
        asyncio.run(use(close=close))
        assert left_open(before, 5) == 0


def test_a_call_in_progress_ends_when_its_client_is_closed(kinds):
    async def use():
        call = service.aio.client.Pay(service.defs.Ask(seconds=LONG))
        await asyncio.sleep(0.1)
        await service.aio.close()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await call.code() is grpc.StatusCode.CANCELLED
        assert (await service.aio.client.Pay(service.defs.Ask(number=1))).number == 2

    service = kinds()
    asyncio.run(asyncio.wait_for(use(), 10))


def test_a_client_that_the_application_has_closed_is_replaced(kinds):
    service = kinds()

    async def use():
        await service.aio.client.aclose()
        return (await service.aio.client.Pay(service.defs.Ask(number=1))).number

    assert asyncio.run(asyncio.wait_for(use(), 10)) == 2


def test_a_client_that_was_closed_with_close_is_replaced_too(kinds):
    service = kinds()

    async def use():
        await service.aio.client.close()
        return (await service.aio.client.Pay(service.defs.Ask(number=1))).number

    assert asyncio.run(asyncio.wait_for(use(), 10)) == 2


def test_after_a_reload_calls_go_to_the_new_address_and_the_former_client_is_closed_once_drained(kinds):
    def move(drain):
        moved = kinds().config
        resolver._config = {"kinds": {"host": "127.0.0.1", "port": moved.port, "api": "grpc"}}
        assert resolver.reload(drain=drain).services == {"kinds"}

    async def use():
        first, ask = service.aio.client, service.defs.Ask()
        assert (await first.Pay(ask)).by == "server 0"
        move(drain=60)
        second = service.aio.client
        assert (await second.Pay(ask)).by == "server 1"
        assert (await first.Pay(ask)).by == "server 0"  # until it is drained
        move(drain=0.01)
        assert (await service.aio.client.Pay(ask)).by == "server 2"
        while repr(second) != "<gRPC client of kinds: closed>":
            await asyncio.sleep(0.01)
        for use_second in (lambda: second.Pay, lambda: second["asked.Kinds"], lambda: second.channel):
            with pytest.raises(
                grpc.aio.UsageError, match=r"kinds is closed; take service\('kinds'\)\.aio\.client anew"
            ):
                use_second()

    service, resolver = kinds(), kinds.resolver()
    asyncio.run(asyncio.wait_for(use(), 30))


def test_idempotent_calls_succeed_and_others_are_sent_once_while_each_instance_is_killed(ledger):
    three = ledger("127.0.0.1", "127.0.0.1", "127.0.0.1")
    service = three.service()
    word, outcomes = service.defs.Word, Outcomes()

    async def load(task, over):
        number, client = 0, service.aio.client
        while not over.is_set():
            number += 1
            try:
                outcomes.looked.append((await client.Look(word(text="a"))).text)
            except grpc.aio.AioRpcError as problem:
                outcomes.failed.append(problem)
            try:
                await client.Post(word(text=f"{task}/{number}"))
            except grpc.aio.AioRpcError as problem:
                outcomes.lost[problem.code()] += 1

    async def use():
        over = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for task in range(8):
                tasks.create_task(load(task, over))
            try:
                await asyncio.to_thread(three.kill_each_in_turn, outcomes)
            finally:
                over.set()

    asyncio.run(use())
    three.assert_no_look_failed_and_no_post_was_served_twice(outcomes)


def test_an_idempotent_call_is_retried_as_often_as_the_option_retries_says_and_another_never(ledger):
    async def use(service, retries):
        ask = service.defs.Word(text=f"unavailable {retries}")
        for rpc in (service.aio.client.Look, service.aio.client.Post):
            assert await code_of(rpc(ask)) is grpc.StatusCode.UNAVAILABLE

    one = ledger("127.0.0.1")
    for retries, sent in ((2, 3), (0, 1)):
        asyncio.run(use(one.service(retries=retries), retries))
        assert one.times(f"Look unavailable {retries}") == sent
        assert one.times(f"Post unavailable {retries}") == 1
