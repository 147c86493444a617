"""A small message broker for the tests of suites: lines of JSON over TCP, in a thread of its own."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

LEASE_SECONDS = 1.0
_LINE_BYTES = 1 << 24


class Store:
    """Topics, and a queue of entries for each subscriber; "!" and a subscriber is the queue of its dead letters."""

    def __init__(self) -> None:
        self.topics: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.queues: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.numbers = itertools.count()

    def declare(self, _: object, source: str, event: str, subscribers: list[str]) -> None:
        self.topics[source, event].update(subscribers)

    def send(self, _: object, source: str, event: str, message: dict[str, Any]) -> int:
        subscribers = self.topics[source, event]
        for name in subscribers:
            entry = {"token": next(self.numbers), "message": message, "attempt": 0, "due": 0.0, "holder": None}
            self.queues[name].append(entry)
        return len(subscribers)

    def take(self, holder: object, queue: str, limit: int, waits: bool = True) -> list[dict[str, Any]]:
        """The oldest entries that are due, unless an earlier one with the same key is held or not due."""
        now = time.monotonic()
        taken: list[dict[str, Any]] = []
        blocked = set()
        for entry in self.queues[queue]:
            key = entry["message"]["key"]
            if entry["holder"] is not None and entry["until"] < now:
                entry["holder"] = None
            if entry["holder"] is not None or entry["due"] > now:
                blocked.add(key)
            elif len(taken) < limit and (key is None or key not in blocked or not waits):
                entry.update(holder=holder, until=now + LEASE_SECONDS, attempt=entry["attempt"] + 1)
                taken.append(entry)
        return [{name: entry[name] for name in ("token", "message", "attempt")} for entry in taken]

    def ack(self, holder: object, queue: str, token: int) -> dict[str, Any] | None:
        found = next((each for each in self._held(holder) if each["token"] == token), None)
        if found is not None:
            self.queues[queue].remove(found)
        return None

    def again(self, holder: object, token: int, delay: float, attempts: int = 0) -> None:
        for entry in self._held(holder):
            if entry["token"] == token:
                entry.update(holder=None, due=time.monotonic() + delay, attempt=entry["attempt"] + attempts)

    def extend(self, holder: object, token: int) -> None:
        for entry in self._held(holder):
            if entry["token"] == token:
                entry["until"] = time.monotonic() + LEASE_SECONDS

    def move(self, holder: object, token: int, queue: str, to: str, message: dict[str, Any]) -> None:
        for entry in self._held(holder):
            if entry["token"] == token:
                self.queues[queue].remove(entry)
                entry.update(holder=None, attempt=0, message=message)
                self.queues[to].append(entry)

    def purge(self, _: object, queue: str) -> None:
        self.queues[queue].clear()

    def leave(self, holder: object) -> None:
        for entry in self._held(holder):
            entry["holder"] = None

    def _held(self, holder: object) -> list[dict[str, Any]]:
        return [each for entries in self.queues.values() for each in entries if each["holder"] is holder]


async def serve(store: Store, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    holder = object()
    try:
        while line := await reader.readline():
            for name, asked in json.loads(line):
                answer = getattr(store, name)(holder, **asked)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
    except OSError:
        pass  # the client is gone
    finally:
        store.leave(holder)
        writer.close()


@contextmanager
def running() -> Iterator[int]:
    """A running broker; its port."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Future()

    async def run() -> None:
        store, stopped = Store(), asyncio.Event()
        connections: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections[writer] = asyncio.current_task()
            await serve(store, reader, writer)

        server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=_LINE_BYTES)
        started.set_result((asyncio.get_running_loop(), stopped, server.sockets[0].getsockname()[1]))
        await stopped.wait()
        server.close()
        for writer in connections:
            writer.transport.abort()
        await asyncio.gather(*(each for each in connections.values() if each))
        await asyncio.sleep(0)  # in which transports close their sockets

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    loop, stopped, port = started.result(10)
    yield port
    loop.call_soon_threadsafe(stopped.set)
    thread.join(10)
