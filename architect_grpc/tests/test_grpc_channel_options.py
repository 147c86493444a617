"""`channel_options` and `service_config` reach gRPC: the server sees what they say."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from frames import ACK, DATA, PING, Recorder
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from architect_core.exceptions import ConfigError

DEFINITIONS = """
package asked;
message Word { string text = 1; }
message Seen { string user_agent = 1; string by = 2; }
service Who {
  rpc Ask (Word) returns (Seen) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Post (Word) returns (Seen);
}
"""


@pytest.fixture
def who(project):
    """Returns the service "who" with options; its server responds with what it has seen of the client."""
    project.install("who", {"who.proto": DEFINITIONS})
    serving = project.resolver("who").current_service()
    opened = []
    # known to grpc's server, and not to a servicer
    authority = grpc.unary_unary_rpc_method_handler(lambda _, context: context._rpc_event.call_details.host)
    called_as = grpc.method_handlers_generic_handler("called", {"As": authority})

    class Who(serving.Servicer):
        def __init__(self, name):
            self.name = name

        def Ask(self, request, context):
            sent = {each.key: each.value for each in context.invocation_metadata()}
            return serving.defs.Seen(user_agent=sent["user-agent"], by=self.name)

    class Start:
        def __init__(self):
            self.healths = []

        def server(self, credentials=None):
            server = grpc.server(ThreadPoolExecutor(4))
            serving.add_servicer(Who(str(len(self.healths))), server)
            server.add_generic_rpc_handlers((called_as,))
            self.healths.append(health.HealthServicer())
            health_pb2_grpc.add_HealthServicer_to_server(self.healths[-1], server)
            at = "127.0.0.1:0"
            port = server.add_secure_port(at, credentials) if credentials else server.add_insecure_port(at)
            server.start()
            opened.append(lambda: server.stop(None).wait())
            return port

        def at(self, *ports, **options):
            instances = [{"host": "127.0.0.1", "port": port} for port in ports]
            project.config["who"] = {"api": "grpc", "options": options, **instances[0]}
            project.config["who"] |= {"instances": instances} if ports[1:] else {}
            resolver = project.resolver()
            opened.append(resolver.close)
            return resolver.service("who")

        def __call__(self, credentials=None, **options):
            return self.at(self.server(credentials), **options)

    start = Start()
    yield start
    for close in reversed(opened):
        close()


def asked(service):
    """What the server has seen of the synchronous client and of the asynchronous one."""

    async def use():
        return await service.aio.client.Ask(service.defs.Word(), timeout=5)

    return [service.client.Ask(service.defs.Word(), timeout=5), asyncio.run(use())]


def authorities(service):
    """The authority of both clients' calls."""

    async def use():
        return await service.aio.client.channel.unary_unary("/called/As")(b"", timeout=5)

    return [service.client.channel.unary_unary("/called/As")(b"", timeout=5).decode(), asyncio.run(use()).decode()]


def code_of(call, *arguments, **named):
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **named)
    return caught.value.code()


@pytest.fixture
def recorder():
    started = Recorder()
    yield started
    started.close()


def test_the_server_sees_the_user_agent_and_the_authority(who):
    service = who(channel_options={"grpc.primary_user_agent": "shop/7", "grpc.default_authority": "payments.internal"})
    assert all(seen.user_agent.startswith("shop/7 grpc-python") for seen in asked(service))
    assert authorities(service) == ["payments.internal"] * 2


def test_the_authority_may_differ_from_the_name_in_the_certificate(who, files):
    tls = {"ca": str(files.ca), "server_name": "payments.internal"}
    authority = {"grpc.default_authority": "tenant.internal"}
    server = files.server("payments.internal")
    assert authorities(who(server, tls=tls)) == ["payments.internal"] * 2
    assert authorities(who(server, tls=tls, channel_options=authority)) == ["tenant.internal"] * 2
    wrong = who(server, tls=tls | {"server_name": "tenant.internal"}, channel_options=authority)
    assert code_of(wrong.client.Ask, wrong.defs.Word(), timeout=5) is grpc.StatusCode.UNAVAILABLE


def test_keepalive_pings_are_sent_as_configured(who, recorder):
    options = {"grpc.keepalive_time_ms": 50, "grpc.keepalive_permit_without_calls": True}
    service = who.at(recorder.port, channel_options=options)
    call = service.client.Ask.future(service.defs.Word(), timeout=30)
    recorder.wait_for(lambda frame: frame.kind == PING and not frame.flags & ACK)
    call.cancel()


