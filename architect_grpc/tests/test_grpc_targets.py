"""A host may be any name of gRPC's own naming, and what it names is called."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from xds_server import CLUSTER, ENDPOINTS, LISTENER, XdsServer

from architect_core.exceptions import ConfigError

DEFINITIONS = """
package echo;
message Word { string text = 1; }
service Echo { rpc Say (Word) returns (Word) { option idempotency_level = NO_SIDE_EFFECTS; } }
"""


@pytest.fixture
def echo(project):
    """Returns the service "echo" at a host, in which {port} is the port of its server."""
    project.install("echo", {"echo.proto": DEFINITIONS})
    serving = project.resolver("echo").current_service()
    opened = []

    class Echo(serving.Servicer):
        def Say(self, request, context):
            return request

    def start(host, listen="127.0.0.1:0", **entry):
        server = grpc.server(ThreadPoolExecutor(4))
        serving.add_servicer(Echo(), server)
        port = server.add_insecure_port(listen)
        server.start()
        project.config["echo"] = {"host": host.format(port=port), "port": None, "api": "grpc", **entry}
        resolver = project.resolver()
        opened.extend([lambda: server.stop(None).wait(), resolver.close])
        service = resolver.service("echo")
        service.test_port = port
        return service

    yield start
    for close in reversed(opened):
        close()


def answers(service):
    async def use():
        return (await service.aio.client.Say(service.defs.Word(text="a"), timeout=10)).text

    return service.client.Say(service.defs.Word(text="s"), timeout=10).text + asyncio.run(use())


@pytest.mark.parametrize(
    "host",
    [
        "dns:127.0.0.1:{port}",
        "dns:///localhost:{port}",
        "ipv4:127.0.0.1:{port}",
        "ipv4:127.0.0.1:{port},127.0.0.1:1",
        "ipv6:[::ffff:127.0.0.1]:{port}",
        "passthrough:///127.0.0.1:{port}",
        "passthrough:127.0.0.1:{port}",
        "passthrough:///localhost:{port}",
    ],
)
def test_a_name_of_an_address_is_called(echo, host):
    assert answers(echo(host)) == "sa"


def test_a_unix_socket_is_called(echo, tmp_path):
    assert answers(echo(f"unix:{tmp_path}/s", f"unix:{tmp_path}/s")) == "sa"
    assert answers(echo(f"unix://{tmp_path}/t", f"unix:{tmp_path}/t")) == "sa"


class Authority(grpc.GenericRpcHandler):
    """Answers with the `:authority` of a call."""

    def service(self, handler_call_details):
        def answer(request, context):
            return context._rpc_event.call_details.host  # grpc has no other name for it

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.mark.parametrize(
    ("entry", "authority"),
    [
        ({}, "localhost"),
        ({"options": {"channel_options": {"grpc.default_authority": "payments.internal"}}}, "payments.internal"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux's")
@pytest.mark.parametrize("host", ["unix:{folder}/a_b", "unix://{folder}/c", "unix-abstract:{folder}"])
def test_the_authority_of_a_socket_is_localhost_or_as_configured(project, tmp_path, host, entry, authority):
    host = host.format(folder=tmp_path)
    assert authorities(project, host, host, **entry) == {authority}


@pytest.mark.parametrize("host", ["ipv4:127.0.0.1:{port},127.0.0.1:1", "ipv6:[::ffff:127.0.0.1]:{port},[::1]:1"])
def test_the_authority_of_several_addresses_is_the_first_of_them(project, host):
    first = host.partition(":")[2].partition(",")[0]
    assert authorities(project, host, "127.0.0.1:0") == {first}


def authorities(project, host, listen, **entry):
    """What a server receives as `:authority` from a client and from one for asyncio; {port} is the server's."""
    project.install("echo", {"echo.proto": DEFINITIONS})
    server = grpc.server(ThreadPoolExecutor(2), handlers=[Authority()])
    port = str(server.add_insecure_port(listen))
    server.start()
    project.config["echo"] = {"host": host.replace("{port}", port), "port": None, "api": "grpc", **entry}
    service = project.resolver().service("echo")

    async def use():
        return await service.aio.client.channel.unary_unary("/echo.Echo/Say")(b"", timeout=10)

    try:
        found = service.client.channel.unary_unary("/echo.Echo/Say")(b"", timeout=10), asyncio.run(use())
    finally:
        service.close()
        server.stop(None).wait()
    return {each.decode().replace(f":{port}", ":{port}") for each in found}


@pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux's")
def test_an_abstract_socket_is_called(echo, tmp_path):
    assert answers(echo(f"unix-abstract:{tmp_path.name}", f"unix-abstract:{tmp_path.name}")) == "sa"


def test_passthrough_has_the_rules_of_a_host(echo):
    assert answers(echo("passthrough:///127.0.0.1:{port}", options={"auth": {"bearer": "t0ken"}})) == "sa"
    with pytest.raises(ConfigError, match=r"echo\.options\.auth: is sent over TLS") as caught:
        _ = echo("passthrough:///10.0.0.1:{port}", options={"auth": {"bearer": "canary"}}).client
    assert "canary" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"echo\.port: is missing"):
        _ = echo("passthrough:///10.0.0.1").client


@pytest.mark.parametrize("host", ["vsock:1:{port}", "xds:///echo.example"])
def test_a_target_whose_machine_is_not_known_gets_no_credentials_in_plain_text(echo, host):
    with pytest.raises(ConfigError, match=r"echo\.options\.auth: is sent over TLS"):
        _ = echo(host, options={"auth": {"bearer": "canary"}}).client


def test_a_vsock_target_is_passed_to_grpc_as_it_is(echo):
    service = echo("vsock:1:{port}")
    with pytest.raises(grpc.RpcError) as caught:  # nobody listens there, and grpcio's wheels are built without it
        answers(service)
    assert f"vsock:1:{service.test_port}" in caught.value.details()


def test_a_service_of_an_xds_control_plane_is_called(echo, monkeypatch):
    service = echo("xds:///echo.example")
    control = XdsServer("echo.example", service.test_port)
    monkeypatch.setenv("GRPC_XDS_BOOTSTRAP_CONFIG", control.bootstrap)
    try:
        assert answers(service) == "sa"
        assert control.asked == [LISTENER, CLUSTER, ENDPOINTS]
    finally:
        control.close()
