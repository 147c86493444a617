"""Servers of subscribers: one that records what it is sent, and one that does on a bare socket what a test says."""

from __future__ import annotations

import json
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class _Handler(BaseHTTPRequestHandler):
    """Answers with the request as JSON; the query says what else to do."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer is written at once: a connection serves again when all of it has come
    server: RecordingServer

    def do_POST(self) -> None:
        asked = {
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": self.rfile.read(int(self.headers["Content-Length"])),
            "connection": self.client_address[1],
        }
        self.server.asked.append(asked)
        wanted = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        time.sleep(float(wanted.get("sleep", 0)))
        if "hold" in wanted:
            self.server.released.wait(20)
        answer = json.dumps(asked["path"]).encode()
        self.send_response(int(wanted.get("status", 200)))
        for name in ("Location", "Retry-After"):
            if name in wanted:
                self.send_header(name, wanted[name])
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


class RecordingServer(ThreadingHTTPServer):
    """The server, with what it was asked, in order; `released` is what a request with the query "hold" waits for."""

    request_queue_size = 256
    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, 0), _Handler)
        self.asked: list[dict[str, Any]] = []
        self.released = threading.Event()
        self.port = int(self.server_address[1])
        self.url = f"http{'s' if context else ''}://{f'[{host}]' if ':' in host else host}:{self.port}"
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client may end a connection."""


@contextmanager
def recording(host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> Iterator[RecordingServer]:
    server = RecordingServer(host, context)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join(5)
        server.server_close()


class Peer:
    """A connection as a test's subscriber sees it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._file = connection.makefile("rb")

    def head(self) -> bytes:
        """The next request's head; empty when the client has ended the connection."""
        lines = b""
        with suppress(OSError):
            while not lines.endswith(b"\r\n\r\n") and (line := self._file.readline()):
                lines += line
        return lines

    def request(self) -> bytes:
        """The next request; empty when the client has ended the connection."""
        head = self.head()
        length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return head + self._file.read(int(length[0].split(b":")[1])) if length else head

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def close(self) -> None:
        self._file.close()
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()


@contextmanager
def speaking(serve: Callable[[Peer, int], None], host: str = "127.0.0.1") -> Iterator[int]:
    """The port of a server that calls `serve` for each connection, with its number, in a thread; then it closes it."""
    peers: list[Peer] = []
    threads: list[threading.Thread] = []

    def run(peer: Peer, number: int) -> None:
        with suppress(OSError, ValueError):  # the client or the test has ended the connection
            serve(peer, number)
        peer.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            peers.append(Peer(connection))
            threads.append(threading.Thread(target=run, args=(peers[-1], len(peers) - 1), daemon=True))
            threads[-1].start()

    with socket.create_server((host, 0), backlog=256) as listener:
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join(5)
            for peer in peers:
                with suppress(OSError):
                    peer.connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(5)
    assert not any(thread.is_alive() for thread in threads)


def tunnel(peer: Peer, port: int) -> None:
    """Pass on what comes to a port of this machine, and back, until one side ends."""
    with socket.create_connection(("127.0.0.1", port)) as target, selectors.DefaultSelector() as selector:
        ends = {target: peer.connection, peer.connection: target}
        for end in ends:
            selector.register(end, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                source = key.fileobj
                assert isinstance(source, socket.socket)
                data = source.recv(65536)
                if not data:
                    return
                ends[source].sendall(data)
