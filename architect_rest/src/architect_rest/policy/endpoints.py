"""The endpoints of a service, and which of them gets the next attempt."""

from __future__ import annotations

import os
import random
import threading
import weakref
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from architect_core.clock import monotonic
from architect_rest.policy.health import Circuit, Ejection
from architect_rest.policy.retry import Budget


@dataclass(eq=False, repr=False)
class Endpoint:
    """One endpoint of a service: a configured instance."""

    url: str  # scheme, host and port: "http://10.0.0.1:8080"
    weight: int = 1  # its share of the attempts, compared with the other endpoints' weights
    active: int = 0  # how many attempts are under way
    ejection: Ejection = field(default_factory=Ejection)

    @property
    def name(self) -> str:
        """The URL without a login, for messages."""
        scheme, separator, rest = self.url.partition("://")
        return scheme + separator + rest.rpartition("@")[2]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class Endpoints:
    """Balances attempts across endpoints by power of two choices: of two random ones, the one with fewer active.

    If all endpoints are ejected and the circuit is not open, the one whose ejection ends first is used: a wrong guess
    must not make a working service unreachable. What `begin` returns has to be ended by `succeeded`, `failed` or
    `released`. All methods may be called from any thread.

    Attributes:
        all: the endpoints.
        budget: limits the retries.
        failover: limits those at another endpoint than the one that failed; a dying endpoint loses many calls at once.
    """

    def __init__(self, urls: Sequence[str], weights: Sequence[int] = (), *, circuit_breaker: bool = True) -> None:
        """Make the endpoints of `urls`, with equal weights unless `weights` has one for each."""
        self.all = [Endpoint(url, weight) for url, weight in zip(urls, weights or [1] * len(urls), strict=True)]
        self.budget = Budget(10)
        self.failover = Budget(100)
        self._is_weighted = len({each.weight for each in self.all}) > 1
        self._circuit = Circuit(self.all, enabled=circuit_breaker)
        self._lock = threading.Lock()

    def begin(self, tried: Collection[Endpoint] = ()) -> Endpoint | None:
        """The endpoint for the next attempt, if possible not one of `tried`; None while the circuit is open."""
        with self._lock:
            now = monotonic()
            able = [each for each in self.all if each.ejection.until <= now]
            fresh = [each for each in able if each not in tried] or able
            if not fresh:
                if self._circuit.seconds_open(now) > 0:
                    return None
                self._circuit.let_through(now)
                fresh = [min(self.all, key=lambda each: each.ejection.until)]
            chosen = fresh[0] if len(fresh) == 1 else self._less_busy(fresh)
            chosen.active += 1
            chosen.ejection.probe(now)
            return chosen

    def _less_busy(self, fresh: Sequence[Endpoint]) -> Endpoint:
        if not self._is_weighted:
            return min(random.sample(fresh, 2), key=lambda each: each.active)
        two = random.choices(fresh, [each.weight for each in fresh], k=2)  # noqa: S311 - no secret
        return min(two, key=lambda each: each.active / each.weight)

    def succeeded(self, endpoint: Endpoint) -> None:
        """End an attempt that succeeded."""
        with self._lock:
            endpoint.active -= 1
            if endpoint.ejection.failures:
                endpoint.ejection.succeeded()
                self._circuit.answered(endpoint)

    def released(self, endpoint: Endpoint, *, answered: bool = False) -> None:
        """End an attempt that is neither a success nor a failure of the endpoint, such as one with status 429."""
        with self._lock:
            endpoint.active -= 1
            if answered:
                self._circuit.answered(endpoint)

    def failed(
        self,
        endpoint: Endpoint,
        began: float,  # in seconds of `clock.monotonic()`
        *,
        unreachable: bool,  # no connection could be made
        answered: bool = False,  # something answered, so that the circuit closes
        counts: bool = True,  # without an answer, it counts for the circuit
        asked: float = 0.0,  # seconds of the answer's `Retry-After`
    ) -> bool:
        """End an attempt that failed; returns whether that ejects the endpoint."""
        with self._lock:
            now = monotonic()
            endpoint.active -= 1
            if answered:
                self._circuit.answered(endpoint)
            elif counts:
                self._circuit.unanswered(endpoint, began, now)
            return endpoint.ejection.failed(began, now, unreachable=unreachable, asked=asked)

    def has_other(self, tried: Collection[Endpoint]) -> bool:
        """Whether there is an endpoint that is neither ejected nor in `tried`."""
        now = monotonic()
        return any(each not in tried and not each.ejection.is_active(now) for each in self.all)

    @property
    def ejected(self) -> list[str]:
        """The names of the ejected endpoints."""
        now = monotonic()
        return [each.name for each in self.all if each.ejection.is_active(now)]

    @property
    def is_open(self) -> bool:
        """Whether the circuit is open."""
        return self.seconds_open > 0

    @property
    def seconds_open(self) -> float:
        """For how many seconds the circuit stays open; 0 if something would be sent now."""
        now = monotonic()
        return self._circuit.seconds_open(now) if all(each.ejection.is_active(now) for each in self.all) else 0.0


class SharedEndpoints:
    """The `Endpoints` of all clients of one service in one process; a forked child begins with new ones."""

    def __init__(self) -> None:
        self._made: dict[str, Endpoints] = {}
        _alive.add(self)

    def get(self, make: Callable[[], Endpoints]) -> Endpoints:
        """The endpoints, which `make` makes for the first client."""
        return self._made.get("") or self._made.setdefault("", make())  # which, of two threads, gives both the same

    def forget(self) -> None:
        """Have the next client begin with new ones."""
        self._made = {}

    def __reduce__(self) -> tuple[type[SharedEndpoints], tuple[()]]:
        return type(self), ()  # what another process has counted says nothing about this one


_alive: weakref.WeakSet[SharedEndpoints] = weakref.WeakSet()


def _forget_all() -> None:
    """In a forked child: another thread may have held a lock."""
    for each in list(_alive):
        each.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
