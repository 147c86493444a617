"""The connections of a channel, which serve again and again."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import certifi

from architect_events.webhooks.connection import Connection

if TYPE_CHECKING:
    from architect_events.webhooks.proxies import Proxy

_IDLE_SECONDS = 60.0  # after which a connection that serves no more is closed
_NEXT_ADDRESS_SECONDS = 0.25  # until another address of a host is tried at the same time (RFC 8305)


@dataclass(frozen=True)
class Route:
    """Where a request goes: to a host, in ASCII and without brackets, perhaps through a proxy."""

    host: str
    port: int
    tls: bool
    proxy: Proxy | None = None


class Connections:
    """Opens as many connections as are needed at a time, and keeps each for a minute or two after its last use."""

    def __init__(self) -> None:
        self._idle: dict[Route, dict[Connection, float]] = {}  # and since when; the one used last is at the end
        self._open: set[Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None

    def take(self, route: Route) -> Connection | None:
        """Returns a connection that has served before, or None if none is idle."""
        idle = self._idle.get(route)
        while idle:
            connection, _ = idle.popitem()
            if not connection.transport.is_closing():
                return connection
        return None

    async def connect(self, route: Route, deadline: float) -> Connection:
        """Returns a new connection; raises OSError."""
        connection = Connection(partial(self._keep, route), partial(self._forget, route))
        proxy = route.proxy
        first = proxy or route
        await _open(connection, first.host, first.port, tls=first.tls)
        self._open.add(connection)
        if proxy is not None and route.tls:
            await _tunnel(connection, route, proxy, deadline)
        return connection

    def close(self) -> None:
        """Close all."""
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in self._open:
            connection.transport.abort()

    def _keep(self, route: Route, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        self._idle.setdefault(route, {})[connection] = loop.time()
        if self._sweep is None:
            self._sweep = loop.call_later(_IDLE_SECONDS, self._close_old)

    def _forget(self, route: Route, connection: Connection) -> None:
        self._open.discard(connection)
        idle = self._idle.get(route)
        if idle is not None:
            idle.pop(connection, None)
            if not idle:
                del self._idle[route]

    def _close_old(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = loop.time() - _IDLE_SECONDS
        for idle in self._idle.values():
            for connection, since in idle.items():
                if since < oldest:
                    connection.transport.close()  # and is forgotten once it has ended
        self._sweep = loop.call_later(_IDLE_SECONDS, self._close_old) if self._idle else None


async def _open(connection: Connection, host: str, port: int, *, tls: bool) -> None:
    loop = asyncio.get_running_loop()
    connect = partial(loop.create_connection, lambda: connection, port=port, ssl=_context() if tls else None)
    try:
        await connect(host, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS)
    except RuntimeError:  # no thread can look the name up, because the interpreter is ending: this one does
        (address, *_), *_ = (each[4] for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        await connect(str(address), server_hostname=host if tls else None)


async def _tunnel(connection: Connection, route: Route, proxy: Proxy, deadline: float) -> None:
    host = f"[{route.host}]" if ":" in route.host else route.host
    login = f"Proxy-Authorization: {proxy.login}\r\n" if proxy.login else ""
    head = f"CONNECT {host}:{route.port} HTTP/1.1\r\nHost: {host}:{route.port}\r\n{login}\r\n"
    answer = await connection.request(head.encode(), deadline, tunnel=True)
    if not 200 <= answer.status < 300:
        connection.transport.abort()
        raise ConnectionError(f"the proxy answered {answer.status} to CONNECT")
    loop = asyncio.get_running_loop()
    transport = await loop.start_tls(connection.transport, connection, _context(), server_hostname=route.host)
    if transport is None:
        raise ConnectionError("the connection ended before TLS began")
    connection.connection_made(transport)


def _context() -> ssl.SSLContext:
    path = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or certifi.where()
    return _context_of(path, Path(path).stat().st_mtime_ns)


@lru_cache(8)
def _context_of(path: str, changed: int) -> ssl.SSLContext:  # noqa: ARG001 - a new file is a new context
    is_folder = Path(path).is_dir()
    context = ssl.create_default_context(cafile=None if is_folder else path, capath=path if is_folder else None)
    context.set_alpn_protocols(["http/1.1"])
    return context
