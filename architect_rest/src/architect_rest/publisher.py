"""Posts events to all of their subscribers at once."""

from __future__ import annotations

import os
from base64 import b64encode
from collections import deque
from importlib.metadata import version
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies_environment

import urllib3
from certifi import where
from requests.utils import select_proxy, should_bypass_proxies
from urllib3.util import parse_url

from architect_core.contract import Delivery, EventPublisher
from architect_rest.deadline import HTTPConnectionPool, HTTPSConnectionPool
from architect_rest.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import ThreadPoolExecutor

    from architect_core.contract import Subscription

_MOST_THREADS = 512
_MOST_HOSTS = 1024
_MOST_URLS = 4096
_CONNECTIONS_PER_HOST = 8
_MOST_BODY = 65536  # bytes of an answer that are worth reading to keep its connection
_CHUNK = 4096


class RestPublisher(EventPublisher):
    """Delivers over HTTP, on threads and connections that are kept for the next event.

    Proxies and certificate authorities come from the environment variables that requests reads. A subscriber's headers
    go to that subscriber alone; a redirect is not followed, because it could lead elsewhere.
    """

    def __init__(self) -> None:
        self._sender: _Sender | None = None

    def publish(self, subscriptions: Sequence[Subscription], body: bytes, timeout: float) -> list[Delivery]:
        """Post `body` to all; one result for each, in order, never an exception.

        Args:
            subscriptions: who is to get it.
            body: what is posted.
            timeout: seconds that a subscriber may take to accept the connection and answer.
        """
        sender = self._sender
        if sender is None or sender.pid != os.getpid():  # neither threads nor connections survive a fork
            sender = self._sender = _Sender()
        return sender.send_all(subscriptions, body, timeout)


class _Sender:
    """The threads and connections of one process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._threads: ThreadPoolExecutor | None = None
        self._environment = Environment()
        self._pools: dict[tuple[urllib3.PoolManager, str], tuple[urllib3.HTTPConnectionPool, str]] = {}
        self._managers: dict[tuple[str | None, str], urllib3.PoolManager] = {}
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": f"architect-rest/{version('architect-rest')}",
        }

    def send_all(self, subscriptions: Sequence[Subscription], body: bytes, timeout: float) -> list[Delivery]:
        started = monotonic()
        proxies = self._proxies()

        def send(subscription: Subscription) -> Delivery:
            try:
                status = self._post(subscription, body, timeout, proxies)
            except Exception as problem:  # noqa: BLE001 - told in the result, so that one hides no other
                return Delivery(subscription, None, monotonic() - started, problem)
            return Delivery(subscription, status, monotonic() - started)

        if len(subscriptions) == 1:
            return [send(subscriptions[0])]
        waiting = deque(enumerate(subscriptions))
        finished: SimpleQueue[tuple[int, Delivery]] = SimpleQueue()

        def send_next() -> None:
            try:
                place, subscription = waiting.popleft()
            except IndexError:  # this thread was late, and another has sent all
                return
            finished.put((place, send(subscription)))

        try:
            for _ in subscriptions:
                self._in_a_thread(send_next)
        except RuntimeError:  # the interpreter is ending, or the system gives no more threads
            while waiting:
                send_next()
        results = dict(finished.get() for _ in subscriptions)
        return [results[place] for place in range(len(subscriptions))]

    def _proxies(self) -> dict[str, str]:
        known = self._environment.known()
        if known is None:
            return getproxies_environment()
        if "proxies" not in known:
            known["proxies"] = getproxies_environment()
        found: dict[str, str] = known["proxies"]
        return found

    def _in_a_thread(self, work: Callable[[], None]) -> None:
        if self._threads is None:
            from concurrent.futures import ThreadPoolExecutor  # which cannot be imported when the interpreter is ending

            self._threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="architect-publish")
        self._threads.submit(work)

    def _post(self, subscription: Subscription, body: bytes, timeout: float, proxies: dict[str, str]) -> int:
        deadline = monotonic() + timeout
        manager, url = self._manager(subscription.url, proxies), subscription.url
        how: dict[str, Any] = {
            "body": body,
            "headers": self._headers_for(subscription),
            "redirect": False,
            "retries": False,
            "timeout": urllib3.Timeout(total=timeout),
            "preload_content": False,
        }
        if manager.proxy is None:
            pool, target = self._pool(manager, url)
            response = pool.urlopen("POST", target, assert_same_host=False, **how)
        else:
            response = manager.urlopen("POST", url, **how)
        try:
            _read_rest(response, deadline)
        except (urllib3.exceptions.HTTPError, OSError):  # the answer's status has come, and that is what counts
            response.close()
        return response.status

    def _pool(self, manager: urllib3.PoolManager, url: str) -> tuple[urllib3.HTTPConnectionPool, str]:
        """The connections to a URL's host, and what a request on them has of the URL."""
        key = manager, url
        found = self._pools.get(key)
        if found is None:
            if len(self._pools) >= _MOST_URLS:
                self._pools.clear()
            parsed = parse_url(url)
            found = manager.connection_from_host(parsed.host, parsed.port, parsed.scheme), parsed.request_uri
            self._pools[key] = found
        return found

    def _manager(self, url: str, proxies: dict[str, str]) -> urllib3.PoolManager:
        proxy = None
        if proxies and not should_bypass_proxies(url, no_proxy=proxies.get("no")):
            proxy = select_proxy(url, proxies)
        authorities = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or where()
        key = proxy, authorities
        if key not in self._managers:
            self._managers.setdefault(key, _new_manager(proxy, authorities))
        return self._managers[key]

    def _headers_for(self, subscription: Subscription) -> urllib3.HTTPHeaderDict:
        headers = urllib3.HTTPHeaderDict(self._headers)
        if subscription.auth is not None:
            userinfo = ":".join(subscription.auth).encode()
            headers["Authorization"] = f"Basic {b64encode(userinfo).decode()}"
        for name, value in subscription.headers.items():
            # UTF-8 on the wire; http.client writes latin-1, and fails on more with the value in its message
            headers[name] = value.encode().decode("latin-1")
        return headers


def _new_manager(proxy: str | None, authorities: str) -> urllib3.PoolManager:
    kwargs: dict[str, Any] = {"ca_certs": authorities, "maxsize": _CONNECTIONS_PER_HOST}
    manager = (
        urllib3.PoolManager(_MOST_HOSTS, **kwargs)
        if proxy is None
        else urllib3.ProxyManager(proxy if "://" in proxy else f"http://{proxy}", _MOST_HOSTS, **kwargs)
    )
    manager.pool_classes_by_scheme = {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}
    return manager


def _read_rest(response: urllib3.BaseHTTPResponse, deadline: float) -> None:
    """Read the answer's body, so that its connection can serve again, unless that takes too long."""
    read = 0
    while chunk := response.read1(_CHUNK):
        read += len(chunk)
        if read > _MOST_BODY or monotonic() > deadline:
            response.close()
            return
    response.release_conn()
