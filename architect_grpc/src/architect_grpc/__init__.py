"""gRPC clients, and the stubs they need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from architect_grpc.deadline import AioDeadlineInterceptor as AioDeadlineInterceptor
    from architect_grpc.deadline import DeadlineInterceptor as DeadlineInterceptor


def __getattr__(name: str) -> Any:
    # on demand, because the plugin is imported without grpc
    if name in ("DeadlineInterceptor", "AioDeadlineInterceptor"):
        from architect_grpc import deadline

        return getattr(deadline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
