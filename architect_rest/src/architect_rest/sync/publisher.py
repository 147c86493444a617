"""Posts events to all of their subscribers at once."""

from __future__ import annotations

import os
from base64 import b64encode
from collections import deque
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

import urllib3
from certifi import where

from architect_core.contract import Delivery, EventPublisher
from architect_rest.policy.proxies import proxy_for
from architect_rest.sync.connections import POOL_CLASSES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from architect_core.contract import Subscription

_MAX_THREADS = 512
_MAX_BODY = 65536  # bytes of an answer that are read to reuse its connection
_PART = 4096  # bytes
_HEADERS = {"Content-Type": "application/json", "User-Agent": f"architect-rest/{version('architect-rest')}"}
_POOLS: dict[str, Any] = {"num_pools": 1 << 16, "maxsize": 8}  # more than `_pool` remembers


class RestPublisher(EventPublisher):
    """Delivers over HTTP, by one thread for each subscriber; threads and connections are kept for the next event.

    Proxies and certificate authorities come from the environment variables that requests reads. A subscriber's headers
    are sent to that subscriber only; a redirect is not followed, because it could lead to another host.
    """

    def __init__(self) -> None:
        self._managers: dict[Any, urllib3.PoolManager] = {}
        self._threads: tuple[int, Executor] | None = None  # and the process that they are in

    def publish(self, subscriptions: Sequence[Subscription], body: bytes, timeout: float) -> list[Delivery]:
        """Post `body` to all subscribers, each for `timeout` seconds at most; returns a result for each, in order."""
        started = monotonic()
        proxies = getproxies()
        waiting = deque(enumerate(subscriptions))
        results: list[Any] = [None] * len(subscriptions)

        def deliver() -> None:
            with suppress(IndexError):  # until all are taken
                while True:
                    number, subscription = waiting.popleft()
                    status = error = None
                    try:
                        status = self._post(subscription, body, timeout, proxies)
                    except Exception as problem:  # noqa: BLE001 - reported, so that the others are delivered
                        error = problem
                    results[number] = Delivery(subscription, status, monotonic() - started, error)

        futures = []
        with suppress(RuntimeError):  # the interpreter is ending, or the system has no more threads
            executor = self._executor()
            for _ in subscriptions[1:]:
                futures.append(executor.submit(deliver))  # noqa: PERF401 - those before an error count
        deliver()
        for future in futures:
            if not future.cancel():
                future.result()
        return results

    def _executor(self) -> Executor:
        from concurrent.futures import ThreadPoolExecutor  # raises RuntimeError while the interpreter is ending

        if self._threads is None or self._threads[0] != os.getpid():  # threads do not survive a fork
            self._threads = os.getpid(), ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="architect-publish")
        return self._threads[1]

    def _post(self, subscription: Subscription, body: bytes, timeout: float, proxies: dict[str, str]) -> int:
        deadline = monotonic() + timeout
        headers = urllib3.HTTPHeaderDict(_HEADERS)
        if subscription.auth is not None:
            headers["Authorization"] = f"Basic {b64encode(':'.join(subscription.auth).encode()).decode()}"
        for name, value in subscription.headers.items():
            # UTF-8 on the wire; http.client writes Latin-1, and its error would show the value
            headers[name] = value.encode().decode("latin-1")
        manager, limit = self._manager(proxy_for(subscription.url, proxies)), urllib3.Timeout(total=timeout)
        pool, url = (manager, subscription.url) if manager.proxy else _pool(manager, subscription.url)
        response = pool.urlopen(
            "POST", url, body=body, headers=headers, redirect=False, retries=False, timeout=limit, preload_content=False
        )
        try:
            _finish(response, deadline)
        except (urllib3.exceptions.HTTPError, OSError):  # the status has been received, and that is what counts
            response.close()
        return response.status

    def _manager(self, proxy: str | None) -> urllib3.PoolManager:
        authorities = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or where()
        key = os.getpid(), proxy, authorities  # a forked child must not use its parent's connections
        manager = self._managers.get(key)
        if manager is None:
            kwargs = {"ca_certs": authorities, **_POOLS}
            new = urllib3.ProxyManager(proxy, **kwargs) if proxy else urllib3.PoolManager(**kwargs)
            new.pool_classes_by_scheme = POOL_CLASSES
            manager = self._managers.setdefault(key, new)
        return manager


@lru_cache(1024)
def _pool(manager: urllib3.PoolManager, url: str) -> tuple[Any, str]:
    parsed = urllib3.util.parse_url(url)
    return manager.connection_from_host(parsed.host, parsed.port, parsed.scheme), parsed.request_uri


def _finish(response: urllib3.BaseHTTPResponse, deadline: float) -> None:
    """Read the answer's body, so that its connection can be reused, unless that takes too long."""
    read = 0
    while part := response.read1(_PART):
        read += len(part)
        if read > _MAX_BODY or monotonic() > deadline:
            response.close()
            return
    response.release_conn()
