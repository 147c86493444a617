"""The authorities that certificates of subscribers are checked with."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path

import certifi


def environment_context() -> ssl.SSLContext:
    """Returns the context of what `REQUESTS_CA_BUNDLE` or `CURL_CA_BUNDLE` names, else of certifi; raises OSError."""
    path = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or certifi.where()
    return _context_of(path, Path(path).stat().st_mtime_ns)


@lru_cache(8)
def _context_of(path: str, changed: int) -> ssl.SSLContext:  # noqa: ARG001 - a new file is a new context
    is_folder = Path(path).is_dir()
    return ssl.create_default_context(cafile=None if is_folder else path, capath=path if is_folder else None)
