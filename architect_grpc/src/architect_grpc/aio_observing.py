"""Tells an observer how each call of a channel of grpc.aio ended."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import grpc

from architect_core.contract import Outcome
from architect_grpc.observing import error_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from architect_core.contract import ClientObserver


class _Observing:
    """An interceptor that changes nothing."""

    def __init__(self, observer: ClientObserver) -> None:
        self._observer = observer

    async def _begin(self, continuation: Callable[[Any, Any], Awaitable[Any]], details: Any, request: Any) -> Any:
        began = monotonic()
        try:
            call = await continuation(details, request)
        except BaseException as problem:
            self._end(began, error_of(problem))
            raise
        call.add_done_callback(lambda ended: self._end(began, _status(ended)))
        return call

    def _end(self, began: float, error: str | None) -> None:
        self._observer.ended(Outcome(monotonic() - began, error))


class _UnaryUnary(_Observing, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await self._begin(continuation, client_call_details, request)


class _UnaryStream(_Observing, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await self._begin(continuation, client_call_details, request)


class _StreamUnary(_Observing, grpc.aio.StreamUnaryClientInterceptor):
    async def intercept_stream_unary(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return await self._begin(continuation, client_call_details, request_iterator)


class _StreamStream(_Observing, grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return await self._begin(continuation, client_call_details, request_iterator)


def observing(observer: ClientObserver) -> list[Any]:
    """The interceptors of a channel whose calls `observer` is told of."""
    return [kind(observer) for kind in (_UnaryUnary, _UnaryStream, _StreamUnary, _StreamStream)]


def _status(ended: Any) -> str | None:
    """The name of the status of a call that has ended, so that its coroutine has nothing to wait for."""
    try:
        ended.code().send(None)
    except StopIteration as found:
        code = found.value
    return None if code is grpc.StatusCode.OK else str(code.name)
