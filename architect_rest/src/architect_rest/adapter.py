"""What a REST client sends with: attempts at a service's instances, until one succeeds or must not be repeated."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter

from architect_core.exceptions import ArchitectError
from architect_rest import retry
from architect_rest.answer import MAX_ANSWER_BYTES, read
from architect_rest.attempts import Attempts, Call
from architect_rest.deadline import HTTPConnectionPool, HTTPSConnectionPool, TimedConnection, attempt
from architect_rest.instances import Instances
from architect_rest.limits import Limits
from architect_rest.observing import Observed
from architect_rest.origin import origin_of, origin_sent_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from requests import PreparedRequest, Response
    from urllib3 import HTTPConnectionPool as Pool

    from architect_core.contract import ClientObserver
    from architect_rest.instances import Instance

REMAINING_HEADER = "x-envoy-expected-rq-timeout-ms"
"""Tells a service in how many milliseconds its caller stops waiting; named as Envoy and what builds on it name it."""

_CONNECTIONS = 256
_FAILURES = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class CircuitOpenError(ArchitectError, requests.ConnectionError):
    """A service gave no answer again and again, and is left alone for a moment. Also a `requests.ConnectionError`."""


class _AtInstance(threading.local):
    """Which instance this thread's attempt is made at."""

    instance: Instance | None = None


_at_instance = _AtInstance()


