"""A clean environment for each test, and the harness for suites."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conformance_harness import Harness

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import architect.sdk

    for name in list(os.environ):
        if name.startswith("ARCHITECT"):
            monkeypatch.delenv(name)
    yield
    architect.sdk.reset()


@pytest.fixture
def harness(
    install_plugin: Callable[..., None], site: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Harness]:
    yield Harness(install_plugin, site, monkeypatch, caplog)
    for name in ("architect_subject", "architect_other", "other_library"):
        sys.modules.pop(name, None)
