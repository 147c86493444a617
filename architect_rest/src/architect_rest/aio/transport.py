"""What the client for asyncio sends with: attempts at a service's instances, as those of `ServiceAdapter`."""

from __future__ import annotations

import asyncio
import ssl
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import httpx2

from architect_rest.adapter import REMAINING_HEADER
from architect_rest.aio.answer import LimitedResponse
from architect_rest.aio.body import OnceBody
from architect_rest.aio.connections import Connections, proxy_to
from architect_rest.aio.errors import CircuitOpenError, DeadlineError, ForeignOriginError
from architect_rest.attempts import Attempts, Call
from architect_rest.instances import Instances
from architect_rest.observing import Observed
from architect_rest.origin import is_address, origin_of, told_foreign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from architect_core.contract import ClientObserver
    from architect_rest.instances import Instance

_MOST_CALLS = 256  # at a time; more wait
_SCHEMES = {"ws": "http", "wss": "https"}
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout)
_NOT_OF_THE_INSTANCE = (httpx2.LocalProtocolError, httpx2.UnsupportedProtocol)
# what a request to another origin may take along: nothing that says who asks
_HARMLESS_HEADERS = {"accept", "accept-encoding", "connection", "host", "user-agent"}


@dataclass
class Sending:
    """What a client is told of a call and its transport is not.

    Attributes:
        ends: when it has to be over, as `time.monotonic()` tells it; None for never.
        is_streamed: whether the caller reads the answer, part by part.
        follows: whether redirects are followed.
        authorization: what the service was told of who calls. httpx2 takes it from a redirect to another origin, which
            may be one of the service's own.
        has_left: whether a redirect led elsewhere. One that leads back says nothing of who calls: where it leads was
            chosen by somebody else.
    """

    ends: float | None
    is_streamed: bool
    follows: bool = False
    authorization: str | None = None
    has_left: bool = False

    def left(self) -> float | None:
        """Seconds until the end; None where there is none."""
        return None if self.ends is None else self.ends - monotonic()


sending: ContextVar[Sending] = ContextVar("sending")
OF_THE_SERVICE = "architect_rest.is_of_the_service"
"""The extension of a request that the client was given, which the requests that redirects make of it have too."""


