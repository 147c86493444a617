"""What a REST client sends with: attempts at a service's instances, until one succeeds or must not be repeated."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter

from architect_rest import retry
from architect_rest.answer import MAX_ANSWER_BYTES, read
from architect_rest.deadline import HTTPConnectionPool, HTTPSConnectionPool, TimedConnection, attempt
from architect_rest.instances import Instances
from architect_rest.limits import Limits
from architect_rest.origin import origin_of, origin_sent_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from requests import PreparedRequest, Response
    from urllib3 import HTTPConnectionPool as Pool

    from architect_rest.instances import Instance

REMAINING_HEADER = "x-envoy-expected-rq-timeout-ms"
"""Tells a service in how many milliseconds its caller stops waiting; named as Envoy and what builds on it name it."""

_CONNECTIONS = 256
_FAILURES = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
_log = logging.getLogger("architect.rest")
_NEARLY = 0.005  # seconds
_OF_THE_CALLER = {408, 429}  # statuses that tell of whoever calls, and not of the instance


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
        retries: how many attempts may follow the first.
        server_name: the name that the server's certificate has; None for the host's.
        max_answer_bytes: how large an answer may be that is not streamed, once decoded; None for no limit.
    """

    __attrs__ = [*HTTPAdapter.__attrs__, "urls", "retries", "server_name", "max_answer_bytes"]  # noqa: RUF012 - what pickling reads

    def __init__(
        self,
        urls: Sequence[str],
        *,
        retries: int = 2,
        server_name: str | None = None,
        max_answer_bytes: int | None = MAX_ANSWER_BYTES,
    ) -> None:
        """Make an adapter of one URL or several."""
        self.urls = tuple(urls)
        self.retries = retries
        self.server_name = server_name
        self.max_answer_bytes = max_answer_bytes
        super().__init__(pool_connections=max(10, len(urls)), pool_maxsize=_CONNECTIONS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Called by requests when the adapter is made, unpickled, or finds itself in a forked child."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}
        self.instances = Instances(self.urls)
        self._budget = retry.Budget(10)
        self._lost = retry.Budget(100)  # for calls that an instance lost and another may answer: many at a time
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
            AnswerTooLargeError: what is answered is larger than `max_answer_bytes`.
        """
        limits = timeout if isinstance(timeout, Limits) else None
        if not self._is_own(request.url or ""):
            return self._attempt(None, request, stream, timeout, limits, verify, cert, proxies)
        tried: list[Instance] = []
        started = time.monotonic()
        while True:
            instance, began = self.instances.begin(tried), time.monotonic()
            tried.append(instance)
            try:
                response = self._attempt(instance, request, stream, timeout, limits, verify, cert, proxies)
                wait = self._after_answer(request, response, instance, began, tried)
            except _FAILURES as problem:
                wait = self._after_failure(request, problem, instance, began, tried, limits)
                if not _has_time(wait, limits):
                    raise
                what: object = type(problem).__name__
            except BaseException:
                self.instances.given_up(instance)
                raise
            else:
                response._until_head += began - started  # type: ignore[attr-defined] # noqa: SLF001 - our mark
                if not _has_time(wait, limits):
                    return response
                what = response.status_code
                response.close()
            assert wait is not None  # noqa: S101 - there is time for it
            _log.info("%s at %s: %s; it is sent again in %.2f s", request.method, instance.place, what, wait)
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

    def _after_failure(
        self,
        request: PreparedRequest,
        problem: Exception,
        instance: Instance,
        began: float,
        tried: Sequence[Instance],
        limits: Limits | None,
    ) -> float | None:
        """Seconds until the next attempt; None for no other."""
        if limits is not None and limits.ends is not None and time.monotonic() >= limits.ends - _NEARLY:
            self.instances.given_up(instance)  # the caller was in a hurry
            return None
        is_unsent = retry.is_unsent(problem)
        if self.instances.failed(instance, began, unreachable=is_unsent):
            self._tell_left_out(instance, type(problem).__name__)
        if isinstance(problem, requests.exceptions.SSLError):  # it would be no other the next time
            return None
        # a body that is read while it is sent may raise anything
        if not ((is_unsent or retry.is_repeatable(request)) and retry.rewind(request)):
            return None
        is_elsewhere = self.instances.is_another_able(tried)
        if not is_unsent and not (self._lost if is_elsewhere else self._budget).fail():
            return None
        if len(tried) > self.retries:
            return None
        return 0.0 if is_elsewhere else retry.pause(len(tried) - 1, None)

    def _after_answer(
        self,
        request: PreparedRequest,
        response: Response,
        instance: Instance,
        began: float,
        tried: Sequence[Instance],
    ) -> float | None:
        """Seconds until the next attempt; None where this is the answer."""
        if not retry.is_failure(response):
            self.instances.succeeded(instance)
            self._budget.succeed()
            self._lost.succeed()
            return None
        asked = retry.asked_pause(response)
        if response.status_code in _OF_THE_CALLER:
            self.instances.given_up(instance)
        elif self.instances.failed(instance, began, unreachable=False, asked=asked or 0.0):
            self._tell_left_out(instance, f"status {response.status_code}")
        may_repeat = self._budget.fail()
        if len(tried) > self.retries or not may_repeat:
            return None
        if not (retry.is_repeatable(request) and retry.rewind(request)):
            return None
        return retry.pause(len(tried) - 1, None if self.instances.is_another_able(tried) else asked)

    def _tell_left_out(self, instance: Instance, why: str) -> None:
        if len(self.instances.all) > 1:  # the only one is used all the same
            _log.warning("%s is left out for %.1f s: %s", instance.place, instance.rest, why)

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
        instance: Instance | None = _at_instance.instance
        return super().request_url(_at(request, instance) if proxies and instance else request, proxies)


def _at(request: PreparedRequest, instance: Instance) -> PreparedRequest:
    """What requests asks of a request to find its connection, with an instance's URL."""
    if (request.url or "").startswith(f"{instance.url}/"):
        return request
    moved = request.copy()
    moved.url = instance.url + request.path_url
    return moved


def _has_time(wait: float | None, limits: Limits | None) -> bool:
    left = None if limits is None else limits.left()
    return wait is not None and (left is None or wait < left)
