"""gRPC clients, and the stubs they need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from architect_core.lazy import load

if TYPE_CHECKING:
    from architect_grpc.deadline import AioDeadlineInterceptor as AioDeadlineInterceptor
    from architect_grpc.deadline import DeadlineInterceptor as DeadlineInterceptor
    from architect_grpc.interceptors import configure_client as configure_client

_HOMES = {
    "AioDeadlineInterceptor": "architect_grpc.deadline",
    "DeadlineInterceptor": "architect_grpc.deadline",
    "configure_client": "architect_grpc.interceptors",
}


def __getattr__(name: str) -> Any:
    # on demand, because the plugin is imported without grpc
    return load(__name__, _HOMES, name)
