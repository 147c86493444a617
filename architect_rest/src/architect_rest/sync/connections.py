"""The timeouts of a call, and connections whose read timeout covers the whole response.

That of urllib3 starts again whenever bytes arrive.
"""

from __future__ import annotations

import http.client
import io
import socket
import sys
import threading
from collections import UserDict
from contextlib import nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

import urllib3
import urllib3.util.connection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from architect_core.clock import monotonic
from architect_core.deadline import deadline
from architect_core.exceptions import PluginError
from architect_rest.policy.limits import NO_TIME_LEFT, PATIENT, end_of_call, is_hurried, seconds_until, shortest
from architect_rest.policy.origin import is_address
from architect_rest.sync.dialing import can_dial, dial
from architect_rest.sync.errors import DeadlineError
from architect_rest.sync.heads import Response, is_original, joined

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests
    from _typeshed import WriteableBuffer
    from urllib3.connection import HTTPConnection

    from architect_rest.policy.endpoints import Endpoint
else:
    HTTPConnection = object  # whatever class a pool has; that of urllib3 may be replaced while this is imported

_MAX_AGE = 30.0  # seconds
_LEAST = 0.001  # seconds
_MAX_JOINED_BODY = 16_384  # bytes, or characters of a str


_SECONDS = (int, float, type(None))

Timeout = float | tuple[float | None, float | None] | None


class Timeouts(tuple[Any, ...]):
    """A `timeout=` for requests, `(connect, read)`, that also has the end of the whole call.

    requests passes it on to every redirect of a call, so that all of them share the end.
    """

    end: float | None  # in seconds of `clock.monotonic()`; None for never
    is_hurried: tuple[bool, bool]

    def of_attempt(self) -> tuple[float | None, float | None]:
        """The timeouts of an attempt that begins now.

        Raises:
            DeadlineError: no time is left.
        """
        connect, read = self
        left = seconds_until(self.end)
        if left is not None and left <= 0:
            raise DeadlineError(NO_TIME_LEFT)
        return shortest((connect, left)), shortest((read, left))

    def around(self, attempt: Callable[[Endpoint | None], requests.Response]) -> Any:
        """`attempt` as one that also ends the calls that the request's body makes while it is sent."""

        def limited(endpoint: Endpoint | None) -> requests.Response:
            left = seconds_until(self.end)
            with nullcontext() if left is None else deadline(left):
                return attempt(endpoint)

        return limited

    def now(self) -> Timeouts:
        """The same for an adapter that knows nothing of the end; raises as `of_attempt` does."""
        found = Timeouts(self.of_attempt())
        found.end, found.is_hurried = self.end, self.is_hurried
        return found


def timeouts(timeout: Any, usual: Any, total: float | None) -> Any:
    """The timeouts of a call that begins now; a malformed `timeout` is returned as it is, for requests to refuse.

    `usual` is the client's `timeout`, and `total` the number of seconds for all attempts. It is raised to `timeout` if
    that is longer and the call's own.
    """
    pair = _pair(timeout)
    if pair is None:
        return timeout
    found = Timeouts(pair)
    is_own = timeout != usual
    found.end = end_of_call(total, pair if is_own else ())
    found.is_hurried = is_hurried(pair, _pair(usual) or (None, None)) if is_own else PATIENT
    return found


def _pair(timeout: Any) -> tuple[float | None, float | None] | None:
    """`(connect, read)`, or None if a `timeout=` is malformed."""
    if isinstance(timeout, urllib3.Timeout):
        read = timeout.read_timeout if timeout.total is None else timeout.total
        timeout = timeout.resolve_default_timeout(timeout.connect_timeout), timeout.resolve_default_timeout(read)
    pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    is_sound = len(pair) == 2 and isinstance(pair[0], _SECONDS) and isinstance(pair[1], _SECONDS)
    return pair if is_sound else None


class Current(threading.local):
    """The attempt that the current thread is making: set by the adapter, read by the connection under it."""

    endpoint: Endpoint | None = None  # the one it is sent to; None for a request to another origin
    timeouts: Timeouts | None = None
    header: tuple[str, str] | None = None  # name and value of a header to add


current = Current()


