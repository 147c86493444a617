"""Switches on OpenTelemetry's own instrumentations, each where it is installed and nobody else has switched it on."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import Any

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


def is_grpc_traced() -> bool:
    """Whether the application has switched on OpenTelemetry's instrumentation of gRPC itself."""
    library: Any = sys.modules.get("opentelemetry.instrumentation.grpc")
    return library is not None and any(
        each().is_instrumented_by_opentelemetry
        for each in (library.GrpcInstrumentorClient, library.GrpcAioInstrumentorClient)
    )


def _library(name: str, extra: str) -> Any:
    """OpenTelemetry's instrumentation of a library, or None where it is not installed, which is told once."""
    try:
        return import_module(f"opentelemetry.instrumentation.{name}")
    except ModuleNotFoundError:
        if extra not in _missing:
            _missing.add(extra)
            _log.info("calls have metrics and no spans, which need: pip install 'architect-otel[%s]'", extra)
        return None