def test_an_asynchronous_client_sends_keepalive_pings_as_configured(who, recorder):
    async def use():
        call = service.aio.client.Ask(service.defs.Word(), timeout=30)
        await asyncio.to_thread(recorder.wait_for, lambda frame: frame.kind == PING and not frame.flags & ACK)
        call.cancel()

    service = who.at(recorder.port, channel_options={"grpc.keepalive_time_ms": 50})
    asyncio.run(use())


@pytest.mark.parametrize(("algorithm", "flag"), [({}, 0), ({"grpc.default_compression_algorithm": 2}, 1)])
def test_messages_are_compressed_as_configured(who, recorder, algorithm, flag):
    service = who.at(recorder.port, channel_options=algorithm)
    call = service.client.Ask.future(service.defs.Word(text="a" * 10_000), timeout=30)
    data = recorder.wait_for(lambda frame: frame.kind == DATA)
    assert (data.payload[0], len(data.payload) < 1000) == (flag, bool(flag))  # the compressed-flag, and fewer bytes
    call.cancel()


def test_channel_options_take_precedence_over_architect_s_own_and_null_leaves_them_to_grpc(who):
    limit = {"grpc.max_receive_message_length": 1}
    service = who(max_receive_message_bytes=10**6, channel_options=limit)
    assert code_of(service.client.Ask, service.defs.Word()) is grpc.StatusCode.RESOURCE_EXHAUSTED
    service = who(max_receive_message_bytes=1, channel_options=dict.fromkeys(limit))
    assert asked(service)


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 1.5, [], {}, "a\nb", "a\0b"])
def test_a_channel_option_that_grpc_cannot_take_is_an_error_with_its_path(who, value):
    with pytest.raises(ConfigError, match=r"who\.options\.channel_options\.grpc\.any: must be a whole number"):
        _ = who.at(1, channel_options={"grpc.any": value}).client


def test_a_channel_option_without_a_name_is_an_error(who):
    for name in ("", "a b", "a\0"):
        with pytest.raises(ConfigError, match=r"who\.options\.channel_options"):
            _ = who.at(1, channel_options={name: 1}).client


