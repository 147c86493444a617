"""Services with definitions, their stubs, and real gRPC servers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from ledger import Ledger

from architect_core.contract import Definitions, stub_folder
from architect_core.resolver import Resolver
from architect_grpc.generator import GrpcStubGenerator


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("ARCHITECT") and name != "ARCHITECT_REQUIRE_SERVERS":
            monkeypatch.delenv(name)


class Project:
    """A service's folder, in which stubs of services are generated."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.services = self.root / "architect_services"
        self.services.mkdir(parents=True)
        self.config: dict[str, Any] = {}
        self._stubs: dict[str, Path] = {}
        self._generator = GrpcStubGenerator()

    def define(self, service: str, files: Mapping[str, str], listed: list[str] | None = None) -> Definitions:
        """Write definition files of `service`; the first is the one that its manifest lists, unless told otherwise."""
        folder = self.folder / "definitions" / service
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'syntax = "proto3";\n{text}')
        return Definitions(service, folder, tuple(listed or [f"./{next(iter(files))}"]))

    def install(self, service: str, files: Mapping[str, str], listed: list[str] | None = None) -> list[str]:
        """Generate the stubs as `architect install` does; gives its notes."""
        stubs = self._stubs[service] = self.services / stub_folder(service)
        for name, content in self._generator.generate(self.define(service, files, listed)).items():
            path = stubs / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for folder in [self.services, stubs, *self.services.rglob("*/")]:
            if folder.is_dir():
                (folder / "__init__.py").touch()
        self.config[service] = {"host": "127.0.0.1", "port": 1, "api": "grpc"}
        return self._generator.finish(self._stubs, self.services)

    def resolver(self, current: str | None = None, **ports: int) -> Resolver:
        """A resolver that knows all of them; `ports` are of services without a slash."""
        config = {name: entry | ({"port": ports[name]} if name in ports else {}) for name, entry in self.config.items()}
        return Resolver(config, current_service=current, root=self.root)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    """Starts a server for an implementation of the resolver's current service; gives its port."""
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
    """Starts a `Ledger` with an instance at each of the addresses that it is given."""
    started = []

    def start(*addresses: str, one_port: bool = False) -> Ledger:
        started.append(Ledger(project, tmp_path, *addresses, one_port=one_port))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def files(tmp_path: Path) -> Any:
    """An authority, a server's certificate of its, and files of both and of a client's."""
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
