"""Connects to a host within one time, however many addresses it has and however long looking them up takes.

urllib3 gives each address the whole connect timeout, and the look-up none.
"""

from __future__ import annotations

import os
import selectors
import socket
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

from urllib3.exceptions import LocationParseError
from urllib3.util.connection import allowed_gai_family

from architect_core.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Sequence

    Address = tuple[Any, ...]  # as `socket.getaddrinfo` returns it

_NEXT_ADDRESS = 0.25  # seconds until another address is tried at the same time (RFC 8305)
_looking_up: dict[tuple[str, int], Future[list[Address]]] = {}


def can_dial() -> bool:
    """Whether sockets are the system's own, and not what a test or a library for coroutines has put in their place."""
    return socket.socket.__module__ == "socket"


def dial(
    host: str, port: int, seconds: float, source: tuple[str, int] | None = None, options: Sequence[tuple[Any, ...]] = ()
) -> socket.socket:
    """A socket that is connected to the first address of `host` that accepts, within `seconds`.

    Raises:
        TimeoutError: none has accepted in time.
        OSError: none accepts, or `host` has no address.
        LocationParseError: it is no host name.
    """
    end = monotonic() + seconds
    try:
        host.encode("idna")
    except UnicodeError:
        raise LocationParseError(f"{host!r}, label empty or too long") from None
    addresses = _interleaved(_look_up(host, port, seconds))
    with _Race(end, min(_NEXT_ADDRESS, seconds / max(1, len(addresses)))) as race:
        waiting = deque(addresses)
        while race.winner is None:
            if waiting and race.is_free():
                race.start(waiting.popleft(), source, options)
            else:
                race.wait(until_next=bool(waiting))
        return race.winner


def _look_up(host: str, port: int, seconds: float) -> list[Address]:
    """The addresses of a host. A look-up that takes longer goes on in its thread, which other calls for it share."""
    key = host, port
    new: Future[list[Address]] = Future()
    found = _looking_up.setdefault(key, new)
    if found is new:
        thread = threading.Thread(target=_answer, args=(key, new), name="architect-dns", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is ending
            _answer(key, new)
    try:
        return found.result(seconds)
    except TimeoutError:
        raise TimeoutError(f"{host} was not found within {seconds:.1f} s") from None


def _answer(key: tuple[str, int], future: Future[list[Address]]) -> None:
    try:
        addresses = socket.getaddrinfo(*key, allowed_gai_family(), socket.SOCK_STREAM)
    except BaseException as problem:  # noqa: BLE001 - raised by whoever waits
        _looking_up.pop(key, None)
        future.set_exception(problem)
    else:
        _looking_up.pop(key, None)
        future.set_result(addresses)


def _interleaved(addresses: list[Address]) -> list[Address]:
    """The addresses with both families in turn, beginning with that of the first.

    >>> _interleaved([(6, "a"), (6, "b"), (4, "c")])
    [(6, 'a'), (4, 'c'), (6, 'b')]
    """
    first = [each for each in addresses if each[0] == addresses[0][0]]
    others = [each for each in addresses if each[0] != addresses[0][0]]
    return [each for each in chain.from_iterable(zip_longest(first, others)) if each is not None]


class _Race:
    """Attempts to connect to several addresses at a time, of which the first one wins."""

    def __init__(self, end: float, delay: float) -> None:
        self.winner: socket.socket | None = None
        self._end = end
        self._delay = delay
        self._next = 0.0
        self._selector = selectors.DefaultSelector()
        self._pending: set[socket.socket] = set()
        self._problem: OSError = OSError("getaddrinfo returned no address")

    def __enter__(self) -> _Race:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        for each in self._pending:
            each.close()

    def is_free(self) -> bool:
        """Whether it is time for another address."""
        return not self._pending or monotonic() >= self._next

    def start(self, address: Address, source: tuple[str, int] | None, options: Sequence[tuple[Any, ...]]) -> None:
        """Begin with another address."""
        family, kind, protocol, _, target = address
        try:
            attempt = socket.socket(family, kind, protocol)
        except OSError as problem:  # such as a family that the system does not have
            self._problem = problem
            return
        self._pending.add(attempt)
        self._next = monotonic() + self._delay
        try:
            for option in options:
                attempt.setsockopt(*option)
            attempt.setblocking(False)
            if source is not None:
                attempt.bind(source)
            with suppress(BlockingIOError):
                attempt.connect(target)
            self._selector.register(attempt, selectors.EVENT_WRITE)
        except OSError as problem:
            self._lose(attempt, problem)

    def wait(self, *, until_next: bool) -> None:
        """Wait until an attempt ends, or until it is time for the next address; raises if there is none left to try."""
        if not self._pending and not until_next:
            raise self._problem
        left = self._end - monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        for key, _ in self._selector.select(min(left, max(0.0, self._next - monotonic())) if until_next else left):
            attempt: Any = key.fileobj
            self._selector.unregister(attempt)
            code = attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self._lose(attempt, OSError(code, os.strerror(code)))
            elif self.winner is None:
                self._pending.discard(attempt)
                self.winner = attempt

    def _lose(self, attempt: socket.socket, problem: OSError) -> None:
        self._problem = problem
        self._pending.discard(attempt)
        attempt.close()
        self._next = 0.0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_looking_up.clear)  # their threads are the parent's
