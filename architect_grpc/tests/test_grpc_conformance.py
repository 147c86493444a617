"""gRPC clients are what a plugin's clients must be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from architect_testing import AioClientSuite, ClientFactorySuite

DEFINITIONS = """
package conformance;
import "google/protobuf/wrappers.proto";
service Echo { rpc Say (google.protobuf.StringValue) returns (google.protobuf.StringValue); }
"""
# in another process, because gRPC does not fork beside a server
SERVER = """
import sys
from concurrent.futures import ThreadPoolExecutor
import grpc
from architect_core.resolver import Resolver

config = {"conformance": {"host": "127.0.0.1", "port": 1, "api": "grpc"}}
service = Resolver(config, current_service="conformance", root=sys.argv[1]).current_service()

class Echo(service.Servicer):
    def Say(self, request, context):
        return request

server = grpc.server(ThreadPoolExecutor(4))
service.add_servicer(Echo(), server)
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
"""


class OfEcho:
    """What both kinds of client are checked with."""

    api = "grpc"
    timeout = 5.0
    service = "conformance"

    @pytest.fixture
    def root(self, project: Any) -> Path:
        project.install("conformance", {"echo.proto": DEFINITIONS})
        return project.root

    @pytest.fixture
    def entry(self, root: Path) -> Iterator[dict[str, Any]]:
        with subprocess.Popen([sys.executable, "-c", SERVER, str(root)], stdout=subprocess.PIPE, text=True) as server:
            yield {"host": "127.0.0.1", "port": int(server.stdout.readline())}
            server.kill()

    def with_secret(self, entry: Any, secret: str) -> Any:
        return {**entry, "options": {"auth": {"bearer": secret}}}


class TestGrpcClients(OfEcho, ClientFactorySuite):
    errors = (grpc.RpcError,)

    def call(self, client: Any) -> None:
        assert client.Say(StringValue(value="a"), timeout=2).value == "a"


class TestGrpcAioClients(OfEcho, AioClientSuite):
    errors = (grpc.aio.AioRpcError,)

    async def call(self, client: Any) -> None:
        assert (await client.Say(StringValue(value="a"), timeout=2)).value == "a"
