"""What calls an rpc from a coroutine: grpc.aio's own multicallable, with what `architect_grpc.call` adds."""

from __future__ import annotations

from typing import Any

import grpc

from architect_grpc.call import Call

# which arguments may be given by position is as in grpc.aio


class _UnaryUnary(Call, grpc.aio.UnaryUnaryMultiCallable):  # type: ignore[type-arg] # as those of `architect_grpc.call`
    def __call__(self, request: Any, *, timeout: float | None = None, metadata: Any = None, **named: Any) -> Any:
        return self._call(request, timeout=self._limit(timeout), metadata=self._sent(metadata), **named)


class _UnaryStream(Call, grpc.aio.UnaryStreamMultiCallable):  # type: ignore[type-arg] # likewise
    def __call__(self, request: Any, *, timeout: float | None = None, metadata: Any = None, **named: Any) -> Any:
        return self._call(request, timeout=self._limit(timeout), metadata=self._sent(metadata), **named)


class _StreamUnary(Call, grpc.aio.StreamUnaryMultiCallable):  # type: ignore[type-arg] # likewise
    def __call__(
        self,
        request_iterator: Any = None,
        timeout: float | None = None,
        metadata: Any = None,
        *more: Any,
        **named: Any,
    ) -> Any:
        return self._call(request_iterator, self._limit(timeout), self._sent(metadata), *more, **named)


class _StreamStream(Call, grpc.aio.StreamStreamMultiCallable):  # type: ignore[type-arg] # likewise
    def __call__(
        self,
        request_iterator: Any = None,
        timeout: float | None = None,
        metadata: Any = None,
        *more: Any,
        **named: Any,
    ) -> Any:
        return self._call(request_iterator, self._limit(timeout), self._sent(metadata), *more, **named)


AIO_CLASSES = {
    "unary_unary": _UnaryUnary,
    "stream_unary": _StreamUnary,
    "unary_stream": _UnaryStream,
    "stream_stream": _StreamStream,
}
