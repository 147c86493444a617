"""What `configure_client` adds to a client: interceptors that keep deadlines and identity, and call credentials."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

import architect_grpc
from architect_core.contract import ClientObserver, Target
from architect_core.deadline import deadline
from architect_core.exceptions import ConfigError
from architect_grpc.plugin import GrpcClientFactory
from architect_grpc.settings import GrpcOptions

DEFINITIONS = """
package asked;
message Ask { int32 number = 1; double seconds = 2; }
message Reply { int32 number = 1; double left = 2; map<string, string> metadata = 3; }
service Kinds {
  rpc Pay (Ask) returns (Reply);
  rpc Count (Ask) returns (stream Reply);
  rpc Sum (stream Ask) returns (Reply);
  rpc Double (stream Ask) returns (stream Reply);
}
"""
LONG = 20  # seconds that a call takes if nothing ends it
TOKEN = {"auth": {"bearer": "t0ken"}}


class Server:
    """Starts servers that respond with their view of the call, and returns the service "kinds" at one.

    Attributes:
        times: how many calls have arrived.
    """

    def __init__(self, project):
        project.install("kinds", {"kinds.proto": DEFINITIONS})
        self._project, self._opened, self._over = project, [], threading.Event()
        self._serving = project.resolver("kinds").current_service()
        self.times = 0

    def __call__(self, credentials=None, host="127.0.0.1", **options):
        server = grpc.server(ThreadPoolExecutor(8))
        self._serving.add_servicer(self._servicer(), server)
        at = "127.0.0.1:0"
        port = server.add_secure_port(at, credentials) if credentials else server.add_insecure_port(at)
        server.start()
        self._project.config["kinds"] = {"host": host, "port": port, "api": "grpc", "options": options}
        resolver = self._project.resolver()
        self._opened += [lambda: server.stop(None).wait(), resolver.close]
        return resolver.service("kinds")

    def _servicer(self):
        over, reply, arrived = self._over, self._serving.defs.Reply, self._arrived

        class Kinds(self._serving.Servicer):
            def Pay(self, request, context):
                arrived()
                over.wait(request.seconds)
                if request.number < 0:
                    context.abort(grpc.StatusCode.UNAVAILABLE, "for now")
                return self.reply(request.number * 2, context)

            def Count(self, request, context):
                for number in range(request.number):
                    yield self.reply(number, context)

            def Sum(self, request_iterator, context):
                return self.reply(sum(request.number for request in request_iterator), context)

            def Double(self, request_iterator, context):
                for request in request_iterator:
                    yield self.Pay(request, context)

            def reply(self, number, context):
                metadata = {each.key: each.value for each in context.invocation_metadata()}
                return reply(number=number, left=context.time_remaining(), metadata=metadata)

        return Kinds()

    def _arrived(self):
        self.times += 1

    def close(self):
        self._over.set()
        for close in reversed(self._opened):
            close()


@pytest.fixture
def kinds(project):
    server = Server(project)
    yield server
    server.close()
    architect_grpc.configure_client("kinds")


def adding(library, is_aio, pairs):
    """An interceptor of all four kinds of calls, which adds metadata and records what it has seen."""
    bases = tuple(
        getattr(library, f"{request}{response}ClientInterceptor")
        for request in ("Unary", "Stream")
        for response in ("Unary", "Stream")
    )

    class Adding(*bases):
        def __init__(self):
            self.seen = []

        def send(self, continuation, details, request):
            self.seen.append(details)
            metadata = grpc.aio.Metadata(*details.metadata, *pairs) if is_aio else (*(details.metadata or ()), *pairs)
            return continuation(details._replace(metadata=metadata), request)

        async def aio_send(self, continuation, details, request):
            return await self.send(continuation, details, request)

        intercept_unary_unary = intercept_unary_stream = aio_send if is_aio else send
        intercept_stream_unary = intercept_stream_stream = aio_send if is_aio else send

    return Adding()


class Retry(grpc.UnaryUnaryClientInterceptor):
    """Sends a call up to five times, with no metadata and a timeout of its own."""

    def intercept_unary_unary(self, continuation, details, request):
        for _ in range(5):
            call = continuation(details._replace(metadata=None, timeout=LONG), request)
            if call.code() is grpc.StatusCode.OK:
                break
        return call


class AioRetry(grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation, details, request):
        for _ in range(5):
            call = await continuation(details._replace(metadata=None, timeout=LONG), request)
            if await call.code() is grpc.StatusCode.OK:
                break
        return call


async def all_kinds(service, **arguments):
    """The responses of the four kinds of rpcs from the synchronous client, and then from the asynchronous one."""
    ask, client, aio = service.defs.Ask, service.client, service.aio.client
    found = await asyncio.to_thread(
        lambda: [
            client.Pay(ask(number=10), **arguments),
            client.Pay.with_call(ask(number=10), **arguments)[0],
            client.Pay.future(ask(number=10), **arguments).result(),
            *client.Count(ask(number=1), **arguments),
            client.Sum(iter([ask(number=1)]), **arguments),
            *client.Double(iter([ask(number=4)]), **arguments),
        ]
    )
    return [
        *found,
        await aio.Pay(ask(number=10), **arguments),
        *[each async for each in aio.Count(ask(number=1), **arguments)],
        await aio.Sum([ask(number=1)], **arguments),
        *[each async for each in aio.Double([ask(number=4)], **arguments)],
    ]


def both(service, use):
    """The results of `use(client, ask)` with the synchronous client, and with the asynchronous one."""

    async def use_aio():
        return await use(service.aio.client, service.defs.Ask)

    return [use(service.client, service.defs.Ask), asyncio.run(use_aio())]


def codes(service, use):
    """Like `both`, for calls that fail."""

    async def use_aio():
        return await use(service.aio.client, service.defs.Ask)

    found = []
    for call in (lambda: use(service.client, service.defs.Ask), lambda: asyncio.run(use_aio())):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        found.append(caught.value.code())
    return found


def test_interceptors_see_each_kind_of_call_with_its_timeout_and_identity(kinds):
    own = [adding(grpc, False, [("x-trace", "7")]), adding(grpc.aio, True, [("x-trace", "7")])]
    architect_grpc.configure_client("kinds", interceptors=own)
    replies = asyncio.run(all_kinds(kinds(**TOKEN), timeout=50))
    assert [reply.number for reply in replies] == [20, 20, 20, 0, 1, 8, 20, 0, 1, 8]
    assert [reply.metadata["x-trace"] for reply in replies] == ["7"] * 10
    assert [reply.metadata["authorization"] for reply in replies] == ["Bearer t0ken"] * 10
    assert all(45 < reply.left < 51 for reply in replies)
    assert [len(each.seen) for each in own] == [6, 4]
    for details in [each for one in own for each in one.seen]:
        assert (details.timeout, ("authorization", "Bearer t0ken") in [tuple(each) for each in details.metadata]) == (
            50,
            True,
        )


def test_the_default_timeout_and_the_deadline_around_calls_apply_through_interceptors(kinds):
    architect_grpc.configure_client("kinds", interceptors=[adding(grpc, False, []), adding(grpc.aio, True, [])])
    service = kinds(total_timeout=30)
    left = [reply.left for reply in asyncio.run(all_kinds(service))]
    assert all(25 < left[number] < 31 for number in (0, 1, 2, 4, 6, 8))  # with a single response
    with deadline(9):
        assert all(5 < reply.left < 10 for reply in asyncio.run(all_kinds(service, timeout=50)))


def test_the_first_interceptor_sees_a_call_first(kinds):
    first, second = adding(grpc, False, [("x-first", "1")]), adding(grpc, False, [])
    aio_first, aio_second = adding(grpc.aio, True, [("x-first", "1")]), adding(grpc.aio, True, [])
    architect_grpc.configure_client("kinds", interceptors=[first, aio_first, second, aio_second])
    asyncio.run(all_kinds(kinds()))
    for early, late in ((first, second), (aio_first, aio_second)):
        assert not any("x-first" in dict(each.metadata or ()) for each in early.seen)
        assert all("x-first" in dict(each.metadata) for each in late.seen)


def test_an_interceptor_of_one_kind_sees_calls_of_that_kind_only(kinds):
    architect_grpc.configure_client("kinds", interceptors=[Retry(), AioRetry()])
    replies = asyncio.run(all_kinds(kinds(**TOKEN)))
    assert [reply.number for reply in replies] == [20, 20, 20, 0, 1, 8, 20, 0, 1, 8]
    assert [reply.metadata["authorization"] for reply in replies] == ["Bearer t0ken"] * 10


def test_an_interceptor_that_sends_a_call_again_sends_the_identity_each_time(kinds):
    architect_grpc.configure_client("kinds", interceptors=[Retry(), AioRetry()])
    service = kinds(**TOKEN)
    replies = both(service, lambda client, ask: client.Pay(ask(number=1), metadata=[("x-own", "7")]))
    assert [reply.metadata["authorization"] for reply in replies] == ["Bearer t0ken"] * 2
    assert codes(service, lambda client, ask: client.Pay(ask(number=-1))) == [grpc.StatusCode.UNAVAILABLE] * 2
    assert kinds.times == 2 + 2 * 5


@pytest.mark.parametrize("limit", ["timeout", "total_timeout", "deadline"])
def test_an_interceptor_that_sends_a_call_again_takes_no_longer_than_its_timeout_in_all(kinds, limit):
    architect_grpc.configure_client("kinds", interceptors=[Retry(), AioRetry()])
    service = kinds(**({"total_timeout": 0.5} if limit == "total_timeout" else {}))
    timeout = {"timeout": 0.5} if limit == "timeout" else {}
    started = time.monotonic()
    with deadline(0.5 if limit == "deadline" else 60):
        service.client.Pay  # noqa: B018 - making it is no part of the call
        with pytest.raises(grpc.RpcError) as caught:
            service.client.Pay(service.defs.Ask(number=1, seconds=LONG), **timeout)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED

    async def use():
        with deadline(0.5 if limit == "deadline" else 60), pytest.raises(grpc.aio.AioRpcError) as caught:
            await service.aio.client.Pay(service.defs.Ask(number=1, seconds=LONG), **timeout)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED

    asyncio.run(use())
    assert time.monotonic() - started < LONG / 2


def test_an_interceptor_may_answer_itself(kinds):
    class Cached(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
        def intercept_unary_unary(self, continuation, details, request):
            return self.outcome

        def intercept_unary_stream(self, continuation, details, request):
            return iter([service.defs.Reply(number=70)])

    class AioCached(grpc.aio.UnaryUnaryClientInterceptor):
        async def intercept_unary_unary(self, continuation, details, request):
            return service.defs.Reply(number=7)

    cached = Cached()
    architect_grpc.configure_client("kinds", interceptors=[cached, AioCached()])
    service = kinds()
    cached.outcome = grpc._interceptor._UnaryOutcome(service.defs.Reply(number=7), None)
    assert [reply.number for reply in both(service, lambda client, ask: client.Pay(ask()))] == [7, 7]
    assert [each.number for each in service.client.Count(service.defs.Ask())] == [70]
    assert kinds.times == 0


def test_an_observer_is_notified_once_of_a_call_that_an_interceptor_sends_several_times(kinds, project):
    ended = []

    class Recorder(ClientObserver):
        def ended(self, outcome):
            ended.append(outcome.error)

    async def use():
        client = factory.aio_client(target)
        await client.Pay(ask(number=1))
        with pytest.raises(grpc.aio.AioRpcError):
            await client.Pay(ask(number=-1))
        await factory.aio_close(client)

    architect_grpc.configure_client("kinds", interceptors=[Retry(), AioRetry()])
    service, factory = kinds(), GrpcClientFactory()
    ask = service.defs.Ask
    target = Target("kinds", service.config, GrpcOptions(), "the test", lambda: project.root, Recorder())
    client = factory.client(target)
    client.Pay(ask(number=1))
    with pytest.raises(grpc.RpcError):
        client.Pay(ask(number=-1))
    factory.close(client)
    asyncio.run(use())
    assert ended == [None, "UNAVAILABLE"] * 2
    assert kinds.times == 2 + 2 * 5


def test_a_closed_client_with_interceptors_says_so(kinds):
    architect_grpc.configure_client("kinds", interceptors=[Retry(), AioRetry()])
    service = kinds()
    pay = service.client.Pay
    service.close()
    with pytest.raises(ValueError, match="closed channel"):
        pay(service.defs.Ask(), timeout=5)

    async def use():
        pay = service.aio.client.Pay
        await service.aio.close()
        with pytest.raises(grpc.aio.UsageError, match="closed"):
            await pay(service.defs.Ask(), timeout=5)

    asyncio.run(use())


def test_clients_that_exist_keep_what_they_were_made_with_and_new_ones_get_what_was_added_last(kinds):
    tracing = adding(grpc, False, [("x-trace", "7")])
    service = kinds()
    pay = service.client.Pay
    architect_grpc.configure_client("kinds", interceptors=[tracing])
    assert "x-trace" not in pay(service.defs.Ask()).metadata
    service.close()
    assert service.client.Pay(service.defs.Ask()).metadata["x-trace"] == "7"
    service.close()
    architect_grpc.configure_client("kinds")
    assert "x-trace" not in service.client.Pay(service.defs.Ask()).metadata


@pytest.mark.parametrize("wrong", [object(), "tracing", grpc.ServerInterceptor, Retry])
def test_an_object_that_is_no_client_interceptor_is_refused(wrong):
    with pytest.raises(TypeError, match=r"is no client interceptor of grpc or grpc\.aio"):
        architect_grpc.configure_client("kinds", interceptors=[Retry(), wrong])


class Token(grpc.AuthMetadataPlugin):
    """Gives each call the number of the call as its token."""

    def __init__(self):
        self.number = 0

    def __call__(self, context, callback):
        self.number += 1
        callback([("authorization", f"Bearer canary {self.number}")], None)


def test_call_credentials_are_sent_over_tls_with_each_kind_of_call(kinds, files):
    architect_grpc.configure_client("kinds", call_credentials=grpc.metadata_call_credentials(Token()))
    for interceptors in ([], [Retry(), AioRetry()]):
        credentials = grpc.metadata_call_credentials(Token())
        architect_grpc.configure_client("kinds", interceptors=interceptors, call_credentials=credentials)
        service = kinds(files.server("127.0.0.1"), tls={"ca": str(files.ca)})
        sent = [reply.metadata["authorization"] for reply in asyncio.run(all_kinds(service))]
        assert sent == [f"Bearer canary {number}" for number in range(1, 11)]


def test_call_credentials_are_sent_beside_auth(kinds, files):
    key = grpc.metadata_call_credentials(lambda context, callback: callback([("x-key", "k3y")], None))
    architect_grpc.configure_client("kinds", call_credentials=key)
    service = kinds(files.server("127.0.0.1"), tls={"ca": str(files.ca)}, **TOKEN)
    for reply in both(service, lambda client, ask: client.Pay(ask())):
        assert (reply.metadata["x-key"], reply.metadata["authorization"]) == ("k3y", "Bearer t0ken")


def test_call_credentials_are_not_sent_in_plain_text_to_this_machine(kinds):
    token = Token()
    architect_grpc.configure_client("kinds", call_credentials=grpc.metadata_call_credentials(token))
    for reply in asyncio.run(all_kinds(kinds())):
        assert "authorization" not in reply.metadata
    assert token.number == 0


@pytest.mark.parametrize("host", ["payments.internal", "grpc://10.0.0.1", "dns:///payments.internal:1", "xds:///p"])
def test_call_credentials_for_another_machine_in_plain_text_are_an_error(kinds, host):
    async def use():
        return service.aio.client

    architect_grpc.configure_client("kinds", call_credentials=grpc.access_token_call_credentials("canary"))
    service = kinds(host=host)
    for make in (lambda: service.client, lambda: asyncio.run(use())):
        with pytest.raises(ConfigError, match=r"kinds\.host: call credentials are sent over TLS only") as caught:
            make()
        assert "canary" not in str(caught.value)


def test_the_credentials_of_one_call_are_sent_over_tls_and_in_plain_text_the_call_fails(kinds, files):
    one = grpc.access_token_call_credentials("canary")
    service = kinds(files.server("127.0.0.1"), tls={"ca": str(files.ca)})
    for reply in both(service, lambda client, ask: client.Pay(ask(), credentials=one)):
        assert reply.metadata["authorization"] == "Bearer canary"
    kinds.times = 0
    plain = kinds()
    with pytest.raises(grpc.RpcError) as caught:
        plain.client.Pay(plain.defs.Ask(), credentials=one)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED

    async def use():
        with pytest.raises(grpc.aio.UsageError, match="secure channels"):
            await plain.aio.client.Pay(plain.defs.Ask(), credentials=one)

    asyncio.run(use())
    assert kinds.times == 0
