"""The multicallable of an rpc: grpc's own, with the client's deadline, metadata and observer added to each call."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import grpc

from architect_core.deadline import remaining
from architect_grpc.observing import ObservedCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from architect_core.contract import ClientObserver
    from architect_grpc.rpc import Rpc

    _Watch = Callable[[ObservedCall, Any], Any]

# Not an interceptor: one that adds deadline and metadata costs 17 % of a call, these classes 2 %. Besides, interceptors
# make the multicallable anew for each call, which crashes on a closed channel, and intercepted calls of grpc.aio lack
# much of what grpc.aio documents.

_OVER = -1.0  # seconds; gRPC counts milliseconds, and a call with less than one left may still succeed


@dataclass(frozen=True)
class Defaults:
    """What a client adds to its calls.

    Attributes:
        total_timeout: seconds that a call with a single response may take, unless it passes `timeout`; None for no
            limit. A response stream has no limit, because it may be meant to last.
        metadata: pairs that are sent with each call, unless its own metadata has the same key.
        observer: is notified when a call ends; None if observing is off.
    """

    total_timeout: float | None = None
    metadata: tuple[tuple[str, str | bytes], ...] = field(default=(), repr=False)
    observer: ClientObserver | None = None


class _Call:
    """Wraps one multicallable of grpc or grpc.aio, and takes the same arguments."""

    def __init__(self, call: Any, rpc: Rpc, defaults: Defaults) -> None:
        self._call = call
        self._path = rpc.path
        self._timeout = defaults.total_timeout if rpc.kind.endswith("_unary") else None
        self._metadata = defaults.metadata
        self._observer = defaults.observer

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._make(self._call, arguments, named, ObservedCall.watch)

    def _make(self, call: Any, arguments: tuple[Any, ...], named: dict[str, Any], watch: _Watch) -> Any:
        if self._observer is None:
            return call(*self._added(arguments, named), **named)
        observed = ObservedCall(self._observer, self._path)
        positional = self._added(arguments, named, observed.metadata)
        return watch(observed, observed.begin(call, positional, named))

    def _added(self, arguments: tuple[Any, ...], named: dict[str, Any], more: tuple[Any, ...] = ()) -> list[Any]:
        """Returns the positional arguments, and changes `named`.

        `timeout` and `metadata` stay positional if the caller passed them so, because some of grpc.aio's are keywords
        only, which grpc.aio itself then says.
        """
        positional = list(arguments)
        if len(positional) > 1:
            positional[1] = self._limit(positional[1])
        else:
            named["timeout"] = self._limit(named.get("timeout"))
        if len(positional) > 2:
            positional[2] = self._sent(positional[2], more)
        else:
            named["metadata"] = self._sent(named.get("metadata"), more)
        return positional

    def _limit(self, timeout: float | None) -> float | None:
        """Seconds that the call may take, which never exceed what is left of the deadline around it."""
        if timeout is None:
            timeout = self._timeout
        left = remaining()
        if left is None:
            return timeout
        if left <= 0:
            return _OVER
        return left if timeout is None else min(timeout, left)

    def _sent(self, metadata: Any, more: tuple[Any, ...]) -> Any:
        if not self._metadata and not more:
            return metadata
        own = tuple(metadata or ())
        keys = {key for key, _ in own}
        return (*(pair for pair in self._metadata if pair[0] not in keys), *own, *more)


class _SingleResponseCall(_Call):
    """Has the other forms that grpc, and not grpc.aio, gives a call with a single response."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._make(self._call, arguments, named, ObservedCall.returned)

    def with_call(self, *arguments: Any, **named: Any) -> Any:
        return self._make(self._call.with_call, arguments, named, ObservedCall.returned)

    def future(self, *arguments: Any, **named: Any) -> Any:
        return self._make(self._call.future, arguments, named, ObservedCall.watch)


@cache
def call_class(kind: str, *, is_aio: bool) -> type[_Call]:
    """The class for a kind of rpc, such as "unary_stream"; it extends grpc's or grpc.aio's class for that kind."""
    request, response = kind.title().split("_")
    base = getattr(grpc.aio if is_aio else grpc, f"{request}{response}MultiCallable")
    form = _SingleResponseCall if response == "Unary" and not is_aio else _Call
    return type(base.__name__, (form, base), {"__module__": __name__})
