"""Opening a connection: TCP, a proxy's tunnel, TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import lru_cache, partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from architect_rest.http.errors import ProxyError
from architect_rest.http.exchange import Timeouts

if TYPE_CHECKING:
    from architect_rest.http.connection import Connection
    from architect_rest.http.proxies import Proxy

_NEXT_ADDRESS_SECONDS = 0.25  # until another address of a host is tried at the same time (RFC 8305)


class Route(NamedTuple):
    """Where a request goes.

    Attributes:
        host: in ASCII, without brackets.
        server_name: what the server's certificate must be for; None without TLS.
        proxy: what the request goes through; None for nothing.
        max_age: seconds for which a connection is used; None for no limit.
    """

    host: str
    port: int
    server_name: str | None = None
    proxy: Proxy | None = None
    max_age: float | None = None


Context = Callable[[], ssl.SSLContext]


async def open_connection(connection: Connection, route: Route, context: Context, proxy_context: Context) -> None:
    """Connect to the host of `route`, or through its proxy; the contexts are called for TLS with either.

    Raises:
        OSError: no address of the host could be connected to, or its certificate is not trusted.
        ProxyError: the proxy opens no tunnel.
    """
    proxy = route.proxy
    if proxy is not None:
        await _connect(connection, proxy.host, proxy.port, proxy_context() if proxy.is_tls else None, proxy.host)
        if route.server_name is not None:
            try:
                await _tunnel(connection, route, proxy, context())
            except BaseException:
                connection.abort()
                raise
        return
    name = route.server_name
    await _connect(connection, route.host, route.port, None if name is None else context(), name)


async def _connect(
    connection: Connection, host: str, port: int, context: ssl.SSLContext | None, name: str | None
) -> None:
    loop = asyncio.get_running_loop()
    to = partial(loop.create_connection, lambda: connection, port=port, ssl=context)
    if context is None:
        name = None
    else:
        context.set_alpn_protocols(["http/1.1"])
    try:
        delay = None if _is_address(host) else _NEXT_ADDRESS_SECONDS
        await to(host, server_hostname=name, happy_eyeballs_delay=delay)
    except RuntimeError:  # no thread can look the name up, because the interpreter is ending: this one does
        (address, *_), *_ = (each[4] for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        await to(str(address), server_hostname=name)


async def _tunnel(connection: Connection, route: Route, proxy: Proxy, context: ssl.SSLContext) -> None:
    host = f"[{route.host}]" if ":" in route.host else route.host
    login = f"Proxy-Authorization: {proxy.login}\r\n" if proxy.login else ""
    head = f"CONNECT {host}:{route.port} HTTP/1.1\r\nHost: {host}:{route.port}\r\n{login}\r\n"
    answer = await connection.request(head.encode(), Timeouts(), tunnel=True)
    if not 200 <= answer.head.status < 300:
        raise ProxyError(f"the proxy answered {answer.head.status} to CONNECT")
    context.set_alpn_protocols(["http/1.1"])
    loop = asyncio.get_running_loop()
    transport = await loop.start_tls(connection.transport, connection, context, server_hostname=route.server_name)
    if transport is None:
        raise ProxyError("the connection ended before TLS began")
    connection.connection_made(transport)


@lru_cache(1024)
def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
