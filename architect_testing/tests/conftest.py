"""A clean environment for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import architect.sdk

    for name in list(os.environ):
        if name.startswith("ARCHITECT"):
            monkeypatch.delenv(name)
    yield
    architect.sdk.reset()


@pytest.fixture
def install_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Installs a distribution with entry points, as pip would lay it out, for this test."""
    site = tmp_path / "site-packages"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def install(distribution: str, entries: Mapping[str, str], modules: Mapping[str, str]) -> None:
        info = site / f"{distribution.replace('-', '_')}-1.2.3.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2.3\n")
        lines = "".join(f"{name} = {value}\n" for name, value in entries.items())
        (info / "entry_points.txt").write_text(f"[architect]\n{lines}")
        for name, source in modules.items():
            (site / f"{name}.py").write_text(source)

    return install
