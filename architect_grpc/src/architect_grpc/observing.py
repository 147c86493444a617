"""Notifies an observer of how each call of an rpc ended."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import grpc

from architect_core.clock import monotonic
from architect_core.contract import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from architect_core.contract import ClientObserver

    Watch = Callable[["ObservedCall", Any], Any]


def observed(call: Callable[..., Any], observer: ClientObserver, path: str, watch: Watch) -> Callable[..., Any]:
    """`call`, of the rpc at `path`, whose calls `observer` is notified of.

    Args:
        call: a form of a multicallable.
        observer: is notified when a call begins and when it ends.
        path: such as "/acme.v1.Payments/Pay".
        watch: the method of `ObservedCall` that ends a call, given what `call` returns.
    """

    def begin(*arguments: Any, metadata: Any = None, **named: Any) -> Any:
        begun = ObservedCall(observer, path)
        if begun.metadata:
            metadata = (*(metadata or ()), *begun.metadata)
        try:
            result = call(*arguments, metadata=metadata, **named)
        except BaseException as problem:  # it has ended
            begun.end(_error_of(problem))
            raise
        return watch(begun, result)

    return begin


class ObservedCall:
    """A call that begins now.

    Attributes:
        metadata: pairs that the observer sends with the call, such as a trace's context.
    """

    def __init__(self, observer: ClientObserver, path: str) -> None:
        """Tell `observer` that a call of the rpc at `path`, such as "/acme.v1.Payments/Pay", begins."""
        begun = observer.begin(path)
        self.metadata = () if begun is None else tuple(begun.headers.items())
        self._observer = observer if begun is None else begun
        self._began = monotonic()

    def returned(self, response: Any) -> Any:
        """End a call whose response is there."""
        self.end(None)
        return response

    def watch(self, call: Any) -> Any:
        """End the call when the service ends it, whether its response is read or not; returns the call."""
        if isinstance(call, grpc.aio.Call):
            call.add_done_callback(lambda ended: self.end(_status_of_ended(ended)))
            return call
        if not isinstance(call, grpc.RpcContext):  # an instrumentation of the channel made it a generator
            return self._parts(call)
        # grpc cancels a call that is no longer referenced, and a callback must not be what references it
        kept: weakref.ref[Any] = weakref.ref(call)

        def end() -> None:
            ended = kept()
            self.end("CANCELLED" if ended is None else _name(ended.code()))

        if not call.add_callback(end):  # it has ended before
            end()
        return call

    def _parts(self, parts: Iterator[Any]) -> Iterator[Any]:
        error: str | None = "CANCELLED"  # unless it is read to its end
        try:
            yield from parts
            error = None
        except grpc.RpcError as problem:
            error = _error_of(problem)
            raise
        finally:
            self.end(error)

    def end(self, error: str | None) -> None:
        """Notify the observer; `error` is the name of the status, or None."""
        self._observer.ended(Outcome(monotonic() - self._began, error))


def _error_of(problem: BaseException) -> str | None:
    """The name of an error's gRPC status, or of its type if it has none."""
    return _name(problem.code()) if isinstance(problem, grpc.RpcError) else type(problem).__name__


def _status_of_ended(call: Any) -> str | None:
    """The name of the status of an ended call of grpc.aio, whose coroutine `code()` does not wait then."""
    coroutine = call.code()
    try:
        coroutine.send(None)
    except StopIteration as found:
        return _name(found.value)
    coroutine.close()
    return "UNKNOWN"


def _name(code: Any) -> str | None:
    return None if code is grpc.StatusCode.OK else str(getattr(code, "name", code))
