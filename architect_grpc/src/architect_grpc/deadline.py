"""Server interceptors that apply the deadline of a call to the calls that its servicer makes."""

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

_YEAR = 365 * 86400.0  # a longer remaining time is how grpc says that there is no deadline, unless it says None
_END = object()


class DeadlineInterceptor(grpc.ServerInterceptor):
    """Ends the calls that a servicer makes, over gRPC or REST, no later than the call that it serves.

    server = grpc.server(threads, interceptors=[architect_grpc.DeadlineInterceptor()])
    """

    def intercept_service(self, continuation: Callable[..., Any], handler_call_details: Any) -> Any:
        """Wrap the servicer's method, because its thread and its deadline are not known before it runs."""
        handler = continuation(handler_call_details)
        return handler and _wrapped(handler)


class AioDeadlineInterceptor(grpc.aio.ServerInterceptor):
    """The same for a `grpc.aio.server`."""

    async def intercept_service(self, continuation: Callable[..., Awaitable[Any]], handler_call_details: Any) -> Any:
        """Wrap the servicer's method; one that is no coroutine still runs in a thread."""
        handler = await continuation(handler_call_details)
        return handler and _wrapped(handler)


def _wrapped(handler: Any) -> Any:
    streams = handler.request_streaming, handler.response_streaming
    kind = "_".join("stream" if each else "unary" for each in streams)
    serve, make = getattr(handler, kind), getattr(grpc, f"{kind}_rpc_method_handler")
    served = _aio(serve) or (_stream_response if handler.response_streaming else _single_response)(serve)
    return make(served, handler.request_deserializer, handler.response_serializer)


def _remaining(context: Any) -> float | None:
    seconds: float | None = context.time_remaining()
    return None if seconds is None or seconds > _YEAR else seconds


def _deadline_of(context: Any) -> AbstractContextManager[None]:
    seconds = _remaining(context)
    return nullcontext() if seconds is None else deadline(seconds)


def _single_response(serve: Callable[..., Any]) -> Callable[..., Any]:
    def respond(request: Any, context: Any) -> Any:
        with _deadline_of(context):
            return serve(request, context)

    return respond


def _stream_response(serve: Callable[..., Any]) -> Callable[..., Any]:
    def stream(request: Any, context: Any) -> Iterator[Any]:
        with _deadline_of(context):
            own = copy_context()
        # between two responses the thread serves other calls, so the generator runs in a context of its own
        responses = iter(own.run(serve, request, context))
        try:
            while (response := own.run(next, responses, _END)) is not _END:
                yield response
        finally:  # a cancelled stream too: what its generator has entered must be left in the same context
            own.run(getattr(responses, "close", lambda: None))

    return stream


def _aio(serve: Callable[..., Any]) -> Callable[..., Any] | None:
    """Wraps a method of a servicer for asyncio; returns None if `serve` is a plain function."""
    if isasyncgenfunction(serve):

        async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
            # grpc.aio runs each call in a task, and closes a cancelled stream in another, where a reset would fail
            if (seconds := _remaining(context)) is not None:
                hold(seconds)
            async for response in serve(request, context):
                yield response

        return stream
    if iscoroutinefunction(serve):

        async def respond(request: Any, context: Any) -> Any:
            with _deadline_of(context):
                return await serve(request, context)

        return respond
    return None
