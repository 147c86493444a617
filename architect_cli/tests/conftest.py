"""Each test has a system of its own, of which nothing survives it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_system import System


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    one = System(tmp_path)
    yield one
    one.close()
