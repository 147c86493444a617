"""What follows an attempt: which instance gets the next one, whether there is one, and when."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from architect_rest import retry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from architect_rest.instances import Instance, Instances

_log = logging.getLogger("architect.rest")
_NEARLY = 0.005  # seconds
_OF_THE_CALLER = {408, 429}  # statuses that tell of whoever calls, and not of the instance


@dataclass(slots=True)
class Call:
    """One call, for which one or several attempts are made.

    Attributes:
        method: its HTTP method, in capitals.
        headers: its headers, looked up without regard to case.
        rewind: makes its body ready to be sent once more; false where it has gone.
        is_read_once: whether its body is made while it is sent, and was begun: an error may be the body's own.
        ends: when it has to be over, as `time.monotonic()` tells it; None for never.
        tried: the instances of all attempts until now.
        began: when the last attempt began.
    """

    method: str
    headers: Mapping[str, Any]
    rewind: Callable[[], bool]
    is_read_once: Callable[[], bool]
    ends: float | None
    tried: list[Instance] = field(default_factory=list)
    began: float = 0.0

    def has_time(self, seconds: float) -> bool:
        """Whether it may still wait for so long."""
        return self.ends is None or seconds < self.ends - monotonic()


class Attempts:
    """What the clients of one service have learnt of it.

    Attributes:
        instances: where attempts are made.
        retries: how many attempts may follow a call's first.
    """

    def __init__(self, instances: Instances, retries: int) -> None:
        self.instances = instances
        self.retries = retries
        self._budget = retry.Budget(10)
        self._lost = retry.Budget(100)  # for calls that an instance lost and another may answer: many at a time

    def begin(self, call: Call) -> Instance | None:
        """Begin an attempt at the instance that is given; None where nothing is sent, because the circuit is open."""
        instance = self.instances.begin(call.tried)
        if instance is not None:
            call.tried.append(instance)
            call.began = monotonic()
        return instance

    def told_open(self) -> str:
        """What is said where nothing is sent."""
        places = ", ".join(each.place for each in self.instances.all)
        return (
            f"{places}: none of the last five attempts was answered, so that nothing is sent for "
            f"{self.instances.seconds_open:.1f} s. With the service's option circuit_breaker: false every call tries"
        )

    def give_up(self, call: Call) -> None:
        """End an attempt that tells nothing of its instance."""
        self.instances.given_up(call.tried[-1])

    def after_failure(self, call: Call, what: str, *, is_unsent: bool, is_final: bool) -> float | None:
        """End an attempt that got no answer; gives the seconds until the next, None for no other.

        Args:
            call: whose attempt it was.
            what: what went wrong, for the log.
            is_unsent: whether it is proven that nothing was sent.
            is_final: whether it would be no other the next time, as with a certificate that is not trusted.
        """
        instance = call.tried[-1]
        is_hurried = call.ends is not None and monotonic() >= call.ends - _NEARLY
        if is_hurried or call.is_read_once():  # which tells of the caller, and not of the instance
            self.instances.given_up(instance)
            return None
        is_again = not is_unsent and instance in call.tried[:-1]  # one slow call is no three
        if self.instances.failed(instance, call.began, unreachable=is_unsent, is_answer=is_final, counts=not is_again):
            self._tell_left_out(instance, what)
        if is_final or not ((is_unsent or retry.is_repeatable(call.method, call.headers)) and call.rewind()):
            return None
        is_elsewhere = self.instances.is_another_able(call.tried)
        if not is_unsent and not (self._lost if is_elsewhere else self._budget).fail():
            return None
        if len(call.tried) > self.retries:
            return None
        return self._told(call, what, 0.0 if is_elsewhere else retry.pause(len(call.tried) - 1, None))

    def after_answer(self, call: Call, status: int, headers: Mapping[str, Any]) -> float | None:
        """End an attempt that got an answer; gives the seconds until the next, None where this is the answer."""
        instance = call.tried[-1]
        if status not in retry.STATUSES:
            self.instances.succeeded(instance)
            self._budget.succeed()
            self._lost.succeed()
            return None
        asked = retry.asked_pause(headers.get("Retry-After"))
        if status in _OF_THE_CALLER:
            self.instances.given_up(instance, is_answer=True)
        elif self.instances.failed(instance, call.began, unreachable=False, is_answer=True, asked=asked or 0.0):
            self._tell_left_out(instance, f"status {status}")
        may_repeat = self._budget.fail()
        if len(call.tried) > self.retries or not may_repeat:
            return None
        if not (retry.is_repeatable(call.method, call.headers) and call.rewind()):
            return None
        wait = retry.pause(len(call.tried) - 1, None if self.instances.is_another_able(call.tried) else asked)
        return self._told(call, f"status {status}", wait)

    def _told(self, call: Call, what: str, wait: float | None) -> float | None:
        if wait is None or not call.has_time(wait):
            return None
        _log.info("%s at %s: %s; it is sent again in %.2f s", call.method, call.tried[-1].place, what, wait)
        return wait

    def _tell_left_out(self, instance: Instance, why: str) -> None:
        if len(self.instances.all) > 1:
            _log.warning("%s is left out for %.1f s: %s", instance.place, instance.rest, why)
