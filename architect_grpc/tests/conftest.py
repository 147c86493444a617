"""Projects with stubs, and real gRPC servers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_project import Project
from ledger import Ledger

from architect_core.resolver import Resolver


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("ARCHITECT") and name != "ARCHITECT_REQUIRE_SERVERS":
            monkeypatch.delenv(name)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    """Starts a server of the resolver's current service, and returns its port."""
    servers = []

    def start(resolver: Resolver, *servicers: Any) -> int:
        server = grpc.server(futures.ThreadPoolExecutor(4))
        for servicer in servicers:
            resolver.current_service().add_servicer(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return port

    yield start
    for server in servers:
        server.stop(None).wait()


@pytest.fixture
def ledger(project: Project, tmp_path: Path) -> Iterator[Callable[..., Ledger]]:
    """Starts a `Ledger` with an instance at each address."""
    started = []

    def start(*addresses: str, one_port: bool = False) -> Ledger:
        started.append(Ledger(project, tmp_path, *addresses, one_port=one_port))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def files(tmp_path: Path) -> Any:
    """A certificate authority, server credentials signed by it, and PEM files of the authority and a client."""
    trustme = pytest.importorskip("trustme")

    class Files:
        authority = trustme.CA()
        other = trustme.CA()
        ca, certificate, key, pair = (tmp_path / name for name in ("ca.pem", "client.pem", "client.key", "pair.pem"))

        def server(self, *names, client=False):
            certificate = self.authority.issue_cert(*names)
            pair = certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes()
            roots = self.authority.cert_pem.bytes() if client else None
            return grpc.ssl_server_credentials([pair], roots, require_client_auth=client)

        def write(self, authority, name):
            certificate = authority.issue_cert(name)
            certificate.private_key_pem.write_to_path(self.key)
            certificate.cert_chain_pems[0].write_to_path(self.certificate)
            certificate.private_key_and_cert_chain_pem.write_to_path(self.pair)

    made = Files()
    made.authority.cert_pem.write_to_path(made.ca)
    made.write(made.authority, "caller")
    return made
