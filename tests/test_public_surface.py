"""The public surface changes only on purpose: `uv run python tests/public_surface.py` records a change."""

from __future__ import annotations

from public_surface import surface
from workspace import ROOT


def test_the_public_names_and_signatures_are_the_recorded_ones():
    assert surface() == (ROOT / "tests" / "public_surface.txt").read_text()
