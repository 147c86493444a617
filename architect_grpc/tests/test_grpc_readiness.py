"""The readiness of a gRPC service is checked with its health service, if its manifest says so."""

from __future__ import annotations

import socket
import time
from concurrent import futures

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from architect_core.contract import Listener, ReadinessProbe
from architect_core.exceptions import RunError
from architect_core.plugins import Plugins
from architect_grpc.readiness import GrpcReadiness

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def is_ready(port: int, service: str | None, timeout: float = 10) -> bool:
    probe = Plugins().get(ReadinessProbe, "grpc", "the tests")
    return probe.is_ready(Listener("acme/payments", "127.0.0.1", port, GrpcReadiness(service=service)), timeout)


@pytest.fixture
def server():
    server = grpc.server(futures.ThreadPoolExecutor(2))
    yield server
    server.stop(None).wait()


def test_a_service_is_ready_when_its_health_service_says_serving(server):
    states = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(states, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    assert is_ready(port, "")
    assert not is_ready(port, "acme.v1.Payments")  # which is not known yet
    states.set("acme.v1.Payments", NOT_SERVING)
    assert not is_ready(port, "acme.v1.Payments")
    states.set("acme.v1.Payments", SERVING)
    assert is_ready(port, "acme.v1.Payments")


def test_a_server_without_a_health_service_is_an_error(server):
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with pytest.raises(RunError, match="acme/payments has no health service"):
        is_ready(port, "")
    assert is_ready(port, None)


def test_a_server_that_never_answers_and_a_port_without_one_are_not_ready_within_the_timeout():
    started = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert not is_ready(port, "", 0.2)
    assert not is_ready(port, "", 0.2)
    assert time.monotonic() - started < 10