class ServiceTransport(httpx2.AsyncBaseTransport):
    """An `httpx2` transport for one service.

    An attempt that cannot have been processed, or that may be processed twice, is made again: at another instance
    where there is one, else after a pause. What is received after the last attempt is what the caller gets.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        weights: Sequence[int],
        retries: int,
        circuit_breaker: bool,
        verify: ssl.SSLContext | bool,
        server_name: str | None,
        max_answer_bytes: int | None,
        observer: ClientObserver | None,
    ) -> None:
        """Make a transport; see `AioRestClient`."""
        self.attempts = Attempts(Instances(urls, weights, breaks=circuit_breaker), retries)
        self._observer = observer
        if observer is not None:
            observer.watch(self.attempts.instances)
        self._urls = {each: httpx2.URL(each.url) for each in self.attempts.instances.all}
        self._places = set(map(place_of, self._urls.values()))
        context = _context(urls, verify)
        self._connections = {
            each: Connections(proxy_to(each.url), context, lasting=is_address(url.host))
            for each, url in self._urls.items()
        }
        self._elsewhere: dict[str | None, Connections] = {}
        self._server_name = server_name
        self._max_answer_bytes = max_answer_bytes
        self._turns = asyncio.Semaphore(_MOST_CALLS)
        self._is_closed = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send `request`, more than once if need be.

        Raises:
            DeadlineError: no time is left for it.
            CircuitOpenError: nothing was sent, because the service did not answer again and again.
            AnswerTooLargeError: what is answered is larger than `max_answer_bytes`.
            ForeignOriginError: a redirect to another origin would take the request's body along.
        """
        now, began = sending.get(None) or Sending(None, is_streamed=True), monotonic()
        if not self.is_own(request.url):
            response = await self._send_elsewhere(request, now)
        else:
            body = request.stream if isinstance(request.stream, httpx2.ByteStream) else OnceBody(request.stream)
            is_begun = partial(getattr, body, "is_begun", False)
            call = Call(request.method, request.headers, lambda: not is_begun(), is_begun, now.ends)
            if self._observer is None:
                response = await self._send_own(call, request, body, now)
            else:
                with Observed(self._observer, call) as observed:
                    response = await self._send_own(call, request, body, now)
                    observed.status = response.status_code
        if not now.is_streamed:  # it was read, which the client looks at no more
            response.elapsed = timedelta(seconds=monotonic() - began)
        return response

    def is_own(self, url: httpx2.URL) -> bool:
        """Whether a URL leads to the service."""
        return place_of(url) in self._places

    async def _take_turn(self, now: Sending) -> None:
        try:
            async with asyncio.timeout(now.left()):
                await self._turns.acquire()
        except TimeoutError:
            raise DeadlineError(f"no time is left: {_MOST_CALLS} other calls are under way, which went first") from None

    async def _send_own(self, call: Call, request: httpx2.Request, body: Any, now: Sending) -> httpx2.Response:
        await self._take_turn(now)
        try:
            return await self._make_attempts(call, request, body, now)
        finally:
            self._turns.release()

    async def _make_attempts(self, call: Call, request: httpx2.Request, body: Any, now: Sending) -> httpx2.Response:
        last: httpx2.TransportError | None = None
        while True:
            instance = self.attempts.begin(call)
            if instance is None:
                raise last or CircuitOpenError(self.attempts.told_open())
            try:
                response = await self._attempt(instance, request, body, now)
                wait = self.attempts.after_answer(call, response.status_code, response.headers)
            except httpx2.TransportError as problem:
                if isinstance(problem, _NOT_OF_THE_INSTANCE):
                    self.attempts.give_up(call)
                    raise
                wait = self.attempts.after_failure(
                    call, type(problem).__name__, is_unsent=isinstance(problem, _UNSENT), is_final=_is_distrust(problem)
                )
                if wait is None or self._is_closed:
                    raise
                last = problem
            except BaseException:
                self.attempts.give_up(call)
                raise
            else:
                if wait is None:
                    return response
                await response.aclose()
            await asyncio.sleep(wait)

    async def _attempt(self, instance: Instance, request: httpx2.Request, body: Any, now: Sending) -> httpx2.Response:
        """Send `request` once, to `instance`."""
        url, place = request.url, self._urls[instance]
        headers = request.headers.copy()
        if OF_THE_SERVICE in request.extensions:
            if now.has_left:
                _take_identity(headers)
            now.authorization = headers.get("Authorization", now.authorization)
            if now.authorization is not None:
                headers["Authorization"] = now.authorization
        if place_of(url) != place_of(place):
            if headers.get("Host") == url.netloc.decode("ascii"):
                headers["Host"] = place.netloc.decode("ascii")
            url = url.copy_with(scheme=place.scheme, host=place.host, port=place.port)
        seconds = _seconds(request, now)
        if now.ends is not None and seconds is not None:
            headers.setdefault(REMAINING_HEADER, str(max(1, int(1000 * seconds))))
        extensions = {} if self._server_name is None else {"sni_hostname": self._server_name}
        return await self._send(self._connections[instance], request, body, url, headers, extensions, seconds, now)

    async def _send_elsewhere(self, request: httpx2.Request, now: Sending) -> httpx2.Response:
        """Send what a redirect made of a call, which takes nothing of the service along; or what its auth asks for."""
        headers = request.headers.copy()
        if OF_THE_SERVICE in request.extensions:
            if _has_body(request):
                what = "the service's redirect, which asks for the request's body,"
                raise ForeignOriginError(self.told_foreign(request.url, what))
            _take_identity(headers)
            now.has_left, now.authorization = True, None
        proxy = proxy_to(str(request.url))
        if proxy not in self._elsewhere:
            self._elsewhere[proxy] = Connections(proxy, verify=True, lasting=False)
        seconds = _seconds(request, now)
        connections = self._elsewhere[proxy]
        return await self._send(connections, request, request.stream, request.url, headers, {}, seconds, now)

    async def _send(
        self,
        connections: Connections,
        request: httpx2.Request,
        body: Any,
        url: httpx2.URL,
        headers: httpx2.Headers,
        extensions: dict[str, Any],
        seconds: float | None,
        now: Sending,
    ) -> httpx2.Response:
        """Send `request` to `url`, with other headers and further extensions."""
        if self._is_closed:
            raise RuntimeError("the client was closed while a call was under way")
        timeouts = request.extensions.get("timeout", {})
        attempt = httpx2.Request(
            request.method,
            url,
            headers=headers,
            stream=body,
            extensions={**extensions, **request.extensions, "timeout": {**timeouts, "pool": None}},
        )
        try:
            async with asyncio.timeout(seconds) as limit:
                response = await connections.send(attempt)
                # httpx2 reads a redirect that it follows, also where the answer is streamed
                is_read = not now.is_streamed or (now.follows and response.has_redirect_location)
                if is_read and self._max_answer_bytes is not None:
                    response = LimitedResponse.of(response, self._max_answer_bytes)
                if is_read:
                    await _read(response)  # what goes wrong with it goes wrong in this attempt
        except TimeoutError:
            if not limit.expired():
                raise  # the body's own
            raise httpx2.ReadTimeout(f"no answer within {seconds:.1f} s") from None
        return response

    def told_foreign(self, url: httpx2.URL, what: str = "the URL") -> str:
        """What is said of a URL that leads elsewhere."""
        own = origin_of(self.attempts.instances.all[0].url)
        assert own is not None  # noqa: S101 - it was checked when the client was made
        return told_foreign(origin_of(str(url)), own, what)

    async def aclose(self) -> None:
        """Close all connections."""
        self._is_closed = True
        for each in (*self._connections.values(), *self._elsewhere.values()):
            await each.aclose()