class ServiceAdapter(HTTPAdapter):
    """A `requests` adapter for one service; requests that lead elsewhere are sent as requests' own adapter does.

    An attempt that cannot have been processed, or that may be processed twice, is made again: at another instance
    where there is one, else after a pause. What is received after the last attempt is what the caller gets.

    Attributes:
        urls: scheme, host and port of each instance. What is sent to the first may go to any.
        weights: the share of the attempts that each gets; empty where all get the same.
        retries: how many attempts may follow the first.
        circuit_breaker: whether nothing is sent for a moment to a service that gave no answer five times in a row.
        server_name: the name that the server's certificate has; None for the host's.
        max_answer_bytes: how large an answer may be that is not streamed, once decoded; None for no limit.
        observer: who is told of the calls to the service; one that was unpickled tells nobody.
    """

    observer: ClientObserver | None = None
    __attrs__ = [  # noqa: RUF012 - what pickling reads
        *HTTPAdapter.__attrs__,
        "urls",
        "weights",
        "retries",
        "circuit_breaker",
        "server_name",
        "max_answer_bytes",
    ]

    def __init__(
        self,
        urls: Sequence[str],
        *,
        weights: Sequence[int] = (),
        retries: int = 2,
        circuit_breaker: bool = True,
        server_name: str | None = None,
        max_answer_bytes: int | None = MAX_ANSWER_BYTES,
        observer: ClientObserver | None = None,
    ) -> None:
        """Make an adapter of one URL or several."""
        self.urls = tuple(urls)
        self.weights = tuple(weights)
        self.retries = retries
        self.circuit_breaker = circuit_breaker
        self.server_name = server_name
        self.max_answer_bytes = max_answer_bytes
        self.observer = observer
        super().__init__(pool_connections=max(10, len(urls)), pool_maxsize=_CONNECTIONS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Called by requests when the adapter is made, unpickled, or finds itself in a forked child."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}
        instances = Instances(self.urls, self.weights, breaks=self.circuit_breaker)
        self.attempts = Attempts(instances, self.retries)
        if self.observer is not None:
            self.observer.watch(instances)
        self._pools: dict[Any, Pool] = {}
        self._own = tuple(f"{url}/" for url in self.urls)
        self._origins = set(filter(None, map(origin_of, self.urls)))

    def close(self) -> None:
        """Close all connections; new ones are made when they are needed."""
        super().close()
        self._pools.clear()  # a pool that nobody has is closed

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Called by requests for connections through a proxy."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}
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
        """Send `request`, more than once if need be.

        Raises:
            DeadlineError: no time is left for it.
            CircuitOpenError: nothing was sent, because the service did not answer again and again.
            AnswerTooLargeError: what is answered is larger than `max_answer_bytes`.
        """
        limits = timeout if isinstance(timeout, Limits) else None
        if not self._is_own(request.url or ""):
            return self._attempt(None, request, stream, timeout, limits, verify, cert, proxies)
        ends = None if limits is None else limits.ends
        rewind, is_read_once = partial(retry.rewind, request), partial(retry.is_read_once, request)
        call = Call(request.method or "", request.headers, rewind, is_read_once, ends)
        if self.observer is None:
            return self._send_own(call, request, stream, timeout, limits, verify, cert, proxies)
        with Observed(self.observer, call) as observed:
            response = self._send_own(call, request, stream, timeout, limits, verify, cert, proxies)
            observed.status = response.status_code
            return response

    def _send_own(
        self,
        call: Call,
        request: PreparedRequest,
        stream: bool,
        timeout: Any,
        limits: Limits | None,
        verify: Any,
        cert: Any,
        proxies: Any,
    ) -> Response:
        """Make the attempts of `call`."""
        attempts, started = self.attempts, time.monotonic()
        last: requests.RequestException | None = None
        while True:
            instance = attempts.begin(call)
            if instance is None:
                raise last or CircuitOpenError(attempts.told_open())
            try:
                response = self._attempt(instance, request, stream, timeout, limits, verify, cert, proxies)
                wait = attempts.after_answer(call, response.status_code, response.headers)
            except _FAILURES as problem:
                wait = attempts.after_failure(
                    call,
                    type(problem).__name__,
                    is_unsent=retry.is_unsent(problem),
                    is_final=retry.is_distrust(problem),
                )
                if wait is None:
                    raise
                last = problem
            except BaseException:
                attempts.give_up(call)
                raise
            else:
                response._until_head += call.began - started  # type: ignore[attr-defined] # noqa: SLF001 - our mark
                if wait is None:
                    return response
                response.close()
            time.sleep(wait)

    def _attempt(
        self,
        instance: Instance | None,
        request: PreparedRequest,
        stream: bool,
        timeout: Any,
        limits: Limits | None,
        verify: Any,
        cert: Any,
        proxies: Any,
    ) -> Response:
        """Send `request` once, to `instance`, or where its URL leads."""
        seconds = timeout if limits is None else limits.attempt()
        started = time.monotonic()
        attempt.is_limited = limits is not None
        if limits is not None:
            attempt.seconds, attempt.ends = limits[1], limits.ends
            if instance is not None and limits.ends is not None and REMAINING_HEADER not in request.headers:
                attempt.header = REMAINING_HEADER, str(max(1, int(1000 * (seconds[1] or 0))))
        _at_instance.instance = instance
        try:
            response = super().send(request, stream, seconds, verify, cert, proxies)
            response._until_head = time.monotonic() - started  # type: ignore[attr-defined] # noqa: SLF001 - our mark
            if response.is_redirect:
                pass  # what it says besides is read by requests, which does not mind if that is broken
            elif not stream:
                read(response, self.max_answer_bytes)  # what goes wrong with it goes wrong in this attempt
            elif isinstance(response.raw.connection, TimedConnection):
                response.raw.connection.relax()
        finally:
            attempt.is_limited = False
            attempt.header = _at_instance.instance = None
        return response

    def _is_own(self, url: str) -> bool:
        """Whether a URL leads to the service, in whichever spelling."""
        return url.startswith(self._own) or origin_sent_to(url) in self._origins

    def get_connection_with_tls_context(
        self, request: PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """Called by requests: the connections to the instance that the attempt is made at."""
        instance: Instance | None = _at_instance.instance
        if instance is None:
            return super().get_connection_with_tls_context(request, verify, proxies, cert)
        if proxies:
            return super().get_connection_with_tls_context(_at(request, instance), verify, proxies, cert)
        key = instance.url, verify, tuple(cert) if isinstance(cert, list) else cert
        pool = self._pools.get(key)
        if pool is None:
            pool = super().get_connection_with_tls_context(_at(request, instance), verify, proxies, cert)
            self._pools[key] = pool
        return pool

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Called by requests: what a pool of connections is picked by."""
        place, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        if self.server_name is not None and _at_instance.instance is not None and place["scheme"] == "https":
            tls |= {"server_hostname": self.server_name, "assert_hostname": self.server_name}
        return place, tls

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:
        """Called by requests: what a request line has, which is the whole URL where there is a proxy."""
        if not proxies and not request.path_url.startswith("//"):
            return request.path_url  # for which requests parses the URL twice
        instance: Instance | None = _at_instance.instance
        return super().request_url(_at(request, instance) if proxies and instance else request, proxies)


def _at(request: PreparedRequest, instance: Instance) -> PreparedRequest:
    """What requests asks of a request to find its connection, with an instance's URL."""
    if (request.url or "").startswith(f"{instance.url}/"):
        return request
    moved = request.copy()
    moved.url = instance.url + request.path_url
    return moved
