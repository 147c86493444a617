"""Notifies an observer of how each call of an rpc ended."""

from __future__ import annotations

import weakref
from time import monotonic
from typing import TYPE_CHECKING, Any

import grpc

from architect_core.contract import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from architect_core.contract import ClientObserver


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

    def begin(self, call: Callable[..., Any], arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Make the call; one that raises has ended."""
        try:
            return call(*arguments, **named)
        except BaseException as problem:
            self._end(_error_of(problem))
            raise

    def returned(self, response: Any) -> Any:
        """End a call whose response is there."""
        self._end(None)
        return response

    def watch(self, call: Any) -> Any:
        """End the call when the service ends it, whether its response is read or not; returns the call."""
        if isinstance(call, grpc.aio.Call):
            call.add_done_callback(lambda ended: self._end(_status_of_ended(ended)))
            return call
        if not isinstance(call, grpc.RpcContext):  # an instrumentation of the channel made it a generator
            return self._parts(call)
        # grpc cancels a call that is no longer referenced, and a callback must not be what references it
        kept: weakref.ref[Any] = weakref.ref(call)

        def end() -> None:
            ended = kept()
            self._end("CANCELLED" if ended is None else _name(ended.code()))

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
            self._end(error)

    def _end(self, error: str | None) -> None:
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
