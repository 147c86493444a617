"""Each test has a system of its own, of which nothing survives it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_system import System

# a shell has programs in the background ignore Ctrl-C, and they would hand that on to the programs of these tests
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    one = System(tmp_path)
    yield one
    one.close()
