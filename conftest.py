"""What the tests of all packages share."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

# Tests start hundreds of Python programs. Where an image forbids to write bytecode, each would compile what it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the tests that take minutes over the list, so that each begins with a worker and not behind all others."""
    long = [item for item in items if item.get_closest_marker("long")]
    others = [item for item in items if item not in long]
    for number, item in enumerate(long):
        others.insert(number * len(others) // len(long), item)
    items[:] = others


def pytest_collection_finish() -> None:
    """Have the garbage collector not look at all that was imported, time and again."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Have a skipped test fail where `ARCHITECT_REQUIRE_SERVERS` is set."""
    report = yield
    return _required(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a skipped module."""
    report = yield
    return _required(report)


def _required(report: Report) -> Report:
    if report.skipped and "ARCHITECT_REQUIRE_SERVERS" in os.environ:
        report.outcome = "failed"
        report.longrepr = f"ARCHITECT_REQUIRE_SERVERS is set, so that nothing may be skipped: {report.longrepr}"
    return report


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path for distributions of one test."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def install_plugin(site: Path) -> Callable[..., None]:
    """Installs a distribution with entry points, as pip would lay it out, for this test."""

    def install(distribution: str, entries: Mapping[str, str], modules: Mapping[str, str]) -> None:
        info = site / f"{distribution.replace('-', '_')}-1.2.3.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2.3\n")
        lines = "".join(f"{name} = {value}\n" for name, value in entries.items())
        (info / "entry_points.txt").write_text(f"[architect]\n{lines}")
        for name, source in modules.items():
            (site / f"{name}.py").write_text(source)

    return install


def pytest_xdist_auto_num_workers() -> int:
    """More workers than cores, because many tests wait for a process or a server."""
    return max(2, (os.cpu_count() or 2) * 3 // 2)
