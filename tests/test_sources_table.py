"""The table of sources in the documentation says what the tests of the sources show."""

from __future__ import annotations

import importlib.util
import re

import pytest
from workspace import ROOT

from architect_core.sources.catalog import BUILT_IN

TABLE = re.findall(
    r"^\| `(\w+)` \| .* \| (yes|no) \| (yes|no) \| (yes|no) \| (yes|no) \|$",
    (ROOT / "docs" / "reference" / "sources.md").read_text(),
    re.MULTILINE,
)
COLUMNS = ("SERVICES", "MANY", "DATASTORES", "SECRETS")
# those that have tests of their own: a server is asked, or the program states it
ELSEWHERE = {"dns", "configure"}


def shown_by_tests() -> dict[str, set[str]]:
    """What the tests of the core show of each source: the table's column -> names of sources."""
    path = ROOT / "architect_core" / "tests" / "test_core_sources.py"
    spec = importlib.util.spec_from_file_location("core_sources", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {column: {row.partition(":")[0] for row in getattr(module, column)} for column in COLUMNS}


def test_the_table_has_every_source_in_the_order_in_which_they_are_read():
    assert [row[0] for row in TABLE] == ["configure", *BUILT_IN]


@pytest.mark.parametrize("row", [row for row in TABLE if row[0] not in ELSEWHERE], ids=lambda row: row[0])
def test_what_a_row_says_has_a_test_and_nothing_else_has_one(row):
    source, *said = row
    assert ["yes" if source in names else "no" for names in shown_by_tests().values()] == said
