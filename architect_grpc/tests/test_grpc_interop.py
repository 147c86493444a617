"""grpc's interop cases have the same outcome with architect's clients as with grpc's own, over TLS and in plain text.

`pytest -m exhaustive architect_grpc/tests/test_grpc_interop.py` runs them. The definitions, the server and grpc's own
client are made of protoc's code and grpcio alone.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
from grpc_processes import ServerProcess
from grpc_project import Project
from grpc_tools import protoc
from interop_cases import DEFINITIONS, EXPECTED, NOT_RUN, AioCases, Cases
from interop_server import serve

trustme = pytest.importorskip("trustme")
pytestmark = pytest.mark.exhaustive


class Interop:
    """Two servers, and the clients for them."""

    def __init__(self, folder: Path) -> None:
        self._project = Project(folder)
        self._project.install("interop", {"interop.proto": DEFINITIONS})
        plain, source = folder / "plain", folder / "definitions" / "interop"
        plain.mkdir()
        arguments = ["protoc", f"-I{source}", f"--python_out={plain}", f"--grpc_python_out={plain}", "interop.proto"]
        assert protoc.main(arguments) == 0
        sys.path.insert(0, str(plain))
        self._messages = importlib.import_module("interop_pb2")
        self._services = importlib.import_module("interop_pb2_grpc")
        sys.path.remove(str(plain))
        authority = trustme.CA()
        self._ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(self._ca)
        own = authority.issue_cert("127.0.0.1")
        pair = own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes()
        self._servers = {"plain": ServerProcess(serve, str(plain), None), "TLS": ServerProcess(serve, str(plain), pair)}

    def own(self, transport, library):
        """grpc's own client, and the messages for it."""
        address = f"127.0.0.1:{self._servers[transport].port}"
        if transport == "TLS":
            channel = library.secure_channel(address, grpc.ssl_channel_credentials(self._ca.read_bytes()))
        else:
            channel = library.insecure_channel(address)
        stubs = {
            name: getattr(self._services, f"{name}Stub")(channel) for name in ("TestService", "UnimplementedService")
        }
        return SimpleNamespace(channel=channel, **stubs), self._messages

    def service(self, transport):
        """The service as architect's clients call it."""
        options = {"tls": {"ca": str(self._ca)}} if transport == "TLS" else {}
        port = self._servers[transport].port
        self._project.config["interop"] = {"host": "127.0.0.1", "port": port, "api": "grpc", "options": options}
        return self._project.resolver().service("interop")

    def close(self):
        for server in self._servers.values():
            server.kill()


@pytest.fixture(scope="module")
def interop(tmp_path_factory):
    started = Interop(tmp_path_factory.mktemp("interop"))
    yield started
    started.close()


every_case = pytest.mark.parametrize("case", EXPECTED)
each_transport = pytest.mark.parametrize("transport", ["plain", "TLS"])


@each_transport
@every_case
def test_a_case_has_the_same_outcome_with_both_clients(interop, case, transport):
    def use(client, messages, new):
        outcome = getattr(Cases(client, messages, new), case)()
        client.channel.close()
        return outcome

    def of_architect():
        return interop.service(transport).client

    own, messages = interop.own(transport, grpc)
    assert use(own, messages, lambda: interop.own(transport, grpc)[0]) == EXPECTED[case]
    assert use(of_architect(), interop.service(transport).defs, of_architect) == EXPECTED[case]


@each_transport
@every_case
def test_a_case_has_the_same_outcome_with_both_asynchronous_clients(interop, case, transport):
    async def use(client, messages, new):
        outcome = await getattr(AioCases(client, messages, new), case)()
        await client.channel.close()
        return outcome

    async def use_own():
        async def new():
            return interop.own(transport, grpc.aio)[0]

        return await use(*interop.own(transport, grpc.aio), new)

    async def use_ours():
        async def new():
            return interop.service(transport).aio.client

        return await use(await new(), interop.service(transport).defs, new)

    assert asyncio.run(asyncio.wait_for(use_own(), 60)) == EXPECTED[case]
    assert asyncio.run(asyncio.wait_for(use_ours(), 60)) == EXPECTED[case]


def test_every_case_is_run_or_has_a_reason_why_not():
    names = [
        {name for name, _ in inspect.getmembers(cases, inspect.isfunction) if not name.startswith("_")}
        for cases in (Cases, AioCases)
    ]
    assert names == [set(EXPECTED)] * 2
    assert not set(EXPECTED) & set(NOT_RUN)
