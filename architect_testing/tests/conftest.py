"""A clean environment for each test, plugins that are installed for one, and the harness for suites."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
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
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path for distributions of one test."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def install_plugin(site: Path) -> Callable[..., None]:
    """Installs a distribution with entry points, in the layout that pip makes, for this test."""

    def install(distribution: str, entries: Mapping[str, str], modules: Mapping[str, str]) -> None:
        info = site / f"{distribution.replace('-', '_')}-1.2.3.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2.3\n")
        lines = "".join(f"{name} = {value}\n" for name, value in entries.items())
        (info / "entry_points.txt").write_text(f"[architect]\n{lines}")
        for name, source in modules.items():
            (site / f"{name}.py").write_text(source)

    return install


@pytest.fixture
def harness(
    install_plugin: Callable[..., None], site: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Harness]:
    yield Harness(install_plugin, site, monkeypatch, caplog)
    for name in ("architect_subject", "architect_other", "other_library"):
        sys.modules.pop(name, None)