class _Reader(io.RawIOBase):
    """Reads from a socket until `end`, however many reads that takes."""

    def __init__(self, sock: socket.socket, buffered: io.BufferedReader, end: float | None) -> None:
        self._sock = sock
        self._buffered = buffered
        self._raw: Any = buffered.raw
        self._end = end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        if self._end is not None:
            left = self._end - monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(left)
        count: int | None = self._raw.readinto(buffer)
        return count

    def relax(self, seconds: float | None) -> None:
        self._end = None
        self._sock.settimeout(seconds)

    def close(self) -> None:
        self._buffered.close()
        super().close()


class TimedConnection(HTTPConnection):
    """A connection whose timeouts cover all of connecting, and all of sending a request and reading the response.

    It is mixed into the connection class of a pool. In a request that no `RestClient` makes, timeouts are urllib3's. A
    connection to a host name is not reused after 30 seconds, so that a change in DNS takes effect.
    """

    _end: float | None = None  # of what is under way, in seconds of `clock.monotonic()`
    _timeouts: Timeouts | None = None  # of the call that is under way
    _reader: _Reader | None = None
    _held: list[bytes] | None = None
    _fields: list[tuple[Any, Any]] | None = None
    _reusable_until: float | None = None

    def connect(self) -> None:
        """Called by urllib3 for a new connection."""
        self._timeouts = current.timeouts
        self._end = None if self.timeout is None else monotonic() + self.timeout
        super().connect()
        self._begin()
        self._reusable_until = None if is_address(self.host) else monotonic() + _MAX_AGE

    def _new_conn(self) -> socket.socket:
        """Called by urllib3 for a socket that is connected to the host, or to its proxy."""
        known = getattr(super()._new_conn, "__func__", None), urllib3.util.connection.create_connection
        is_named = not is_address(self.host) or self.host == "localhost"
        is_usual = is_named and can_dial() and all(map(is_original, known))
        connected = super()._new_conn() if self.timeout is None or not is_usual else self._dial(self.timeout)
        if self._end is not None and can_dial():
            connected.settimeout(max(_LEAST, self._end - monotonic()))  # for TLS
        return connected

    def _dial(self, seconds: float) -> socket.socket:
        """The same, with the errors of urllib3."""
        try:
            connected = dial(self._dns_host, self.port, seconds, self.source_address, self.socket_options or ())
        except socket.gaierror as problem:
            raise NameResolutionError(self.host, self, problem) from problem
        except TimeoutError as problem:
            message = f"Connection to {self.host} timed out. (connect timeout={seconds})"
            raise ConnectTimeoutError(self, message) from problem
        except OSError as problem:
            raise NewConnectionError(self, f"Failed to establish a new connection: {problem}") from problem
        sys.audit("http.client.connect", self, self.host, self.port)
        return connected

    def _tunnel(self) -> None:
        """Called by urllib3 to have a proxy connect to the host."""
        super()._tunnel()
        self.sock.settimeout(self._left())  # for TLS

    def _begin(self) -> None:
        """Begin the time for sending a request and reading its response."""
        limits, self._end = self._timeouts, None
        if limits is not None:
            self._end = limits.end if limits[1] is None else shortest((monotonic() + limits[1], limits.end))

    def _left(self) -> float | None:
        left = seconds_until(self._end)
        if left is not None and left <= 0:
            raise TimeoutError("timed out")
        return left

    def request(self, method: str, url: str, body: Any = None, *args: Any, **kwargs: Any) -> None:
        """Called by urllib3 to send a request: a small one in one packet, not its head and body in two."""
        self._timeouts = current.timeouts  # a body may make a call of its own
        self._begin()
        if body is not None and not (isinstance(body, str | bytes) and len(body) <= _MAX_JOINED_BODY):
            super().request(method, url, body, *args, **kwargs)
            return
        held: list[bytes] = []
        self._held, self._fields = held, []
        try:
            super().request(method, url, body, *args, **kwargs)
        finally:
            self._held = self._fields = None
        self.send(b"".join(held))

    def putheader(self, header: Any, *values: Any) -> None:
        """Called by urllib3 for each header of a request."""
        if self._fields is None or len(values) != 1:
            super().putheader(header, *values)
        else:
            self._fields.append((header, values[0]))

    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        """Called by urllib3 after the last header of a request."""
        if current.header is not None:
            self.putheader(*current.header)
        fields, self._fields = self._fields or (), None
        writers = http.client.HTTPConnection.putheader, getattr(super().putheader, "__func__", None)
        lines = joined(fields) if all(map(is_original, writers)) else None
        if lines is None:
            for field in fields:
                self.putheader(*field)
        super().endheaders(*args, **kwargs)
        if lines is not None and self._held:
            self._held[0] = self._held[0][:-2] + lines + b"\r\n"  # before the empty line that ends the head

    def send(self, data: Any) -> None:
        """Called by http.client for each part of a request."""
        if self._held is not None:
            self._held.append(data)
            return
        if self.sock is None and self.auto_open:
            self.connect()
        if self._timeouts is not None:  # the socket still has the connect timeout that urllib3 set
            self.sock.settimeout(self._left())
        super().send(data)

    @property
    def is_connected(self) -> bool:
        """Called by urllib3 before it reuses a connection."""
        return (self._reusable_until is None or monotonic() < self._reusable_until) and super().is_connected

    def response_class(self, sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:  # type: ignore[override]
        """Called by http.client to read a response."""
        known = super().response_class
        response = (Response if known is http.client.HTTPResponse else known)(sock, *args, **kwargs)
        if self._timeouts is not None and isinstance(
            response.fp, io.BufferedReader
        ):  # a socket that a test has replaced may return another file
            self._reader = _Reader(sock, response.fp, self._end)
            response.fp = io.BufferedReader(self._reader)
        return response

    def relax(self) -> None:
        """Let the timeout limit each read from now on, instead of the whole response, because it is streamed."""
        if self._reader is not None and self._timeouts is not None:
            self._reader.relax(self._timeouts[1])


class _ConnectionCls:
    """The connection class that a pool class has now, which a test may have replaced, as a `TimedConnection`.

    One that does not send as `http.client` does, such as vcrpy's, is used as it is.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def __get__(self, *_: object) -> type:
        found: type = self._pool.ConnectionCls
        sender = next((each for each in found.__mro__ if "send" in vars(each)), object)
        return _connection_class(found) if sender.__module__ == "http.client" else found


@cache
def _connection_class(known: type) -> type:
    return _derived(known, TimedConnection, known)


@cache
def _pool_class(known: type) -> type:
    return _derived(known, known, ConnectionCls=_ConnectionCls(known))


def _derived(known: type, *bases: type, **attributes: Any) -> type:
    """A class with the name of `known`, which errors show."""
    return type(known.__name__, bases, {"__module__": known.__module__, "__doc__": known.__doc__, **attributes})


def keep_time(manager: Any) -> None:
    """Have a pool manager make `TimedConnection`s."""
    if not isinstance(manager.pool_classes_by_scheme, TimedPools):
        manager.pool_classes_by_scheme = TimedPools(manager.pool_classes_by_scheme)


def relax(response: requests.Response) -> None:
    """Limit each read of a streamed response from now on, and no longer all of them together."""
    connection = getattr(response.raw, "connection", None)
    if isinstance(connection, TimedConnection):
        connection.relax()


def check_urllib3() -> None:
    """Raise a `PluginError` if urllib3 is another library, on whose connections no deadline would hold."""
    # a connection class that a test has put there is one of urllib3's, too
    classes = urllib3.HTTPConnectionPool.ConnectionCls.__mro__
    if not any(each.__module__ == "http.client" for each in classes):
        raise PluginError(
            f"the module urllib3 is another library ({urllib3.__file__}), such as "
            "urllib3-future, which niquests installs; REST clients need urllib3 itself. To have both: "
            "pip uninstall urllib3 urllib3-future && "
            "URLLIB3_NO_OVERRIDE=1 pip install --no-binary urllib3-future urllib3-future urllib3"
        )


class TimedPools(UserDict[str, type]):
    """For urllib3's `PoolManager.pool_classes_by_scheme`: the classes of another such mapping, with timeouts."""

    def __init__(self, pools: Any) -> None:
        self.data = pools

    def __getitem__(self, scheme: str) -> type:
        return _pool_class(self.data[scheme])
