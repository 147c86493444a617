"""Runs the checks of a suite on a plugin that breaks one rule, and returns which of them fail."""

from __future__ import annotations

import inspect
import json
import sys
import textwrap
import traceback
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from architect_core.plugins import loading
from architect_testing.conformance import suite as suite_module
from architect_testing.conformance.suite import Suite

HEAD = """
from architect_core.contract import hookimpl

ARCHITECT_CONTRACT = 2
"""
FOUND = "test_the_plugin_is_found_and_its_hooks_work"
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
        plugin: source that is appended to the good plugin's.
        suite: attributes of the suite's subclass.
    """

    check: str
    plugin: str = ""
    suite: Mapping[str, Any] = field(default_factory=dict)


def each_violation(violations: Mapping[str, Violation]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Calls a test with each `violation`, with its own check `alone`; if tests are exhaustive, with all checks."""
    alone = [True, pytest.param(False, marks=pytest.mark.exhaustive)]

    def mark(test: Callable[..., None]) -> Callable[..., None]:
        with_both = pytest.mark.parametrize("alone", alone, ids=["its check", "all checks"])(test)
        return pytest.mark.parametrize("violation", violations.values(), ids=violations)(with_both)

    return mark


def checks_of(suite: type[Suite]) -> list[str]:
    """The checks that a suite has, in the order in which pytest runs them."""
    names = dict.fromkeys(name for base in reversed(suite.__mro__) for name in vars(base) if name.startswith("test_"))
    return [name for name in names if getattr(suite, name) is not None]


def run_here(plugin: str, program: str, asked: Mapping[str, object]) -> dict[str, str]:
    """Run what `foreign_imports` runs in a fresh interpreter, and find nothing."""
    exec(program, {"asked": json.loads(json.dumps(asked))})
    return {}


class Harness:
    """Installs a plugin for one test, by default under the name "subject", and runs a suite on it."""

    collected: type[Suite]
    """The class that pytest collects in `failures_in_pytest`."""

    def __init__(
        self,
        install_plugin: Callable[..., None],
        site: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        self._install = install_plugin
        self._site = site
        self._monkeypatch = monkeypatch
        self._caplog = caplog

    def failures(
        self,
        plugin: str,
        suite: type[Suite],
        violation: Violation,
        *,
        alone: bool,
        names: Sequence[str] = ("subject",),
        **attributes: object,
    ) -> dict[str, str]:
        """Which checks of `suite` fail for the plugin with the violation, with their tracebacks.

        With `alone`, only the check is run that the violation is for. `names` are those of the plugin.
        """
        self._install_both(plugin + textwrap.dedent(violation.plugin), names)
        # looking for entry points reads the metadata of all distributions
        self._monkeypatch.setattr(loading, "entry_points", cache(loading.entry_points))
        if violation.check != IMPORTS:  # which alone needs a fresh interpreter
            self._monkeypatch.setattr(suite_module, "foreign_imports", run_here)
        subject = type("Subject", (suite,), {**attributes, **violation.suite})
        checks = [violation.check] if alone else checks_of(subject)
        failed: dict[str, str] = {}
        for _ in range(2):  # a machine that stalls for a second may mislead a check of seconds, but hardly twice
            failed = {name: text for name in checks if (text := self._failure(subject(), name))}
            if failed.keys() == {violation.check}:
                break
        return failed

    def failures_in_pytest(
        self,
        pytester: pytest.Pytester,
        plugin: str,
        suite: type[Suite],
        names: Sequence[str] = ("subject",),
        **attributes: object,
    ) -> dict[str, str]:
        """The same for the good plugin, with pytest itself."""
        self._install_both(plugin, names)
        Harness.collected = type("TestSubject", (suite,), attributes)
        pytester.makefile(".ini", pytest="[pytest]\nfilterwarnings = error")
        pytester.makepyfile(test_subject="from conformance_harness import Harness\nTestSubject = Harness.collected")
        # hypothesis's own plugin takes a second to load
        done = pytester.inline_run("-q", "-p", "no:hypothesispytest", "-p", "no:cacheprovider")
        passed, skipped, failed = done.listoutcomes()
        assert not skipped
        assert len(passed) + len(failed) == len(checks_of(Harness.collected))
        return {report.nodeid.rpartition("::")[2]: report.longreprtext for report in failed}

    def _failure(self, subject: Suite, check: str) -> str:
        """The traceback of a check that fails."""
        self._caplog.clear()
        with ExitStack() as ends:
            try:
                getattr(subject, "setup_method", lambda: None)()
                call(getattr(subject, check), subject, {"caplog": self._caplog}, ends)
            except Exception:
                return traceback.format_exc()
        return ""

    def _install_both(self, plugin: str, names: Sequence[str]) -> None:
        """Install the plugin, and another with a requirement that no other distribution has."""
        entries = dict.fromkeys(names, "architect_subject")
        self._install("architect-subject", entries, {"architect_subject": plugin})
        self._install("architect-other", {"other": "architect_other"}, {"architect_other": "", "other_library": ""})
        with (self._site / "architect_other-1.2.3.dist-info" / "METADATA").open("a") as metadata:
            metadata.write("Requires-Dist: Other.Library>=1; python_version>'3'\nRequires-Dist: architect-core\n")
        info = self._site / "other_library-1.2.3.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-library\nVersion: 1.2.3\n")
        (info / "RECORD").write_text("other_library.py,,\n")
        for name in ("architect_subject", "architect_other", "other_library"):
            self._monkeypatch.delitem(sys.modules, name, raising=False)


def call(function: Callable[..., Any], subject: Suite, values: dict[str, Any], ends: ExitStack) -> Any:
    """Call a check or a fixture of `subject` with the fixtures that it asks for, which end with `ends`."""
    for name in inspect.signature(function).parameters:
        if name not in values:
            fixture = inspect.unwrap(getattr(type(subject), name)).__get__(subject)
            made = call(fixture, subject, values, ends)
            if isinstance(made, Generator):
                ends.callback(finish, made)
                made = next(made)
            values[name] = made
    return function(**{name: values[name] for name in inspect.signature(function).parameters})


def finish(fixture: Generator[Any]) -> None:
    """Run what stands behind the `yield` of a fixture."""
    with suppress(StopIteration):
        next(fixture)
