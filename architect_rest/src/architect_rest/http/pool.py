"""The connections of one client, which serve again and again."""

from __future__ import annotations

import asyncio
import select
from functools import partial
from typing import TYPE_CHECKING

from architect_rest.http.connection import Connection
from architect_rest.http.opening import open_connection

if TYPE_CHECKING:
    from architect_rest.http.opening import Context, Route


class Pools:
    """A pool for each event loop.

    That of another loop is left alone: it may run in another thread, or in the parent of a forked child.
    """

    def __init__(self, context: Context, proxy_context: Context, *, idle_seconds: float, max_idle: int) -> None:
        """For the contexts see `open_connection`; at most `max_idle` connections are kept, for `idle_seconds`."""
        self._make = partial(Pool, context, proxy_context, idle_seconds, max_idle)
        self._pools: dict[asyncio.AbstractEventLoop, Pool] = {}

    def current(self) -> Pool:
        """Returns the pool of the running loop."""
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None:
            for each in list(self._pools):  # other threads change it, too
                if each.is_closed():
                    self._pools.pop(each, None)
            pool = self._pools[loop] = self._make(loop)
        return pool

    def close(self) -> None:
        """Close the connections of the running loop."""
        self.current().close()


class Pool:
    """Opens as many connections as are needed at a time, and keeps them for the next requests."""

    def __init__(
        self,
        context: Context,
        proxy_context: Context,
        idle_seconds: float,
        max_idle: int,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Open no connection yet."""
        self.loop = loop
        self._contexts = context, proxy_context
        self._idle_seconds = idle_seconds
        self._max_idle = max_idle
        self._idle: dict[Route, dict[Connection, float]] = {}  # and since when; the one used last is at the end
        self._idle_count = 0
        self._open: dict[Connection, float | None] = {}  # and until when it is used again; None for ever
        self._sweep: asyncio.TimerHandle | None = None
        self._is_closed = False

    def take(self, route: Route) -> Connection | None:
        """Returns a connection that has served before, or None if none is idle."""
        idle = self._idle.get(route)
        oldest = self.loop.time() - self._idle_seconds
        while idle:
            connection, since = idle.popitem()
            self._idle_count -= 1
            if since >= oldest and not connection.transport.is_closing() and not _is_readable(connection):
                return connection
            connection.abort()
        return None

    async def connect(self, route: Route) -> Connection:
        """Returns a new connection; raises what `open_connection` does."""
        connection = Connection(partial(self._keep, route), partial(self._forget, route))
        await open_connection(connection, route, *self._contexts)
        self._open[connection] = None if route.max_age is None else self.loop.time() + route.max_age
        if self._is_closed:
            connection.abort()
        return connection

    def close(self) -> None:
        """Close all connections, also those that are being opened."""
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in self._open:
            connection.abort()

    def _keep(self, route: Route, connection: Connection) -> None:
        now, until = self.loop.time(), self._open.get(connection, 0.0)
        if self._idle_count >= self._max_idle or (until is not None and now > until):
            connection.abort()
            return
        self._idle.setdefault(route, {})[connection] = now
        self._idle_count += 1
        if self._sweep is None:
            self._sweep = self.loop.call_later(self._idle_seconds, self._close_old)

    def _forget(self, route: Route, connection: Connection) -> None:
        self._open.pop(connection, None)
        idle = self._idle.get(route)
        if idle is not None:
            if idle.pop(connection, None) is not None:
                self._idle_count -= 1
            if not idle:
                del self._idle[route]

    def _close_old(self) -> None:
        oldest = self.loop.time() - self._idle_seconds
        for idle in self._idle.values():
            for connection, since in idle.items():
                if since <= oldest:
                    connection.abort()  # and is forgotten once it has ended
        self._sweep = self.loop.call_later(self._idle_seconds, self._close_old) if self._idle else None


def _is_readable(connection: Connection) -> bool:
    """Whether the peer has ended the connection, and the loop has not seen it yet."""
    sock = connection.transport.get_extra_info("socket")
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([sock], [], [], 0)[0])
