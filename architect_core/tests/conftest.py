"""A clean environment for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import architect.sdk

    for name in list(os.environ):
        if name.startswith("ARCHITECT"):
            monkeypatch.delenv(name)
    yield
    architect.sdk.reset()