def _take_identity(headers: httpx2.Headers) -> None:
    for name in [name for name in headers if name.lower() not in _HARMLESS_HEADERS]:
        del headers[name]


def _context(urls: Sequence[str], verify: ssl.SSLContext | bool) -> ssl.SSLContext:
    """One for all instances: reading the authorities takes tens of milliseconds."""
    if isinstance(verify, ssl.SSLContext):
        return verify
    if any(url.startswith("https:") for url in urls):
        return httpx2.create_ssl_context(verify=verify)
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # nothing is sent over TLS


async def _read(response: httpx2.Response) -> None:
    try:
        await response.aread()
    except BaseException:
        await response.aclose()
        raise


def _seconds(request: httpx2.Request, now: Sending) -> float | None:
    """How long an attempt that begins now may take: those seconds to connect, and those for what follows."""
    left, timeouts = now.left(), request.extensions.get("timeout", {})
    if left is not None and left <= 0:
        raise DeadlineError("no time is left: the call's total time-out, or the deadline that it is made in, is over")
    connect, read = timeouts.get("connect"), timeouts.get("read")
    return min(
        (each for each in (left, None if None in (connect, read) else connect + read) if each is not None), default=None
    )


def place_of(url: httpx2.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port; a web socket's are those that it begins with."""
    return _SCHEMES.get(url.scheme, url.scheme), url.host, url.port


def _has_body(request: httpx2.Request) -> bool:
    return "Transfer-Encoding" in request.headers or request.headers.get("Content-Length", "0") != "0"


def _is_distrust(problem: BaseException) -> bool:
    """Whether a certificate is not trusted, or TLS cannot be agreed on: it would be no other the next time."""
    if not isinstance(problem, httpx2.ConnectError):
        return False
    cause: BaseException | None = problem
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__
    return cause is not None and not isinstance(cause, ssl.SSLEOFError)  # which is a connection that broke
