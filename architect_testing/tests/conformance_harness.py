"""Runs a suite of `architect_testing.conformance` on a plugin that breaks one rule, and tells which checks failed."""

from __future__ import annotations

import multiprocessing
import os
import sys
import textwrap
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from architect_testing.conformance import imports
from architect_testing.conformance.suite import Suite

HEAD = """
from architect_core.contract.hooks import hookimpl

ARCHITECT_CONTRACT = 1
"""
FOUND = "test_the_plugin_is_found_and_its_hooks_give_what_the_contract_asks_for"
BROKEN_HOOK = """
@hookimpl
def architect_stub_generator():
    raise RuntimeError("out of order")
"""
IMPORTS = "test_nothing_of_other_plugins_is_imported"


@dataclass(frozen=True)
class Violation:
    """What makes a good plugin break a rule.

    Attributes:
        check: the check that must fail.
        plugin: what stands behind the good plugin's source.
        suite: what the suite's subclass has beside what it must have.
    """

    check: str
    plugin: str = ""
    suite: str = ""


GOOD = Violation("")


def checks_of(suite: type[Suite]) -> set[str]:
    """The checks that a suite has."""
    return {name for name in dir(suite) if name.startswith("test_")}


_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["architect_testing.conformance"])


def _run_program(pipe: Connection, program: str, asked: dict[str, Any]) -> None:
    sys.path[:] = asked["path"]
    os.environ.update(asked["environ"])
    before = set(sys.modules)
    try:
        exec(program, {"asked": asked})
        pipe.send(sorted(set(sys.modules) - before))
    except BaseException:
        pipe.send(traceback.format_exc())


def imported_by_a_fresh_process(program: str, asked: dict[str, Any]) -> list[str]:
    """What the suites find out in a fresh interpreter, which takes long to start, found out in a fork of one."""
    here, there = _context.Pipe(duplex=False)
    process = _context.Process(
        target=_run_program, args=(there, program, {**asked, "path": sys.path, "environ": dict(os.environ)})
    )
    process.start()
    there.close()
    imported = here.recv()
    here.close()
    process.join()
    process.close()
    assert isinstance(imported, list), f"the plugin, which works here, fails in a fresh interpreter:\n{imported}"
    return imported


class Harness:
    """Runs suites in this process, on plugins that are installed for one test."""

    def __init__(
        self,
        pytester: pytest.Pytester,
        install_plugin: Callable[..., None],
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self._pytester = pytester
        self._install = install_plugin
        self._site = folder / "site-packages"
        self._monkeypatch = monkeypatch

    def failures(self, plugin: str, suite: str, violation: Violation = GOOD, **values: Any) -> dict[str, str]:
        """Which checks fail -> what they tell.

        Args:
            plugin: the source of a good plugin, which is installed under the name "subject".
            suite: the source of a test module that ends with a subclass of the suite.
            violation: what is wrong; nothing, unless it is given.
            values: what is written in place of `@name@` in the test module.
        """
        self._install(
            "architect-subject",
            {"subject": "architect_subject"},
            {"architect_subject": plugin + textwrap.dedent(violation.plugin)},
        )
        self._install_another()
        for name, value in values.items():
            suite = suite.replace(f"@{name}@", repr(value))
        if violation.check not in {"", IMPORTS}:
            self._monkeypatch.setattr(imports, "_imported", imported_by_a_fresh_process)
        self._pytester.makefile(".ini", pytest="[pytest]\nfilterwarnings = error")
        self._pytester.makepyfile(test_subject=suite + textwrap.indent(textwrap.dedent(violation.suite), "    "))
        # hypothesis's own plugin takes a second to load
        done = self._pytester.inline_run("-q", "-p", "no:hypothesispytest", "-p", "no:cacheprovider")
        passed, skipped, failed = done.listoutcomes()
        assert not skipped
        assert passed
        return {report.nodeid.rpartition("::")[2]: report.longreprtext for report in failed}

    def _install_another(self) -> None:
        """Another plugin, with a requirement that nobody else has."""
        self._install("architect-other", {"other": "architect_other"}, {"architect_other": "", "other_library": ""})
        with (self._site / "architect_other-1.2.3.dist-info" / "METADATA").open("a") as metadata:
            metadata.write("Requires-Dist: Other.Library>=1; python_version>'3'\nRequires-Dist: architect-core\n")
        info = self._site / "other_library-1.2.3.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-library\nVersion: 1.2.3\n")
        (info / "RECORD").write_text("other_library.py,,\n")
