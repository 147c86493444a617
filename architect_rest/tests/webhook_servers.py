"""A subscriber that records what it is sent."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
