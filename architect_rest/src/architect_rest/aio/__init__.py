"""REST clients for asyncio, on httpx2: `pip install 'architect-rest[aio]'`."""

from __future__ import annotations

from architect_rest.aio.client import AioRestClient
from architect_rest.aio.errors import (
    AnswerTooLargeError,
    CircuitOpenError,
    DeadlineError,
    ForeignOriginError,
    PathParameterError,
)

__all__ = [
    "AioRestClient",
    "AnswerTooLargeError",
    "CircuitOpenError",
    "DeadlineError",
    "ForeignOriginError",
    "PathParameterError",
]
