"""The multicallable of an rpc: grpc's own, with the client's deadline, metadata and observer added to each call."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import grpc

from architect_core.deadline import remaining
from architect_grpc.observing import ObservedCall, observed
from architect_grpc.settings import LONGEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from architect_core.contract import ClientObserver
    from architect_grpc.observing import Watch
    from architect_grpc.rpc import Rpc

Metadata = tuple[tuple[str, str | bytes], ...]

# Not an interceptor: one that adds deadline and metadata costs 17 % of a call, these classes 2 %. Besides, interceptors
# make the multicallable anew for each call, which crashes on a closed channel, and intercepted calls of grpc.aio lack
# much of what grpc.aio documents.

# the parameters of all multicallables after the request
_ORDER = ("timeout", "metadata", "credentials", "wait_for_ready", "compression")
_OVER = -1.0  # seconds; gRPC counts milliseconds, and a call with less than one left may still succeed


@dataclass(frozen=True)
class Defaults:
    """What a client adds to its calls.

    Attributes:
        total_timeout: seconds that a call with a single response may take, unless it passes `timeout`; None for no
            limit. A response stream has no limit, because it may be meant to last.
        metadata: pairs that are sent with each call, unless its own metadata has the same key.
        observer: is notified when a call ends; None if observing is off.
        wrap: what the calls of a channel with interceptors are made through; None for one without.
    """

    total_timeout: float | None = None
    metadata: Metadata = field(default=(), repr=False)
    observer: ClientObserver | None = None
    wrap: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None


class _Call:
    """Wraps one form of a multicallable of grpc or grpc.aio, and takes the same arguments."""

    _most_positional = 1 + len(_ORDER)

    def __init__(self, call: Any, rpc: Rpc, defaults: Defaults, watch: Watch = ObservedCall.watch) -> None:
        if defaults.wrap is not None:
            call = defaults.wrap(call)
        self._call = call if defaults.observer is None else observed(call, defaults.observer, rpc.path, watch)
        self._timeout = defaults.total_timeout if rpc.kind.endswith("_unary") else None
        self._metadata = defaults.metadata

    def __call__(self, *arguments: Any, timeout: float | None = None, **named: Any) -> Any:
        # with more of them, or two timeouts, the wrapped call raises the TypeError
        if 1 < len(arguments) <= self._most_positional and timeout is None:
            return self(arguments[0], **dict(zip(_ORDER, arguments[1:], strict=False)), **named)
        if timeout is None:
            timeout = self._timeout
        left = remaining()
        if left is not None:
            timeout = limited(timeout, left)
        if self._metadata:
            own = named.get("metadata")
            named["metadata"] = merged(self._metadata, tuple(own)) if own else self._metadata
        return self._call(*arguments, timeout=timeout, **named)


class _SingleResponseCall(_Call):
    """Has the other forms that grpc, and not grpc.aio, gives a call with a single response."""

    with_call: Any = None  # grpc's are abstract methods
    future: Any = None

    def __init__(self, call: Any, rpc: Rpc, defaults: Defaults) -> None:
        super().__init__(call, rpc, defaults, ObservedCall.returned)
        self.with_call = _Call(call.with_call, rpc, defaults, ObservedCall.returned)
        self.future = _Call(call.future, rpc, defaults)


def limited(timeout: float | None, left: float) -> float:
    """Seconds that a call may take if `left` are left of the deadline around it."""
    if left <= 0:
        return _OVER
    # with a longer one, such as of an infinite deadline, gRPC's clock overflows and the call ends at once
    return min(left, LONGEST) if timeout is None else min(timeout, left)


def merged(defaults: Metadata, own: Metadata) -> Metadata:
    """`own` metadata, and the pairs of `defaults` whose keys it does not have."""
    keys = {key for key, _ in own}
    return (*(pair for pair in defaults if pair[0] not in keys), *own)


@cache
def call_class(kind: str, *, is_aio: bool) -> type[_Call]:
    """The class for a kind of rpc, such as "unary_stream"; it extends grpc's or grpc.aio's class for that kind."""
    request, response = kind.title().split("_")
    base = getattr(grpc.aio if is_aio else grpc, f"{request}{response}MultiCallable")
    form = _SingleResponseCall if response == "Unary" and not is_aio else _Call
    content: dict[str, object] = {"__module__": __name__}
    if is_aio and request == "Unary":
        content["_most_positional"] = 1  # the others are keywords
    return type(base.__name__, (form, base), content)
