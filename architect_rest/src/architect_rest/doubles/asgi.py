"""Serves an ASGI application (https://asgi.readthedocs.io) in an event loop of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from architect_rest.doubles.stand_in import Behaviour, Reply

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from architect_rest.doubles.stand_in import Received
    from architect_rest.serving import AsgiApp

    Message = MutableMapping[str, Any]

_ASGI = {"version": "3.0", "spec_version": "2.4"}


class Asgi(Behaviour):
    """Answers by an ASGI application, one event loop for all requests: its lifespan is in that loop.

    There is no package for this that has lifespan, streamed answers and requests of both kinds of clients at a time,
    and raises what the application raises: a2wsgi lacks the first and the last, httpx2's transport the first two.
    """

    def __init__(self, application: AsgiApp) -> None:
        self._application = application
        self._lock = threading.Lock()
        self._loop: _Loop | None = None

    def exchange(self, received: Received) -> Exchange:
        """Begin to serve a request; the first one begins the lifespan, and raises what that raises."""
        with self._lock:
            if self._loop is None or self._loop.pid != os.getpid():  # a thread does not survive a fork
                self._loop = _Loop(self._application)
            return Exchange(self._loop, self._application, received)

    def respond(self, received: Received) -> Reply:
        """The application's answer, whose body is produced as far as it is read."""
        exchange = self.exchange(received)
        status, headers = exchange.take().result()
        return Reply(status, headers, b"", exchange)

    def close(self) -> None:
        """End the lifespan and the event loop; raises what the application raises at its shutdown."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None and loop.pid == os.getpid():
            loop.close()


class _Loop:
    """An event loop in a thread of its own, with the application's lifespan."""

    def __init__(self, application: AsgiApp) -> None:
        self.pid = os.getpid()
        self.state: dict[str, Any] = {}
        self._application = application
        self._ending = asyncio.Event()
        self._ended: Future[None] = Future()
        started: Future[asyncio.AbstractEventLoop] = Future()
        threading.Thread(target=self._run, args=(started,), name="architect-asgi-double", daemon=True).start()
        self.asyncio = started.result()

    def close(self) -> None:
        self.asyncio.call_soon_threadsafe(self._ending.set)
        self._ended.result()

    def _run(self, started: Future[asyncio.AbstractEventLoop]) -> None:
        try:
            asyncio.run(self._live(started))
        except BaseException as problem:  # noqa: BLE001 - raised in the thread that waits
            (self._ended if started.done() else started).set_exception(problem)
        else:
            self._ended.set_result(None)

    async def _live(self, started: Future[asyncio.AbstractEventLoop]) -> None:
        events: asyncio.Queue[Message] = asyncio.Queue()
        answers: asyncio.Queue[Message] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": _ASGI, "state": self.state}
        lifespan = asyncio.ensure_future(self._application(scope, events.get, answers.put))

        async def reach(phase: str) -> None:
            events.put_nowait({"type": f"lifespan.{phase}"})
            answer = asyncio.ensure_future(answers.get())
            await asyncio.wait({lifespan, answer}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():  # the application does not know the protocol, which it may say by an exception
                answer.cancel()
            elif answer.result()["type"] != f"lifespan.{phase}.complete":
                await lifespan  # frameworks raise the reason
                raise RuntimeError(f"the ASGI application's {phase} failed: {answer.result().get('message', '')}")

        await reach("startup")
        started.set_result(asyncio.get_running_loop())
        await self._ending.wait()
        if not lifespan.done():
            await reach("shutdown")
            await lifespan


class Exchange:
    """One request to an application, and the parts of its answer."""

    def __init__(self, loop: _Loop, application: AsgiApp, received: Received) -> None:
        self._loop = loop.asyncio
        self._application = application
        self._is_head = received.request.method == "HEAD"
        self._body: bytes | None = received.body
        self._sent: asyncio.Queue[Any] = asyncio.Queue(1)  # the application waits until it is read
        self._held: list[Any] = []
        self._is_complete = asyncio.Event()
        self._is_read = False
        scope = {**scope_of(received), "state": dict(loop.state)}
        self._serving = asyncio.run_coroutine_threadsafe(self._serve(scope), self._loop)

    def take(self) -> Future[Any]:
        """Status and headers at first, then each part of the body, then None; or what the application raises."""
        return asyncio.run_coroutine_threadsafe(self._take(), self._loop)

    def __iter__(self) -> Exchange:
        return self

    def __next__(self) -> bytes:
        part: bytes | None = None if self._is_read else self.take().result()
        if part is None:
            self._is_read = True
            raise StopIteration
        return part

    def close(self) -> None:
        """Cancel the application, unless it has returned."""
        self._serving.cancel()

    async def _take(self) -> Any:
        taken = await self._sent.get()
        if isinstance(taken, BaseException):
            raise taken
        return taken

    async def _serve(self, scope: Message) -> None:
        try:
            await self._application(scope, self._receive, self._send)
        except asyncio.CancelledError:
            raise
        except BaseException as problem:  # noqa: BLE001 - raised in the thread of the client
            self._held = [problem]
        else:
            is_complete = self._is_complete.is_set()
            self._held += [None if is_complete else RuntimeError("the ASGI application has not completed its answer")]
        for each in self._held:
            await self._sent.put(each)

    async def _receive(self) -> Message:
        if self._body is None:
            await self._is_complete.wait()
            return {"type": "http.disconnect"}
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def _send(self, message: Message) -> None:
        """Pass a message on. A status of 500 and the last part are held until the application returns or raises."""
        if message["type"] == "http.response.start":
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message.get("headers", ())]
            self._held.append((message["status"], headers))
            is_held = message["status"] >= 500
        elif message["type"] == "http.response.body":
            if message.get("body") and not self._is_head:
                self._held.append(bytes(message["body"]))
            is_held = not message.get("more_body", False)
            if is_held:
                self._is_complete.set()
        else:
            return
        while self._held and not is_held:
            await self._sent.put(self._held.pop(0))


def scope_of(received: Received) -> dict[str, Any]:
    """The scope of a request to an application that is mounted at the base path."""
    url = received.url
    return {
        "type": "http",
        "asgi": _ASGI,
        "http_version": "1.1",
        "method": received.request.method,
        "scheme": url.scheme,
        "path": unquote(url.path),
        "raw_path": url.path.encode("ascii"),
        "query_string": url.query.encode("ascii"),
        "root_path": unquote(received.base),
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in received.headers],
        "client": ("127.0.0.1", 0),
        "server": (url.hostname, received.port),
    }
