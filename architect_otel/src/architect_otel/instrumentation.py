"""Switches on OpenTelemetry's own instrumentations, each where it is installed and nobody else has switched it on."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import Any

from architect_otel.spans import NamedTracerProvider

_log = logging.getLogger("architect.otel")
_missing: set[str] = set()


def instrument(client: Any) -> None:
    """Have a client's calls traced: all of requests for a `requests.Session`, else this client alone."""
    requests, httpx2 = sys.modules.get("requests"), sys.modules.get("httpx2")
    if requests is not None and isinstance(client, requests.Session):
        library = _library("requests", "rest")
        if library is not None and not library.RequestsInstrumentor().is_instrumented_by_opentelemetry:
            library.RequestsInstrumentor().instrument()
    elif httpx2 is not None and isinstance(client, httpx2.AsyncClient):
        library = _library("httpx", "aio")
        if library is not None and not library.HTTPX2ClientInstrumentor().is_instrumented_by_opentelemetry:
            library.HTTPX2ClientInstrumentor.instrument_client(client)


def instrumented(channel: Any, service: str) -> Any:
    """A `grpc.Channel` whose calls are traced with the service's name."""
    library = _library("grpc", "grpc")
    if library is None or library.GrpcInstrumentorClient().is_instrumented_by_opentelemetry:
        return channel
    interceptor = library.client_interceptor(tracer_provider=NamedTracerProvider(service))
    return library.grpcext.intercept_channel(channel, interceptor)


def aio_interceptors(service: str) -> list[Any]:
    """The interceptors for a `grpc.aio.Channel` whose calls are traced with the service's name."""
    library = _library("grpc", "grpc")
    if library is None or library.GrpcAioInstrumentorClient().is_instrumented_by_opentelemetry:
        return []
    return list(library.aio_client_interceptors(tracer_provider=NamedTracerProvider(service)))


def _library(name: str, extra: str) -> Any:
    """OpenTelemetry's instrumentation of a library, or None where it is not installed, which is told once."""
    try:
        return import_module(f"opentelemetry.instrumentation.{name}")
    except ModuleNotFoundError:
        if extra not in _missing:
            _missing.add(extra)
            _log.info("calls have metrics and no spans, which need: pip install 'architect-otel[%s]'", extra)
        return None
