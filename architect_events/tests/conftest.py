"""An environment without settings of architect."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

import architect.sdk as architect


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if (name.startswith("ARCHITECT") and name != "ARCHITECT_REQUIRE_SERVERS") or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    yield
    architect.reset()
