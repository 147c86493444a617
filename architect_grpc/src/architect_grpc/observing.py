"""Tells an observer how each call of a channel ended."""

from __future__ import annotations

import weakref
from time import monotonic
from typing import TYPE_CHECKING, Any

import grpc

from architect_core.contract import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from architect_core.contract import ClientObserver

# No interceptor of gRPC's own: it makes the multicallable anew for each call, and of a closed channel that is a crash.


class _Observed:
    """Keeps one multicallable, and tells of its calls."""

    def __init__(self, call: Any, observer: ClientObserver) -> None:
        self._call = call
        self._observer = observer

    def _end(self, began: float, error: str | None) -> None:
        self._observer.ended(Outcome(monotonic() - began, error))

    def _finish(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Make a call that has ended when it returns."""
        began = monotonic()
        try:
            answer = call(*arguments, **named)
        except BaseException as problem:
            self._end(began, error_of(problem))
            raise
        self._end(began, None)
        return answer

    def _begin(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Make a call that ends later: when the service ends it, whether its answer was read or not."""
        began = monotonic()
        try:
            begun = call(*arguments, **named)
        except BaseException as problem:
            self._end(began, error_of(problem))
            raise
        if not isinstance(begun, grpc.RpcContext):  # what instruments channels made a generator of it
            return self._parts(begun, began)
        # a call that nobody keeps is cancelled, and what its callbacks refer to is kept
        kept = weakref.ref(begun)

        def end() -> None:
            ended = kept()
            self._end(began, "CANCELLED" if ended is None else _status(ended))

        if not begun.add_callback(end):
            end()
        return begun

    def _parts(self, parts: Iterator[Any], began: float) -> Iterator[Any]:
        error: str | None = "CANCELLED"  # unless it is read to its end
        try:
            yield from parts
            error = None
        except grpc.RpcError as problem:
            error = error_of(problem)
            raise
        finally:
            self._end(began, error)


class _OneAnswer(_Observed):
    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._finish(self._call, *arguments, **named)

    def with_call(self, *arguments: Any, **named: Any) -> Any:
        return self._finish(self._call.with_call, *arguments, **named)

    def future(self, *arguments: Any, **named: Any) -> Any:
        return self._begin(self._call.future, *arguments, **named)


class _StreamedAnswer(_Observed):
    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._begin(self._call, *arguments, **named)


class _UnaryUnary(_OneAnswer, grpc.UnaryUnaryMultiCallable):  # type: ignore[type-arg] # no generic class at run time
    pass


class _StreamUnary(_OneAnswer, grpc.StreamUnaryMultiCallable):  # type: ignore[type-arg] # likewise
    pass


class _UnaryStream(_StreamedAnswer, grpc.UnaryStreamMultiCallable):  # type: ignore[type-arg] # likewise
    pass


class _StreamStream(_StreamedAnswer, grpc.StreamStreamMultiCallable):  # type: ignore[type-arg] # likewise
    pass


class ObservedChannel(grpc.Channel):
    """A channel that is another one, and tells an observer of its calls."""

    def __init__(self, channel: grpc.Channel, observer: ClientObserver) -> None:
        self._channel: Any = channel  # whose methods take more than their types say
        self._observer = observer

    def unary_unary(self, *arguments: Any, **named: Any) -> Any:
        """As the other's."""
        return _UnaryUnary(self._channel.unary_unary(*arguments, **named), self._observer)

    def stream_unary(self, *arguments: Any, **named: Any) -> Any:
        """As the other's."""
        return _StreamUnary(self._channel.stream_unary(*arguments, **named), self._observer)

    def unary_stream(self, *arguments: Any, **named: Any) -> Any:
        """As the other's."""
        return _UnaryStream(self._channel.unary_stream(*arguments, **named), self._observer)

    def stream_stream(self, *arguments: Any, **named: Any) -> Any:
        """As the other's."""
        return _StreamStream(self._channel.stream_stream(*arguments, **named), self._observer)

    def subscribe(self, *arguments: Any, **named: Any) -> None:
        """As the other's."""
        self._channel.subscribe(*arguments, **named)

    def unsubscribe(self, *arguments: Any, **named: Any) -> None:
        """As the other's."""
        self._channel.unsubscribe(*arguments, **named)

    def close(self) -> None:
        """As the other's."""
        self._channel.close()

    def __enter__(self) -> ObservedChannel:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def open_observed(opens: Callable[..., Any], observer: ClientObserver, library: ModuleType) -> Any:
    """Open a channel whose calls `observer` is told of, and which is as it wants it.

    Args:
        opens: opens the channel.
        observer: who is told.
        library: whose channel it is: `grpc` or `grpc.aio`.
    """
    if library is grpc.aio:
        from architect_grpc.aio_observing import observing

        return opens(interceptors=[*observer.interceptors(), *observing(observer)])  # innermost, as below
    return observer.channel(ObservedChannel(opens(), observer))


def error_of(problem: BaseException) -> str | None:
    """The name of the status that an error has, or of its type."""
    return _status(problem) if isinstance(problem, grpc.RpcError) else type(problem).__name__


def _status(call: Any) -> str | None:
    code = call.code()
    return None if code is grpc.StatusCode.OK else str(getattr(code, "name", code))
