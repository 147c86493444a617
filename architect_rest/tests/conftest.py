"""A real HTTP server that records its requests."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from faults import Misbehaving, MisbehavingProcess

from architect_core.resolver import Resolver


class EchoHandler(BaseHTTPRequestHandler):
    """Answers with the request as JSON; the query says what else to do."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: EchoServer

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""  # what is not read would be taken for the next request
        while size := int(self.rfile.readline() or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self) -> None:
        body = self._body()
        asked = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body.decode("latin-1"),
            "connection": self.client_address[1],
        }
        self.server.asked.append(asked)
        wanted = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        time.sleep(float(wanted.get("sleep", 0)))
        if "hold" in wanted:
            self.server.released.wait(20)
        answer = json.dumps(asked).encode()
        self.send_response(int(wanted.get("status", 200)))
        if "to" in wanted:
            self.send_header("Location", wanted["to"])
        if "cookie" in wanted:
            self.send_header("Set-Cookie", wanted["cookie"])
        if "challenge" in wanted:
            self.send_header("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"')
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


class EchoServer(ThreadingHTTPServer):
    """The server, with what it was asked, in order."""

    request_queue_size = 256
    daemon_threads = True

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, EchoHandler)
        self.asked: list[dict[str, Any]] = []
        self.released = threading.Event()  # what a request with the query "hold" waits for

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def start_server() -> Iterator[Callable[..., EchoServer]]:
    servers: list[EchoServer] = []

    def start(host: str = "127.0.0.1") -> EchoServer:
        class Server(EchoServer):
            address_family = socket.AF_INET6 if ":" in host else EchoServer.address_family

        server = Server((host, 0))
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return server

    yield start
    for server in servers:
        server.released.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def server(start_server: Callable[..., EchoServer]) -> EchoServer:
    return start_server()


@pytest.fixture
def other(start_server: Callable[..., EchoServer]) -> EchoServer:
    """A server of another origin."""
    return start_server()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("ARCHITECT") or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)


@pytest.fixture
def resolve() -> Iterator[Callable[..., Any]]:
    """Returns the client of a service with the given entry."""
    resolvers: list[Resolver] = []

    def resolve_entry(**entry: Any) -> Any:
        resolvers.append(Resolver({"acme/billing": {"api": "rest", **entry}}))
        return resolvers[-1].service("acme/billing").client

    yield resolve_entry
    for resolver in resolvers:
        resolver.close()


@pytest.fixture
def client(server: EchoServer, resolve: Callable[..., Any]) -> Any:
    return resolve(host="http://127.0.0.1", port=server.port)


@pytest.fixture
def start() -> Iterator[Callable[..., Misbehaving]]:
    started: list[Misbehaving] = []

    def start_one(kind: str, argument: str = "", port: int = 0, *, process: bool = False) -> Misbehaving:
        started.append((MisbehavingProcess if process else Misbehaving)(kind, argument, port))
        return started[-1]

    yield start_one
    for each in started:
        each.stop()