def policy(**other):
    return {
        "maxAttempts": 3,
        "initialBackoff": "0.01s",
        "maxBackoff": "0.05s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    } | other


def method_config(method, **settings):
    return {"methodConfig": [{"name": [{"service": "ledger.Ledger", "method": method}], **settings}]}


def test_a_service_config_retries_an_rpc_that_is_not_idempotent_beside_those_that_are(ledger):
    one = ledger("127.0.0.1")
    service = one.service(service_config=method_config("Post", retryPolicy=policy()))
    for rpc in ("Post", "Look", "Put"):
        call = getattr(service.client, rpc)
        assert code_of(call, service.defs.Word(text="unavailable")) is grpc.StatusCode.UNAVAILABLE
        assert one.times(f"{rpc} unavailable") == 3


def test_an_asynchronous_client_retries_what_the_service_config_says(ledger):
    async def use():
        with pytest.raises(grpc.aio.AioRpcError):
            await service.aio.client.Post(service.defs.Word(text="unavailable"))

    one = ledger("127.0.0.1")
    service = one.service(service_config=method_config("Post", retryPolicy=policy()))
    asyncio.run(use())
    assert one.times("Post unavailable") == 3


def test_the_retry_policy_of_a_service_config_takes_precedence_for_its_rpc_only(ledger):
    one = ledger("127.0.0.1")
    service = one.service(service_config=method_config("Look", retryPolicy=policy(maxAttempts=5)))
    for rpc, times in (("Look", 5), ("Put", 3)):
        assert (
            code_of(getattr(service.client, rpc), service.defs.Word(text="unavailable")) is grpc.StatusCode.UNAVAILABLE
        )
        assert one.times(f"{rpc} unavailable") == times


def test_with_no_retries_only_the_service_config_s_own_calls_are_sent_again(ledger):
    one = ledger("127.0.0.1")
    service = one.service(retries=0, service_config=method_config("Post", retryPolicy=policy()))
    for rpc, times in (("Post", 3), ("Look", 1)):
        assert (
            code_of(getattr(service.client, rpc), service.defs.Word(text="unavailable")) is grpc.StatusCode.UNAVAILABLE
        )
        assert one.times(f"{rpc} unavailable") == times


def test_what_a_service_config_says_for_all_rpcs_applies_to_idempotent_ones_which_are_still_retried(ledger):
    one = ledger("127.0.0.1")
    service = one.service(service_config={"methodConfig": [{"name": [{}], "maxRequestMessageBytes": 50}]})
    for rpc, times in (("Look", 3), ("Post", 1)):
        call = getattr(service.client, rpc)
        assert code_of(call, service.defs.Word(text="x" * 51)) is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert code_of(call, service.defs.Word(text="unavailable")) is grpc.StatusCode.UNAVAILABLE
        assert one.times(f"{rpc} unavailable") == times


def test_an_attempt_without_a_response_is_followed_by_another_as_the_service_config_says(ledger):
    one = ledger("127.0.0.1")
    hedged = policy(perAttemptRecvTimeout="0.3s", retryableStatusCodes=[])
    service = one.service(service_config=method_config("Post", retryPolicy=hedged))
    assert service.client.Post(service.defs.Word(text="hang"), timeout=8).text
    assert one.times("Post hang") == 2


def test_an_unhealthy_instance_gets_no_calls_if_the_service_config_checks_health(who):
    ports = who.server(), who.server()
    who.healths[0].set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    service = who.at(*ports, service_config={"healthCheckConfig": {"serviceName": ""}})
    assert {service.client.Ask(service.defs.Word(), timeout=5).by for _ in range(20)} == {"1"}
    who.healths[0].set("", health_pb2.HealthCheckResponse.SERVING)
    who.healths[1].set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    while (seen := asked(service)[0].by) != "0":
        assert seen == "1"
    assert [each.by for each in asked(service)] == ["0", "0"]


def test_the_health_of_a_single_instance_is_checked_too(who):
    port = who.server()
    who.healths[0].set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    service = who.at(port, retries=0, service_config={"healthCheckConfig": {"serviceName": ""}})
    assert code_of(service.client.Ask, service.defs.Word(), timeout=5) is grpc.StatusCode.UNAVAILABLE
    who.healths[0].set("", health_pb2.HealthCheckResponse.SERVING)
    assert service.client.Ask(service.defs.Word(), timeout=5, wait_for_ready=True).by == "0"


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"methodConfigs": []}, r"\.methodConfigs: unknown key \(did you mean 'methodConfig'"),
        ({"methodConfig": [{"name": []}]}, r"\.methodConfig\[0\]\.name: "),
        ({"methodConfig": [{"name": [{"servce": "a"}]}]}, r"\.methodConfig\[0\]\.name\[0\]\.servce: unknown key"),
        ({"methodConfig": [{"name": [{"method": "a"}]}]}, r": has a methodConfig whose name is a method without"),
        ({"methodConfig": [{"name": [{}]}, {"name": [{}]}]}, r": has two methodConfig for one name"),
        ({"methodConfig": [{"name": [{}], "timeout": "1"}]}, r"\.methodConfig\[0\]\.timeout: "),
        (method_config("Post", retryPolicy=policy(maxAttempts=1)), r"\.methodConfig\[0\]\.retryPolicy\.maxAttempts: "),
        (method_config("Post", retryPolicy=policy(retryableStatusCodes=[])), r".*retryPolicy: has neither"),
        (method_config("Post", retryPolicy=policy(retryableStatusCodes=["GONE"])), r".*retryableStatusCodes\[0\]: "),
        (method_config("Post", maxRequestMessageBytes=2**32), r".*maxRequestMessageBytes: "),
        (method_config("Post", hedgingPolicy={"maxAttempts": 2}), r".*hedgingPolicy: .*does not hedge"),
        ({"retryThrottling": {"maxTokens": 1001, "tokenRatio": 1}}, r"\.retryThrottling\.maxTokens: "),
        ({"healthCheckConfig": {"service": ""}}, r"\.healthCheckConfig\.service: unknown key"),
        ({"loadBalancingConfig": {}}, r"\.loadBalancingConfig: must be a JSON array"),
        ("{}", r": must be a JSON object"),
    ],
)
def test_a_mistake_in_a_service_config_is_an_error_with_its_path(who, config, path):
    with pytest.raises(ConfigError, match=rf"who\.options\.service_config{path}"):
        _ = who.at(1, service_config=config).client
