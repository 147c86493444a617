"""What a server does for a call ends with that call: its deadline holds for the calls that a servicer makes."""

from __future__ import annotations

from contextlib import nullcontext
from contextvars import copy_context
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import TYPE_CHECKING, Any

import grpc

from architect_core.deadline import deadline, hold

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from contextlib import AbstractContextManager

_YEAR = 365 * 86400.0  # grpc tells a call without a deadline by one that is further away, or by None
_END = object()


class DeadlineInterceptor(grpc.ServerInterceptor):
    """Has no call that a servicer makes, over gRPC or REST, outlive the call that it serves.

    server = grpc.server(threads, interceptors=[architect_grpc.DeadlineInterceptor()])
    """

    def intercept_service(self, continuation: Callable[..., Any], handler_call_details: Any) -> Any:
        """Wrap what serves the call, because only there are its thread and its deadline known."""
        handler = continuation(handler_call_details)
        return handler and _wrapped(handler, _plain(handler))


class AioDeadlineInterceptor(grpc.aio.ServerInterceptor):
    """The same for a `grpc.aio.server`."""

    async def intercept_service(self, continuation: Callable[..., Awaitable[Any]], handler_call_details: Any) -> Any:
        """Wrap what serves the call; what is no coroutine of a servicer stays so, and runs in a thread as it did."""
        handler = await continuation(handler_call_details)
        return handler and _wrapped(handler, lambda serve: _aio(serve) or _plain(handler)(serve))


def _wrapped(handler: Any, wrap: Callable[[Any], Any]) -> Any:
    sent = "stream" if handler.request_streaming else "unary"
    answered = "stream" if handler.response_streaming else "unary"
    kind = f"{sent}_{answered}"
    make: Any = getattr(grpc, f"{kind}_rpc_method_handler")
    return make(wrap(getattr(handler, kind)), handler.request_deserializer, handler.response_serializer)


def _plain(handler: Any) -> Callable[[Any], Any]:
    return _streaming if handler.response_streaming else _answering


def _left(context: Any) -> float | None:
    left: float | None = context.time_remaining()
    return None if left is None or left > _YEAR else left


def _of(context: Any) -> AbstractContextManager[None]:
    left = _left(context)
    return nullcontext() if left is None else deadline(left)


def _answering(serve: Callable[..., Any]) -> Callable[..., Any]:
    def answer(request: Any, context: Any) -> Any:
        with _of(context):
            return serve(request, context)

    return answer


def _streaming(serve: Callable[..., Any]) -> Callable[..., Any]:
    def stream(request: Any, context: Any) -> Iterator[Any]:
        with _of(context):
            own = copy_context()
        # what a generator enters must not stay in the thread, which does other things between two answers
        answers = iter(own.run(serve, request, context))
        try:
            while (answer := own.run(next, answers, _END)) is not _END:
                yield answer
        finally:  # also of a stream that is given up, whose generator leaves what it entered
            own.run(getattr(answers, "close", _nothing))

    return stream


def _nothing() -> None:
    """Ends an iterator that has no end to be told of."""


def _aio(serve: Callable[..., Any]) -> Callable[..., Any] | None:
    if isasyncgenfunction(serve):

        async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
            left = _left(context)  # grpc.aio has a task for each call; a stream that is given up is closed by another
            if left is not None:
                hold(left)
            async for answer in serve(request, context):
                yield answer

        return stream
    if iscoroutinefunction(serve):

        async def answer(request: Any, context: Any) -> Any:
            with _of(context):
                return await serve(request, context)

        return answer
    return None
