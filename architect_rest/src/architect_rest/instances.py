"""The places where a service listens, and which of them gets the next attempt."""

from __future__ import annotations

import random
import threading
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_FAILURES_IN_A_ROW = 5
_FIRST_REST, _LONGEST_REST = 0.5, 30.0  # seconds
_LONGEST_OPEN = 5.0  # seconds


class Instance:
    """One place.

    Attributes:
        url: scheme, host and port: "http://10.0.0.1:8080".
        place: the same for messages, without a login.
        active: how many attempts are under way.
        weight: what share of the attempts it gets, compared with the others' weights.
        failures: how many have failed since one succeeded.
        unanswered: how many had no answer since one had.
        rest: seconds that it was left out for the last time; 0 where it works.
        counted_at: when the last of the unanswered ones ended.
        left_out_at: when that began.
        left_out_until: when it ends.
    """

    def __init__(self, url: str, weight: int = 1) -> None:
        self.url = url
        self.weight = weight
        scheme, separator, rest = url.partition("://")
        self.place = scheme + separator + rest.rpartition("@")[2]
        self.active = 0
        self.failures = self.unanswered = 0
        self.rest = self.counted_at = self.left_out_at = self.left_out_until = 0.0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place!r})"


class Instances:
    """Spreads attempts over instances: of two picked at random, the less busy one is taken.

    An instance that cannot be connected to is left out at once, one that fails otherwise after five failures in a row:
    for half a second, and for twice as long every time, up to 30 s. Then one attempt tries it. If all are left out, the
    one that comes back first is taken: a wrong guess must not make a service that works unreachable.

    The circuit is open while all are left out and none has answered any of five calls in a row, or could be connected
    to five times: then one attempt tries after half a second, the next after twice as long, up to 5 s, and all others
    are told at once. It is about rows and not about rates, so that few calls are enough.
    """

    def __init__(self, urls: Sequence[str], weights: Sequence[int] = (), *, breaks: bool = True) -> None:
        """Make them.

        Args:
            urls: scheme, host and port of each.
            weights: the weight of each; all have the same unless given.
            breaks: whether there is a circuit that may be open.
        """
        self.all = [Instance(url, weight) for url, weight in zip(urls, weights or [1] * len(urls), strict=True)]
        self._is_weighted = len({each.weight for each in self.all}) > 1
        self._breaks = breaks
        self._tried_at = 0.0  # while all were left out
        self._open_for = _FIRST_REST
        self._lock = threading.Lock()

    def begin(self, tried: Collection[Instance] = ()) -> Instance | None:
        """The instance for the next attempt, one not yet tried where there is one; one of the ends has to follow.

        None while the circuit is open, where nothing has to follow.
        """
        with self._lock:
            now = monotonic()
            able = [each for each in self.all if each.left_out_until <= now]
            fresh = [each for each in able if each not in tried] or able
            if not fresh:
                if self._is_broken() and self._seconds_open(now) > 0:
                    return None
                self._tried_at = now
                fresh = [min(self.all, key=lambda each: each.left_out_until)]
            chosen = fresh[0] if len(fresh) == 1 else self._less_busy(fresh)
            chosen.active += 1
            if chosen.rest:  # this attempt tries it, and no other until it is known how that ends
                chosen.left_out_until = now + chosen.rest
            return chosen

    def _less_busy(self, fresh: Sequence[Instance]) -> Instance:
        if not self._is_weighted:
            return min(random.sample(fresh, 2), key=lambda each: each.active)
        two = random.choices(fresh, [each.weight for each in fresh], k=2)  # noqa: S311 - no secret
        return min(two, key=lambda each: each.active / each.weight)

    def _is_broken(self) -> bool:
        return self._breaks and all(each.unanswered >= _FAILURES_IN_A_ROW for each in self.all)

    def _seconds_open(self, now: float) -> float:
        return max(self._tried_at, *(each.left_out_at for each in self.all)) + self._open_for - now

    @property
    def left_out(self) -> list[str]:
        """The places that get no attempts now, because they failed."""
        now = monotonic()
        return [each.place for each in self.all if each.left_out_until > now]

    @property
    def is_open(self) -> bool:
        """Whether the circuit is open."""
        return self.seconds_open > 0

    @property
    def seconds_open(self) -> float:
        """For how many seconds the circuit stays open; 0 where it is closed."""
        now = monotonic()
        if not self._is_broken() or any(each.left_out_until <= now for each in self.all):
            return 0.0
        return max(0.0, self._seconds_open(now))

    def succeeded(self, instance: Instance) -> None:
        """End an attempt that got an answer."""
        with self._lock:
            instance.active -= 1
            if instance.failures:
                instance.failures = 0
                instance.rest = instance.left_out_until = 0.0
                self._close(instance)

    def given_up(self, instance: Instance, *, is_answer: bool = False) -> None:
        """End an attempt that tells nothing of the instance, or no more than that it answers."""
        with self._lock:
            instance.active -= 1
            if is_answer:
                self._close(instance)

    def _close(self, instance: Instance) -> None:
        """Close the circuit: the instance has answered."""
        instance.unanswered = 0
        self._open_for = _FIRST_REST

    def failed(
        self,
        instance: Instance,
        began: float,
        *,
        unreachable: bool,
        is_answer: bool = False,
        counts: bool = True,
        asked: float = 0.0,
    ) -> bool:
        """End an attempt that failed; gives whether that leaves the instance out.

        Args:
            instance: where it was made.
            began: when, as `time.monotonic()` tells it: one from before it was left out is no news.
            unreachable: whether there was no connection.
            is_answer: whether something answered, though not as it should.
            counts: whether it is one of those that open the circuit.
            asked: seconds that the instance asks to be left alone.
        """
        with self._lock:
            instance.active -= 1
            instance.failures += 1
            if is_answer:
                self._close(instance)
            elif counts and began >= instance.counted_at:  # those that one event ended together are one
                if self._is_broken():
                    self._open_for = min(_LONGEST_OPEN, self._open_for * 2)
                instance.unanswered += 1
                instance.counted_at = monotonic()
            is_news = began >= instance.left_out_at
            if not is_news or not (unreachable or asked or instance.failures >= _FAILURES_IN_A_ROW):
                return False
            now = monotonic()
            instance.rest = min(_LONGEST_REST, instance.rest * 2 or _FIRST_REST)
            instance.left_out_at = now
            instance.left_out_until = now + max(min(asked, _LONGEST_REST), instance.rest * random.uniform(0.5, 1))  # noqa: S311 - no secret
            return True

    def is_another_able(self, tried: Collection[Instance]) -> bool:
        """Whether there is an instance that was not tried and is not left out."""
        now = monotonic()
        return any(each not in tried and each.left_out_until <= now for each in self.all)
