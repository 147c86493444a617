"""What others rely on changes only on purpose: `uv run python tests/public_surface.py` writes the new state down."""

from __future__ import annotations

from public_surface import surface
from workspace import ROOT


def test_the_public_names_and_signatures_are_those_that_were_written_down():
    assert surface() == (ROOT / "tests" / "public_surface.txt").read_text()
