"""The clients for gRPC pass the conformance suites of the core."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpc_processes import ServerProcess
from grpc_project import Project

from architect_core.resolver import Resolver
from architect_testing import AioClientSuite, ClientFactorySuite

DEFINITIONS = """
package conformance;
import "google/protobuf/wrappers.proto";
service Echo { rpc Say (google.protobuf.StringValue) returns (google.protobuf.StringValue); }
"""


def serve(root: str, connection: Any) -> None:
    config = {"conformance": {"host": "127.0.0.1", "port": 1, "api": "grpc"}}
    service = Resolver(config, current_service="conformance", root=root).current_service()

    class Echo(service.Servicer):
        def Say(self, request, context):
            return request

    server = grpc.server(ThreadPoolExecutor(4))
    service.add_servicer(Echo(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    connection.send(port)
    server.wait_for_termination()


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """The root of a project with stubs, and the port of the service, which runs in a process of its own.

    It is another process because gRPC does not fork beside a server.
    """
    project = Project(tmp_path_factory.mktemp("conformance"))
    project.install("conformance", {"echo.proto": DEFINITIONS})
    server = ServerProcess(serve, str(project.root))
    yield project.root, server.port
    server.kill()


class OfEcho:
    """Configuration that both suites share."""

    api = "grpc"
    timeout = 5.0
    service = "conformance"

    @pytest.fixture
    def root(self, echo: Any) -> Path:
        return echo[0]

    @pytest.fixture
    def entry(self, echo: Any) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": echo[1]}

    def impatient(self, entry: Any) -> Any:
        return {**entry, "options": {"total_timeout": 0.3}}

    def with_secret(self, entry: Any, secret: str) -> Any:
        return {**entry, "options": {"auth": {"bearer": secret}}}


class TestGrpcClients(OfEcho, ClientFactorySuite):
    errors = (grpc.RpcError,)

    def call(self, client: Any) -> None:
        assert client.Say(StringValue(value="a")).value == "a"


class TestGrpcAioClients(OfEcho, AioClientSuite):
    errors = (grpc.aio.AioRpcError,)

    async def call(self, client: Any) -> None:
        assert (await client.Say(StringValue(value="a"))).value == "a"
