"""The adapter of a REST client, which sends a request as often as the policy says."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError, ContentDecodingError, UnrewindableBodyError
from requests.utils import rewind_body

from architect_core.clock import monotonic
from architect_rest.policy.attempts import Call, Pause, Steps
from architect_rest.policy.limits import PATIENT, REMAINING_HEADER, remaining_header, too_large
from architect_rest.sync.connections import TimedConnection, Timeouts, check_urllib3, current, keep_time
from architect_rest.sync.errors import FAILURES, AnswerTooLargeError, CircuitOpenError, signs
from architect_rest.sync.urls import origin_of, origin_sent_to

if TYPE_CHECKING:
    from requests import PreparedRequest, Response
    from urllib3 import HTTPConnectionPool as Pool

    from architect_core.contract import ClientObserver
    from architect_rest.policy.attempts import Upstream
    from architect_rest.policy.endpoints import Endpoint

_CONNECTIONS = 256
_PART = 65_536  # bytes


class ServiceAdapter(HTTPAdapter):
    """A `requests` adapter for one service; a request to another origin is sent as by requests' own adapter.

    An attempt that cannot have been processed, or that may be processed twice, is made again: at another endpoint if
    there is one, else after a pause. The caller gets the outcome of the last attempt.

    Attributes:
        upstream: the service's endpoints and rules.
        policy: what is counted of its endpoints.
        observer: reports the calls; None for an adapter that was unpickled.
    """

    observer: ClientObserver | None = None
    __attrs__ = [*HTTPAdapter.__attrs__, "upstream"]  # noqa: RUF012 - what pickling reads

    def __init__(self, upstream: Upstream, observer: ClientObserver | None = None) -> None:
        check_urllib3()
        self.upstream = upstream
        self.observer = observer
        super().__init__(pool_connections=max(10, len(upstream.urls)), pool_maxsize=_CONNECTIONS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Called by requests for an adapter that is new or unpickled, and by `RestClient` in a forked child."""
        super().init_poolmanager(*args, **kwargs)
        keep_time(self.poolmanager)
        self.policy = self.upstream.policy(CircuitOpenError, self.observer)
        self._pools: dict[Any, Pool] = {}
        self._prefixes = tuple(f"{url}/" for url in self.upstream.urls)
        self._origins = set(filter(None, map(origin_of, self.upstream.urls)))

    def close(self) -> None:
        """Close all connections; new ones are made when they are needed."""
        super().close()
        self._pools.clear()

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Called by requests for connections through a proxy."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        keep_time(manager)
        return manager

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Response:
        """Called by requests to send `request`, also for redirects."""
        attempt = partial(self._attempt, request, timeout, stream=stream, verify=verify, cert=cert, proxies=proxies)
        if isinstance(timeout, Timeouts) and not isinstance(request.body, str | bytes | None):
            attempt = timeout.around(attempt)
        url = request.url or ""
        if not url.startswith(self._prefixes) and origin_sent_to(url) not in self._origins:
            return attempt(None)
        end, is_hurried = (timeout.end, timeout.is_hurried) if isinstance(timeout, Timeouts) else (None, PATIENT)
        is_once = partial(_is_read_once, request)
        call = Call(request.method or "", request.headers, partial(_rewind, request), is_once, end, is_hurried)
        began = monotonic()
        response = failure = None
        try:
            with Steps(self.policy, call) as steps:
                for step in steps:
                    if isinstance(step, Pause):
                        if response is not None:
                            response.close()
                        time.sleep(step.seconds)
                        continue
                    response = failure = None
                    try:
                        response = attempt(step.endpoint)
                    except FAILURES as problem:
                        step.failed(type(problem).__name__, **signs(problem))
                        failure = problem
                    else:
                        step.answered(response.status_code, response.headers)
                        response._until_head += step.began - began  # type: ignore[attr-defined] # noqa: SLF001 - our mark
                if response is None:
                    assert failure is not None  # noqa: S101 - there was an attempt, or the policy has raised
                    raise failure
                return response
        finally:
            del failure  # or its traceback, which has this frame, would keep the connection open

    def _attempt(
        self, request: PreparedRequest, timeout: Any, endpoint: Endpoint | None, *, stream: bool, **tls: Any
    ) -> Response:
        """Send `request` once: to `endpoint`, or without one to the origin of its URL."""
        outer = current.endpoint, current.timeouts, current.header  # of the call whose body makes this one
        limits = header = None
        if isinstance(timeout, Timeouts):
            limits, timeout = timeout, timeout.of_attempt()
            if endpoint is not None and limits.end is not None and REMAINING_HEADER not in request.headers:
                header = REMAINING_HEADER, remaining_header(timeout[1])
        current.endpoint, current.timeouts, current.header = endpoint, limits, header
        started = monotonic()
        try:
            response = super().send(request, stream, timeout, **tls)
            response._until_head = monotonic() - started  # type: ignore[attr-defined] # noqa: SLF001 - our mark
            if response.is_redirect or not stream:  # requests reads every redirect
                _read(response, self.upstream.max_answer_bytes)  # so that an error while reading is one of the attempt
        finally:
            current.endpoint, current.timeouts, current.header = outer
        return response

    def get_connection_with_tls_context(
        self, request: PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """Called by requests for the connections to use: those to the attempt's endpoint."""
        endpoint = current.endpoint
        if endpoint is None:
            return super().get_connection_with_tls_context(request, verify, proxies, cert)
        key = endpoint.url, verify, tuple(cert) if isinstance(cert, list) else cert
        pool = None if proxies else self._pools.get(key)
        if pool is None:
            pool = super().get_connection_with_tls_context(_at(request, endpoint), verify, proxies, cert)
            if not proxies:
                self._pools[key] = pool
        return pool

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Called by requests for what identifies a pool of connections."""
        host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        name = self.upstream.server_name
        if name is not None and current.endpoint is not None and host["scheme"] == "https":
            tls |= {"server_hostname": name, "assert_hostname": name}
        return host, tls

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:
        """Called by requests for the target in the request line: with a proxy the whole URL."""
        path = request.path_url
        if not proxies and not path.startswith("//"):
            return path  # requests would parse the URL twice
        return super().request_url(_at(request, current.endpoint) if proxies and current.endpoint else request, proxies)


def _at(request: PreparedRequest, endpoint: Endpoint) -> PreparedRequest:
    """`request` with the URL of an endpoint."""
    if (request.url or "").startswith(f"{endpoint.url}/"):
        return request
    moved = request.copy()
    moved.url = endpoint.url + request.path_url
    return moved


def _is_read_once(request: PreparedRequest) -> bool:
    """Whether a request's body is produced while it is sent, so that an error may be the body's own."""
    return hasattr(request.body, "__next__") and not hasattr(request.body, "seek")


def _rewind(request: PreparedRequest) -> bool:
    """Prepare a request's body to be sent again; returns False if that is impossible."""
    if request.body is None or isinstance(request.body, str | bytes):
        return True
    try:
        rewind_body(request)
    except UnrewindableBodyError:
        return False
    return True


def _read(response: Response, max_answer_bytes: int | None) -> None:
    """Read a response's body, which `response.content` then returns.

    Raises:
        AnswerTooLargeError: it is longer than `max_answer_bytes`, once decoded. Its connection is closed.
    """
    most = sys.maxsize if max_answer_bytes is None else max_answer_bytes
    parts, size = [], 0
    try:
        for part in response.iter_content(None if _is_within(response.raw, most) else _PART):
            size += len(part)
            if size > most:
                response.close()
                raise AnswerTooLargeError(too_large(most, "stream=True"))
            parts.append(part)
    except (ChunkedEncodingError, ContentDecodingError) as problem:
        if isinstance(problem, AnswerTooLargeError) or not response.is_redirect:
            raise
        response.close()  # requests ignores what is wrong with a redirect's body
        parts.clear()
    response._content = b"".join(parts)  # noqa: SLF001 - where `content` keeps the body


def _is_within(raw: Any, most: int) -> bool:
    """Whether a response that is read from a socket has stated its length, which is at most `most` bytes."""
    if not isinstance(getattr(raw, "connection", None), TimedConnection) or "content-encoding" in raw.headers:
        return False
    return raw.length_remaining is not None and raw.length_remaining <= most
