"""The public surface changes only on purpose: `uv run python tests/public_surface.py` records a change."""

from __future__ import annotations

import subprocess
import sys

from workspace import ROOT


def test_the_public_names_and_signatures_are_the_recorded_ones():
    # a process of its own: a pydantic model that was used has another signature
    command = [sys.executable, "-c", "from public_surface import surface; print(surface(), end='')"]
    done = subprocess.run(command, cwd=ROOT / "tests", capture_output=True, text=True, check=True)
    assert done.stdout == (ROOT / "tests" / "public_surface.txt").read_text()
