"""What a REST client sends with: attempts at a service's instances, until one succeeds or must not be repeated."""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter

from architect_rest import retry
from architect_rest.answer import MAX_ANSWER_BYTES, read
from architect_rest.deadline import HTTPConnectionPool, HTTPSConnectionPool, TimedConnection
from architect_rest.instances import Instances
from architect_rest.limits import Limits

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
_attempt = threading.local()  # which instance this thread's attempt is made at


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
        self._budget = retry.Budget()
        self._pools: dict[Any, Pool] = {}
        self._own = tuple(f"{url}/" for url in self.urls)

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
        if not (request.url or "").startswith(self._own):
            _attempt.instance = None
            return super().send(request, stream, timeout, verify, cert, proxies)
        limits = timeout if isinstance(timeout, Limits) else None
        tried: list[Instance] = []
        started = time.monotonic()
        while True:
            seconds = timeout if limits is None else limits.attempt()
            instance, began = self.instances.begin(tried), time.monotonic()
            tried.append(instance)
            _attempt.instance = instance
            try:
                tells = _tell_remaining(request, limits)
                try:
                    response = super().send(request, stream, seconds, verify, cert, proxies)
                finally:
                    if tells:  # a redirect, which may lead elsewhere, copies the headers
                        request.headers.pop(REMAINING_HEADER, None)
                response._until_head = timedelta(seconds=time.monotonic() - started)  # type: ignore[attr-defined] # noqa: SLF001
                if not stream:
                    read(response, self.max_answer_bytes)  # what goes wrong with it goes wrong in this attempt
                elif isinstance(response.raw.connection, TimedConnection):
                    response.raw.connection.relax()
            except _FAILURES as problem:
                wait = self._after_failure(request, problem, instance, began, len(tried))
                if not _has_time(wait, limits):
                    raise
                what: object = type(problem).__name__
            except BaseException:
                self.instances.given_up(instance)
                raise
            else:
                wait = self._after_answer(request, response, instance, began, len(tried))
                if not _has_time(wait, limits):
                    return response
                what = response.status_code
                response.close()
            assert wait is not None  # noqa: S101 - there is time for it
            _log.info("%s at %s: %s; it is sent again in %.2f s", request.method, instance.place, what, wait)
            time.sleep(wait)

    def _after_failure(
        self, request: PreparedRequest, problem: Exception, instance: Instance, began: float, attempts: int
    ) -> float | None:
        """Seconds until the next attempt; None for no other."""
        is_unsent = retry.is_unsent(problem)
        if self.instances.failed(instance, began, unreachable=is_unsent):
            self._tell_left_out(instance, type(problem).__name__)
        if isinstance(problem, requests.exceptions.SSLError):  # it would be no other the next time
            return None
        if not is_unsent and not (retry.is_repeatable(request) and retry.rewind(request)):
            return None
        is_elsewhere = self.instances.is_another_able(instance)
        # what is sent to another instance, or is sent at all for the first time, burdens no one twice
        if not is_unsent and not is_elsewhere and not self._budget.fail():
            return None
        if attempts > self.retries:
            return None
        return 0.0 if is_elsewhere else retry.pause(attempts - 1, None)

    def _after_answer(
        self, request: PreparedRequest, response: Response, instance: Instance, began: float, attempts: int
    ) -> float | None:
        """Seconds until the next attempt; None where this is the answer."""
        if not retry.is_failure(response):
            self.instances.succeeded(instance)
            self._budget.succeed()
            return None
        asked = retry.asked_pause(response)
        if self.instances.failed(instance, began, unreachable=False, asked=asked or 0.0):
            self._tell_left_out(instance, f"status {response.status_code}")
        may_repeat = self._budget.fail()
        if attempts > self.retries or not may_repeat:
            return None
        if not (retry.is_repeatable(request) and retry.rewind(request)):
            return None
        return retry.pause(attempts - 1, None if self.instances.is_another_able(instance) else asked)

    def _tell_left_out(self, instance: Instance, why: str) -> None:
        if len(self.instances.all) > 1:  # the only one is used all the same
            _log.warning("%s is left out for %.1f s: %s", instance.place, instance.rest, why)

    def get_connection_with_tls_context(
        self, request: PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """Called by requests: the connections to the instance that the attempt is made at."""
        instance: Instance | None = _attempt.instance
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
        if self.server_name is not None and _attempt.instance is not None and place["scheme"] == "https":
            tls |= {"server_hostname": self.server_name, "assert_hostname": self.server_name}
        return place, tls

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:
        """Called by requests: what a request line has, which is the whole URL where there is a proxy."""
        instance: Instance | None = _attempt.instance
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


def _tell_remaining(request: PreparedRequest, limits: Limits | None) -> bool:
    """Have a request say how long its caller waits, unless it does by itself; gives whether that is done."""
    left = None if limits is None else limits.left()
    if left is None or REMAINING_HEADER in request.headers:
        return False
    request.headers[REMAINING_HEADER] = str(max(1, int(left * 1000)))
    return True
