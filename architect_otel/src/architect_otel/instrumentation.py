"""Enables OpenTelemetry's own instrumentations, if they are installed and the application has not enabled them."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import Any

_log = logging.getLogger("architect.otel")
_missing: set[str] = set()


def instrument(client: Any) -> None:
    """Trace a client's calls: for a `requests.Session` those of all sessions, otherwise those of this client."""
    requests, httpx2 = sys.modules.get("requests"), sys.modules.get("httpx2")
    if requests is not None and isinstance(client, requests.Session):
        library = _library("requests", "rest")
        if library is not None and not library.RequestsInstrumentor().is_instrumented_by_opentelemetry:
            library.RequestsInstrumentor().instrument()
    elif httpx2 is not None and isinstance(client, httpx2.AsyncClient):
        library = _library("httpx", "aio")
        if library is not None and not library.HTTPX2ClientInstrumentor().is_instrumented_by_opentelemetry:
            library.HTTPX2ClientInstrumentor.instrument_client(client)


def is_grpc_traced() -> bool:
    """Whether the application has enabled OpenTelemetry's instrumentation of gRPC."""
    library: Any = sys.modules.get("opentelemetry.instrumentation.grpc")
    return library is not None and any(
        instrumentor().is_instrumented_by_opentelemetry
        for instrumentor in (library.GrpcInstrumentorClient, library.GrpcAioInstrumentorClient)
    )


def _library(name: str, extra: str) -> Any:
    """OpenTelemetry's instrumentation of a library, or None if it is not installed, which is logged once."""
    try:
        return import_module(f"opentelemetry.instrumentation.{name}")
    except ModuleNotFoundError:
        if extra not in _missing:
            _missing.add(extra)
            _log.info("calls have metrics and no spans, which need: pip install 'architect-otel[%s]'", extra)
        return None
