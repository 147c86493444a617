"""The table of sources in the documentation says what the tests of the sources show."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from workspace import ROOT

from architect_core.plugins.known import BY_NAME, PRECEDENCE

TABLE = re.findall(
    r"^\| `(\w+)` \| .* \| (yes|no) \| (yes|no) \| (yes|no) \| (yes|no) \| (`[a-z-]+(?:\[dns\])?`) \|$",
    (ROOT / "docs" / "reference" / "sources.md").read_text(),
    re.MULTILINE,
)
TESTS = ("architect_core/tests/test_core_sources.py", "architect_sources/tests/test_sources_platforms.py")
COLUMNS = ("SERVICES", "MANY", "DATASTORES", "SECRETS")
# these have tests of their own: one looks up a server, one has the configuration from the program
ELSEWHERE = {"dns", "configure"}


def module_of(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tested() -> dict[str, set[str]]:
    """What the tests show of each source: the table's column -> names of sources."""
    modules = [module_of(ROOT / path) for path in TESTS]
    return {
        column: {row.partition(":")[0] for module in modules for row in getattr(module, column, ())}
        for column in COLUMNS
    }


def test_the_table_has_every_source_in_the_order_of_precedence():
    assert [row[0] for row in TABLE] == ["configure", *PRECEDENCE]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_a_row_says_what_to_install(row):
    source, package = row[0], row[-1].strip("`")
    about = BY_NAME.get(source)
    wanted = "architect-core" if about is None else about.distribution
    assert package == wanted + (f"[{about.extra}]" if about is not None and about.extra else "")


@pytest.mark.parametrize("row", [row for row in TABLE if row[0] not in ELSEWHERE], ids=lambda row: row[0])
def test_what_a_row_says_is_what_the_tests_show(tested, row):
    source, *said, _ = row
    assert ["yes" if source in names else "no" for names in tested.values()] == said
