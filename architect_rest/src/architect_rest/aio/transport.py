"""The transport of the client for asyncio, which sends a request as often as the policy says."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import httpx2

from architect_core.clock import monotonic
from architect_rest.aio.connections import Connections, OnceBody, read
from architect_rest.aio.engine import END, EngineStream, EngineTransport
from architect_rest.aio.errors import OF_THE_CALLER, UNSENT, CircuitOpenError, DeadlineError, is_distrust
from architect_rest.aio.guard import origin_of
from architect_rest.policy.attempts import Call, Pause, Steps
from architect_rest.policy.limits import (
    NO_TIME_LEFT,
    PATIENT,
    REMAINING_HEADER,
    remaining_header,
    seconds_until,
    shortest,
)
from architect_rest.policy.proxies import proxy_for

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator

    from architect_core.contract import ClientObserver
    from architect_rest.policy.attempts import Upstream
    from architect_rest.policy.endpoints import Endpoint

_MOST_CALLS = 256  # at a time; more wait


@dataclass
class Sending:
    """What a client knows about a call, and its transport needs."""

    end: float | None  # when it has to end, in seconds of `clock.monotonic()`; None for never
    is_streamed: bool  # whether the caller reads the response, part by part
    is_hurried: tuple[bool, bool] = PATIENT
    follows: bool = False  # whether redirects are followed


sending: ContextVar[Sending] = ContextVar("sending")


class ServiceTransport(httpx2.AsyncBaseTransport):
    """An `httpx2` transport for one service.

    An attempt that cannot have been processed, or that may be processed twice, is made again: at another endpoint if
    there is one, else after a pause. The caller gets the outcome of the last attempt.
    """

    def __init__(
        self, upstream: Upstream, *, verify: ssl.SSLContext | bool, observer: ClientObserver | None = None
    ) -> None:
        """Make a transport; see `AioRestClient`."""
        self._upstream = upstream
        self._policy = upstream.policy(CircuitOpenError, observer)
        self._urls = {each: httpx2.URL(each.url) for each in self._policy.endpoints.all}
        self._origin_at = {each: origin_of(url) for each, url in self._urls.items()}
        self._origins = set(self._origin_at.values())
        # one for all endpoints, and once it is needed: loading the authorities takes tens of milliseconds
        context = cache(partial(httpx2.create_ssl_context, verify=verify))
        self._connections = {each: Connections(proxy_for(each.url), context) for each in self._urls}
        self._elsewhere: dict[str | None, Connections] = {}
        self._turns = asyncio.Semaphore(_MOST_CALLS)
        self._is_closed = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Called by httpx2 to send `request`, also for redirects."""
        now, began = sending.get(None) or Sending(None, is_streamed=True), monotonic()
        if origin_of(request.url) in self._origins:
            response = await self._send_own(request, now)
        else:
            response = await self._send_elsewhere(request, now)
        if not now.is_streamed:  # then it has been read, and httpx2 does not measure it
            response.elapsed = timedelta(seconds=monotonic() - began)
        return response

    async def _send_own(self, request: httpx2.Request, now: Sending) -> httpx2.Response:
        body = request.stream if isinstance(request.stream, httpx2.ByteStream) else OnceBody(request.stream)
        is_begun = partial(getattr, body, "is_begun", False)
        call = Call(request.method, request.headers, lambda: not is_begun(), is_begun, now.end, now.is_hurried)
        attempt = partial(self._attempt, request, body, now)
        response = failure = None
        try:
            with Steps(self._policy, call) as steps:
                async with self._turn(call.end):
                    for step in steps:
                        if isinstance(step, Pause):
                            if response is not None:
                                await response.aclose()
                            await asyncio.sleep(step.seconds)
                            continue
                        response = failure = None
                        try:
                            response = await attempt(step.endpoint)
                        except httpx2.TransportError as problem:
                            if self._is_closed or isinstance(problem, OF_THE_CALLER):
                                raise
                            step.failed(
                                type(problem).__name__,
                                is_unsent=isinstance(problem, UNSENT),
                                is_final=is_distrust(problem),
                                is_timeout=isinstance(problem, httpx2.TimeoutException),
                            )
                            failure = problem
                        else:
                            step.answered(response.status_code, response.headers)
                if response is None:
                    assert failure is not None  # noqa: S101 - there was an attempt, or the policy has raised
                    raise failure
                return response
        finally:
            del failure  # or its traceback, which has this frame, would keep the connection open

    @asynccontextmanager
    async def _turn(self, end: float | None) -> AsyncGenerator[None, None]:
        try:
            # a time-out costs more than all else here, and nothing is waited for as long as there are turns
            async with asyncio.timeout(seconds_until(end)) if self._turns.locked() else nullcontext():
                await self._turns.acquire()
        except TimeoutError:
            raise DeadlineError(f"no time is left: the call has waited for {_MOST_CALLS} others to end") from None
        try:
            yield
        finally:
            self._turns.release()

    async def _attempt(self, request: httpx2.Request, body: Any, now: Sending, endpoint: Endpoint) -> httpx2.Response:
        """Send `request` once, to `endpoint`."""
        url, own = request.url, self._urls[endpoint]
        headers = request.headers.copy()
        if origin_of(url) != self._origin_at[endpoint]:
            if headers.get("Host") == url.netloc.decode("ascii"):
                headers["Host"] = own.netloc.decode("ascii")
            url = url.copy_with(scheme=own.scheme, host=own.host, port=own.port)
        seconds = _seconds(request, now)
        if now.end is not None and seconds is not None:
            headers.setdefault(REMAINING_HEADER, remaining_header(seconds))
        extensions = dict(request.extensions)
        if self._upstream.server_name is not None:
            extensions.setdefault("sni_hostname", self._upstream.server_name)
        moved = httpx2.Request(request.method, url, headers=headers, stream=body, extensions=extensions)
        return await self._send(self._connections[endpoint], moved, seconds, now)

    async def _send_elsewhere(self, request: httpx2.Request, now: Sending) -> httpx2.Response:
        """Send a redirected call to another origin, or a request of the call's auth."""
        proxy = proxy_for(str(request.url))
        if proxy not in self._elsewhere:
            self._elsewhere[proxy] = Connections(proxy, cache(httpx2.create_ssl_context))
        moved = httpx2.Request(
            request.method,
            request.url,
            headers=request.headers,
            stream=request.stream,
            extensions=dict(request.extensions),
        )
        return await self._send(self._elsewhere[proxy], moved, _seconds(request, now), now)

    async def _send(
        self, connections: Connections, request: httpx2.Request, seconds: float | None, now: Sending
    ) -> httpx2.Response:
        """Send `request` as it is, within `seconds`, and read the response unless the caller does."""
        if self._is_closed:
            raise RuntimeError("the client was closed while a call was under way")
        request.extensions["timeout"] = {**request.extensions.get("timeout", {}), "pool": None}
        transport = connections.transport_for(request)
        if isinstance(transport, EngineTransport):
            if seconds is not None:
                request.extensions[END] = asyncio.get_running_loop().time() + seconds
            return await self._response(transport, request, now)
        try:
            async with asyncio.timeout(seconds) as limit:
                return await self._response(transport, request, now)
        except TimeoutError:
            if not limit.expired():
                raise  # the body's own
            raise httpx2.ReadTimeout(f"no answer within {seconds:.1f} s") from None

    async def _response(
        self, transport: httpx2.AsyncBaseTransport, request: httpx2.Request, now: Sending
    ) -> httpx2.Response:
        response = await transport.handle_async_request(request)
        # httpx2 reads a redirect that it follows, even of a streamed call
        if not now.is_streamed or (now.follows and response.has_redirect_location):
            # so that an error while reading is one of the attempt
            await read(response, self._upstream.max_answer_bytes)
        elif isinstance(response.stream, EngineStream):
            response.stream.relax()
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        self._is_closed = True
        for each in (*self._connections.values(), *self._elsewhere.values()):
            await each.aclose()


def _seconds(request: httpx2.Request, now: Sending) -> float | None:
    """How long an attempt that begins now may take: the time to connect plus the time to read, or what is left.

    Raises:
        DeadlineError: no time is left.
    """
    left, timeouts = seconds_until(now.end), request.extensions.get("timeout", {})
    if left is not None and left <= 0:
        raise DeadlineError(NO_TIME_LEFT)
    connect, read = timeouts.get("connect"), timeouts.get("read")
    return shortest((left, None if connect is None or read is None else connect + read))
