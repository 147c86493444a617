"""Tells an observer how each call of an rpc ended."""

from __future__ import annotations

import weakref
from time import monotonic
from typing import TYPE_CHECKING, Any

import grpc

from architect_core.contract import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from architect_core.contract import ClientObserver

# No interceptor of gRPC's own: that makes the multicallable anew for each call, which crashes for a closed channel; and
# the calls that those of grpc.aio give lack much of what grpc.aio documents.


class _Begun:
    """A call that began now."""

    def __init__(self, observer: ClientObserver, rpc: str) -> None:
        begun = observer.begin(rpc)
        self._told = observer if begun is None else begun
        self._headers = {} if begun is None else begun.headers
        self._began = monotonic()

    def metadata(self, stated: Any) -> Any:
        """What is sent along."""
        return (*(stated or ()), *self._headers.items()) if self._headers else stated

    def end(self, error: str | None) -> None:
        """Tell how it ended."""
        self._told.ended(Outcome(monotonic() - self._began, error))


class _Observed:
    """Keeps one multicallable, and tells of its calls."""

    def __init__(self, call: Any, observer: ClientObserver, rpc: str) -> None:
        self._call = call
        self._observer = observer
        self._rpc = rpc


class _OneAnswer(_Observed):
    def __call__(self, request: Any, timeout: Any = None, metadata: Any = None, *more: Any, **named: Any) -> Any:
        return self._finish(self._call, request, timeout, metadata, *more, **named)

    def with_call(self, request: Any, timeout: Any = None, metadata: Any = None, *more: Any, **named: Any) -> Any:
        return self._finish(self._call.with_call, request, timeout, metadata, *more, **named)

    def future(self, request: Any, timeout: Any = None, metadata: Any = None, *more: Any, **named: Any) -> Any:
        begun = _Begun(self._observer, self._rpc)
        return _begin(begun, self._call.future, request, timeout, begun.metadata(metadata), *more, **named)

    def _finish(
        self, call: Callable[..., Any], request: Any, timeout: Any, metadata: Any, *more: Any, **named: Any
    ) -> Any:
        """Make a call that has ended when it returns."""
        begun = _Begun(self._observer, self._rpc)
        try:
            answer = call(request, timeout, begun.metadata(metadata), *more, **named)
        except BaseException as problem:
            begun.end(_error_of(problem))
            raise
        begun.end(None)
        return answer


class _StreamedAnswer(_Observed):
    def __call__(self, request: Any, timeout: Any = None, metadata: Any = None, *more: Any, **named: Any) -> Any:
        begun = _Begun(self._observer, self._rpc)
        return _begin(begun, self._call, request, timeout, begun.metadata(metadata), *more, **named)


class _AioUnary(_Observed):
    """Of grpc.aio, with one request."""

    def __call__(self, request: Any, *, metadata: Any = None, **named: Any) -> Any:
        begun = _Begun(self._observer, self._rpc)
        return _begin_aio(begun, self._call, request, metadata=begun.metadata(metadata), **named)


class _AioStream(_Observed):
    """Of grpc.aio, with a stream of requests."""

    def __call__(
        self, requests: Any = None, timeout: Any = None, metadata: Any = None, *more: Any, **named: Any
    ) -> Any:
        begun = _Begun(self._observer, self._rpc)
        return _begin_aio(begun, self._call, requests, timeout, begun.metadata(metadata), *more, **named)


def observed(call: Any, kind: str, observer: ClientObserver, rpc: str, *, is_aio: bool) -> Any:
    """A multicallable that is called as `call` is, and tells `observer` of each call.

    Args:
        call: one of grpc's own, or of grpc.aio's.
        kind: grpc's word for what streams, such as "unary_stream".
        observer: who is told.
        rpc: its path, such as "/acme.v1.Payments/Pay".
        is_aio: whether it is one of grpc.aio's.
    """
    if is_aio:
        return (_AioUnary if kind.startswith("unary") else _AioStream)(call, observer, rpc)
    return (_OneAnswer if kind.endswith("unary") else _StreamedAnswer)(call, observer, rpc)


def _begin(begun: _Begun, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Make a call that ends later: when the service ends it, whether its answer was read or not."""
    try:
        made = call(*arguments, **named)
    except BaseException as problem:
        begun.end(_error_of(problem))
        raise
    if not isinstance(made, grpc.RpcContext):  # what instruments channels made a generator of it
        return _parts(begun, made)
    # a call that nobody keeps is cancelled, and what its callbacks refer to is kept
    kept: weakref.ref[Any] = weakref.ref(made)

    def end() -> None:
        ended = kept()
        begun.end("CANCELLED" if ended is None else _name(ended.code()))

    if not made.add_callback(end):
        end()
    return made


def _parts(begun: _Begun, parts: Iterator[Any]) -> Iterator[Any]:
    error: str | None = "CANCELLED"  # unless it is read to its end
    try:
        yield from parts
        error = None
    except grpc.RpcError as problem:
        error = _error_of(problem)
        raise
    finally:
        begun.end(error)


def _begin_aio(begun: _Begun, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    try:
        made = call(*arguments, **named)
    except BaseException as problem:
        begun.end(_error_of(problem))
        raise
    made.add_done_callback(lambda ended: begun.end(_error_of_ended(ended)))
    return made


def _error_of(problem: BaseException) -> str | None:
    """The name of the status that an error has, or of its type."""
    return _name(problem.code()) if isinstance(problem, grpc.RpcError) else type(problem).__name__


def _error_of_ended(call: Any) -> str | None:
    """The name of the status of a call of grpc.aio that has ended, so that its coroutine has nothing to wait for."""
    asking = call.code()
    try:
        asking.send(None)
    except StopIteration as found:
        return _name(found.value)
    asking.close()
    return "UNKNOWN"


def _name(code: Any) -> str | None:
    return None if code is grpc.StatusCode.OK else str(getattr(code, "name", code))
