"""A system for tests: a service with an outbox in SQLite, subscribers that record what they get, and commands."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from architect_core.resolver.resolver import Resolver
from architect_events.outbox.store import Store

COMMAND = """\
import sys
from importlib import import_module
name, *arguments = sys.argv[1:]
from architect_core.exceptions import ArchitectError
try:
    code = import_module(f"architect_events.commands.{name}").architect_command().run(arguments)
except ArchitectError as problem:
    sys.exit(f"architect: {problem}")
sys.exit(code)
"""


class Subscriber:
    """An HTTP server that records events; `statuses` are its answers, then 200; none answers while `gate` is clear."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.port = server.server_address[1]
        self.requests: list[tuple[Mapping[str, str], bytes]] = []
        self.statuses: deque[int] = deque()
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Semaphore(0)

    @property
    def ids(self) -> list[str]:
        return [headers["ce-id"] for headers, _ in self.requests]

    @property
    def numbers(self) -> list[int]:
        return [json.loads(body)["order"] for _, body in self.requests]

    def wait(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.arrived.acquire(timeout=20), "no event came"


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


@contextmanager
def subscriber() -> Iterator[Subscriber]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            mine.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            mine.arrived.release()
            mine.gate.wait()
            self.send_response(mine.statuses.popleft() if mine.statuses else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    mine = Subscriber(server)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield mine
    finally:
        mine.gate.set()
        server.shutdown()
        server.server_close()


class System:
    """The service acme/orders, whose event "placed" has subscribers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "orders.db"
        self.services: dict[str, Any] = {
            "acme/orders": {
                "subscriptions": {"placed": {}},
                "datastores": {"db": {"type": "sqlite", "name": str(self.database)}},
            }
        }

    def subscribe(self, port: int, name: str = "acme/mailer", event: str = "placed", **config: Any) -> None:
        self.services[name] = {"host": "http://127.0.0.1", "port": port, "api": "rest"}
        events = self.services["acme/orders"]["subscriptions"]
        events.setdefault(event, {})[name] = {"uri": "/events", **config}

    def handle(self, name: str = "acme/letters", event: str = "placed") -> None:
        self.services["acme/orders"]["subscriptions"].setdefault(event, {})[name] = {"handler": "handlers"}

    def resolver(self, service: str = "acme/orders") -> Resolver:
        return Resolver(self.services, current_service=service)

    def init(self) -> None:
        self.store().create()

    def store(self) -> Store:
        return Store(self.resolver().datastore("db"), "the datastore 'db'")

    def publish(self, count: int = 1, *, first: int = 0, key: str | None = None, event: str = "placed") -> None:
        notification = self.resolver().notification(event)
        connection = sqlite3.connect(self.database)
        for number in range(first, first + count):
            notification.publish({"order": number}, outbox=connection, key=key)
        connection.commit()
        connection.close()

    def rows(self, columns: str = "subscriber, attempts, state") -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.database)
        try:
            return connection.execute(f"SELECT {columns} FROM architect_outbox ORDER BY id").fetchall()
        finally:
            connection.close()

    def environ(self, service: str = "acme/orders", events: str | None = None) -> dict[str, str]:
        environ = {**os.environ, "ARCHITECT": json.dumps(self.services), "ARCHITECT_CURRENT_SERVICE": service}
        environ.pop("ARCHITECT_EVENTS", None)
        return environ if events is None else {**environ, "ARCHITECT_EVENTS": events}

    @contextmanager
    def started(self, *arguments: str, **where: Any) -> Iterator[Process]:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *arguments],
            cwd=self.folder,
            env=self.environ(**where),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        try:
            yield Process(process)
        finally:
            process.kill()
            process.wait()
            process.stderr.close()  # type: ignore[union-attr]

    def run(self, *arguments: str, **where: Any) -> tuple[int, str]:
        with self.started(*arguments, **where) as process:
            return process.end()


class Process:
    """A command that runs, with the lines of its log."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.lines: list[str] = []

    def wait_for(self, text: str) -> None:
        """Returns once the log has a line with `text`."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line)
            if text in line:
                return
        raise AssertionError(f"the command has ended: {''.join(self.lines)}")

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Returns the exit code and the log once it has ended."""
        _, rest = self._process.communicate(timeout=30)
        return self._process.returncode, "".join(self.lines) + (rest or "")


def eventually(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Returns once the condition holds; for what no event announces."""
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, "it did not happen in time"
        sleep(0.01)
