"""The attempts of a call: where each is made, whether another follows, and when."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from architect_core.clock import monotonic
from architect_core.contract import Outcome
from architect_rest.policy import retry
from architect_rest.policy.endpoints import Endpoints, SharedEndpoints
from architect_rest.policy.limits import PATIENT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Mapping, Sequence

    from architect_core.contract import ClientObserver
    from architect_rest.policy.endpoints import Endpoint

_log = logging.getLogger("architect.rest")
_NEARLY = 0.005  # seconds
_OF_THE_CALLER = {408, 429}  # statuses that are no failure of the endpoint


@dataclass(slots=True)
class Call:
    """One call, for which one or several attempts are made."""

    method: str  # in capitals
    headers: Mapping[str, Any]  # looked up without regard to case
    rewind: Callable[[], bool]  # prepares the body to be sent again; returns False if that is impossible
    is_read_once: Callable[[], bool]  # whether the body is produced while it is sent, so that an error may be its own
    end: float | None  # when the call has to end, in seconds of `clock.monotonic()`; None for never
    is_hurried: tuple[bool, bool] = PATIENT
    tried: list[Endpoint] = field(default_factory=list)  # the endpoints of all attempts so far
    status: int = 0  # that of the last answer

    def has_time_for(self, seconds: float) -> bool:
        """Whether it may still wait for so long."""
        return self.end is None or seconds < self.end - monotonic()


@dataclass(slots=True)
class Attempt:
    """A step of a call: send the request to `endpoint`, then report with `answered` or `failed`."""

    endpoint: Endpoint
    began: float  # in seconds of `clock.monotonic()`
    status: int = 0  # that of the answer
    headers: Mapping[str, Any] | None = None  # those of the answer
    failure: str = ""  # the name of the error's type, if there was no answer
    is_unsent: bool = False  # whether it is proven that nothing was sent
    is_timeout: bool = False  # whether the attempt's time was over
    is_final: bool = False  # whether it would fail again, as with a certificate that is not trusted

    def answered(self, status: int, headers: Mapping[str, Any]) -> None:
        """There was an answer, with whatever status."""
        self.status, self.headers = status, headers

    def failed(self, failure: str, *, is_unsent: bool, is_final: bool, is_timeout: bool = False) -> None:
        """There was no answer."""
        self.failure, self.is_unsent, self.is_final, self.is_timeout = failure, is_unsent, is_final, is_timeout


class Pause(NamedTuple):
    """A step of a call: forget the last outcome, and sleep for some seconds."""

    seconds: float


class Steps:
    """A context manager around the steps of one call, which are reported to the observer when it ends."""

    def __init__(self, policy: Policy, call: Call) -> None:
        self._steps = policy.steps(call)
        self._call = call
        self._observer = policy.observer

    def __enter__(self) -> Generator[Attempt | Pause, None, None]:
        self._began = monotonic()
        return self._steps

    def __exit__(self, raised: type[BaseException] | None, *_: object) -> None:
        self._steps.close()
        if self._observer is None:
            return
        status, tried = self._call.status, self._call.tried
        error = raised.__name__ if raised else str(status) if status >= 400 else None
        instance = tried[-1].name if tried else None
        self._observer.ended(Outcome(monotonic() - self._began, error, len(tried), instance))


class Policy:
    """Decides on the attempts of all calls to one service, and remembers their outcomes.

    It is one client's `Health`, and may share its endpoints, and what is counted of them, with other clients.

    Attributes:
        endpoints: where attempts are made.
        observer: reports the calls, if there is one.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        retries: int,
        circuit_open: Callable[[str], Exception],  # makes the error, from its message, for a call while it is open
        observer: ClientObserver | None = None,
        *,
        retries_for: Collection[str] = retry.IDEMPOTENT,
    ) -> None:
        self.endpoints = endpoints
        self.observer = observer
        if observer is not None:
            observer.watch(self)
        self._retries = retries
        self._circuit_open = circuit_open
        self._retries_for = frozenset(retries_for)

    @property
    def ejected(self) -> list[str]:
        """The names of the ejected endpoints."""
        return self.endpoints.ejected

    @property
    def is_open(self) -> bool:
        """Whether the circuit is open."""
        return self.endpoints.is_open

    def steps(self, call: Call) -> Generator[Attempt | Pause, None, None]:
        """Yield what to do for a call. At the end, the outcome of the last attempt is the call's outcome.

        Closing the generator instead of reporting an outcome counts for nothing.

        Raises:
            Exception: what `circuit_open` makes.
        """
        attempt: Attempt | None = None
        while True:
            endpoint = self.endpoints.begin(call.tried)
            if endpoint is None:
                if attempt is not None and attempt.failure:
                    return
                raise self._circuit_open(self._open_message())
            call.tried.append(endpoint)
            attempt = Attempt(endpoint, monotonic())
            try:
                yield attempt
            except GeneratorExit:
                self.endpoints.released(endpoint)
                raise
            seconds = self._after_failure(call, attempt) if attempt.failure else self._after_answer(call, attempt)
            if seconds is None or not call.has_time_for(seconds):
                return
            what = attempt.failure or f"status {attempt.status}"
            _log.info("%s at %s: %s; retrying in %.2f s", call.method, endpoint.name, what, seconds)
            yield Pause(seconds)

    def _open_message(self) -> str:
        names = ", ".join(each.name for each in self.endpoints.all)
        return (
            f"{names}: none of the last five attempts was answered, so the circuit is open and nothing is sent for "
            f"{self.endpoints.seconds_open:.1f} s. With the service's option circuit_breaker: false every call is sent"
        )

    def _after_failure(self, call: Call, attempt: Attempt) -> float | None:
        """Count an attempt without an answer; returns the seconds until the next one, None if there is none."""
        endpoint = attempt.endpoint
        is_late = call.end is not None and monotonic() >= call.end - _NEARLY
        is_hurried = attempt.is_timeout and call.is_hurried[0 if attempt.is_unsent else 1]
        if is_late or is_hurried or call.is_read_once():  # then it says nothing about the endpoint
            self.endpoints.released(endpoint)
        else:
            self._count_failure(call, attempt)
        if is_late or call.is_read_once():
            return None
        if attempt.is_final or not self._may_repeat(call, is_unsent=attempt.is_unsent):
            return None
        is_elsewhere = self.endpoints.has_other(call.tried)
        if not attempt.is_unsent and not (self.endpoints.failover if is_elsewhere else self.endpoints.budget).fail():
            return None
        if len(call.tried) > self._retries:
            return None
        return 0.0 if is_elsewhere else retry.pause(len(call.tried) - 1, None)

    def _count_failure(self, call: Call, attempt: Attempt) -> None:
        endpoint = attempt.endpoint
        is_repeated = not attempt.is_unsent and endpoint in call.tried[:-1]  # one slow call counts once
        ejects = self.endpoints.failed(
            endpoint, attempt.began, unreachable=attempt.is_unsent, answered=attempt.is_final, counts=not is_repeated
        )
        if ejects:
            self._log_ejection(endpoint, attempt.failure)

    def _after_answer(self, call: Call, attempt: Attempt) -> float | None:
        """Count an answer; returns the seconds until the next attempt, None if this is the call's answer."""
        endpoint, status, headers = attempt.endpoint, attempt.status, attempt.headers or {}
        call.status = status
        if status not in retry.RETRYABLE_STATUSES:
            self.endpoints.succeeded(endpoint)
            self.endpoints.budget.succeed()
            self.endpoints.failover.succeed()
            return None
        asked = retry.retry_after(headers.get("Retry-After"))
        if status in _OF_THE_CALLER:
            self.endpoints.released(endpoint, answered=True)
        elif self.endpoints.failed(endpoint, attempt.began, unreachable=False, answered=True, asked=asked or 0.0):
            self._log_ejection(endpoint, f"status {status}")
        is_in_budget = self.endpoints.budget.fail()
        if len(call.tried) > self._retries or not is_in_budget or not self._may_repeat(call):
            return None
        return retry.pause(len(call.tried) - 1, None if self.endpoints.has_other(call.tried) else asked)

    def _may_repeat(self, call: Call, *, is_unsent: bool = False) -> bool:
        is_safe = is_unsent or call.method in self._retries_for or retry.has_key(call.headers)
        return is_safe and call.rewind()

    def _log_ejection(self, endpoint: Endpoint, why: str) -> None:
        if len(self.endpoints.all) > 1:
            _log.warning("%s is ejected for %.1f s: %s", endpoint.name, endpoint.ejection.seconds, why)


@dataclass(frozen=True)
class Upstream:
    """A service as its clients reach it; most are options, see `RestOptions` and `Tls`."""

    urls: Sequence[str]  # scheme, host and port of each endpoint
    weights: Sequence[int]  # the weight of each; empty if all have the same
    retries: int
    retries_for: Collection[str]
    circuit_breaker: bool
    server_name: str | None
    max_answer_bytes: int | None
    shared: SharedEndpoints

    def policy(self, circuit_open: Callable[[str], Exception], observer: ClientObserver | None) -> Policy:
        """The policy of a new client; for the arguments see `Policy`."""
        make = partial(Endpoints, self.urls, self.weights, circuit_breaker=self.circuit_breaker)
        return Policy(self.shared.get(make), self.retries, circuit_open, observer, retries_for=self.retries_for)
