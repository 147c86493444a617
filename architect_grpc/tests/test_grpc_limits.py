"""Numeric options work up to gRPC's limits, and are errors with their path beyond them."""

from __future__ import annotations

import asyncio
import math

import grpc
import pytest

from architect_core.deadline import deadline
from architect_core.exceptions import ConfigError

DEFINITIONS = """
package sizes;
message Data { bytes data = 1; double left = 2; }
service Echo { rpc Say (Data) returns (Data); }
"""
C_INT = 2**31 - 1
LARGE = 5 * 1024 * 1024  # bytes, more than gRPC receives by default


@pytest.fixture
def echo(project, serve):
    """Starts a server that echoes a message, and returns the service at it with options."""
    project.install("echo", {"echo.proto": DEFINITIONS})
    serving = project.resolver("echo")
    current, resolvers = serving.current_service(), [serving]

    class Echo(current.Servicer):
        def Say(self, request, context):
            return current.defs.Data(data=request.data[:3] * 2_000_000, left=context.time_remaining())

    port = serve(serving, Echo())

    def service(**options):
        project.config["echo"] |= {"port": port, "options": options}
        resolvers.append(project.resolver())
        return resolvers[-1].service("echo")

    yield service
    for resolver in resolvers:
        resolver.close()


def say(service, size):
    """The synchronous client's and the asynchronous client's response, or the name of the status."""

    async def use():
        try:
            return await service.aio.client.Say(request)
        except grpc.aio.AioRpcError as problem:
            return problem.code().name

    request = service.defs.Data(data=b"x" * size)
    try:
        answer = service.client.Say(request)
    except grpc.RpcError as problem:
        answer = problem.code().name
    return answer, asyncio.run(use())


@pytest.mark.parametrize("limit", [-1, C_INT])
def test_a_response_may_be_as_large_as_memory_with_no_limit_or_the_largest_one(echo, limit):
    assert say(echo(), 3) == ("RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED")
    assert [len(answer.data) for answer in say(echo(max_receive_message_bytes=limit), 3)] == [6_000_000] * 2


@pytest.mark.parametrize("limit", [-1, C_INT])
def test_a_request_may_be_large_with_no_limit_or_the_largest_one(echo, limit):
    # the server's own limit, which is the one that is left
    assert say(echo(max_send_message_bytes=limit), LARGE) == ("RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED")
    assert all(answer.left > 0 for answer in say(echo(max_send_message_bytes=limit), 1))


def test_with_a_limit_of_zero_only_empty_messages_are_sent_and_received(echo):
    assert say(echo(max_send_message_bytes=0), 1) == ("RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED")
    assert say(echo(max_receive_message_bytes=0), 1) == ("RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[("max_receive_message_bytes", value) for value in (C_INT + 1, 2**63, 10**30, -2, -(2**31) - 1, 1.5, "many")],
        *[("max_send_message_bytes", value) for value in (C_INT + 1, -2)],
        *[("total_timeout", value) for value in (97_200_001, 9e9, 1e300, math.inf, math.nan, 0, -1)],
        *[("retries", value) for value in (5, 2**31, 10**30, -1)],
    ],
)
def test_a_number_beyond_grpc_s_limits_is_an_error_with_its_path(echo, option, value):
    with pytest.raises(ConfigError, match=rf"^(?s:.*)echo\.options\.{option}: input should be"):
        _ = echo(**{option: value}).client


def test_the_longest_total_timeout_is_sent(echo):
    assert [round(answer.left, -6) for answer in say(echo(total_timeout=97_200_000), 1)] == [97_000_000] * 2


@pytest.mark.parametrize("seconds", [97_200_001, 1e10, 1e300, math.inf])
def test_a_deadline_that_is_longer_than_grpc_s_longest_ends_no_call(echo, seconds):
    service = echo(total_timeout=None)
    with deadline(seconds):
        assert all(answer.left > 97_000_000 for answer in say(service, 1))
