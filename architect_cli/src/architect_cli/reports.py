"""Reports on installed plugins, which are loaded in another process, so that one that crashes or hangs does no harm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from architect_core.contract import Command, hooks
from architect_core.plugins import loading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.metadata import EntryPoint


@dataclass(frozen=True)
class PluginReport:
    """What was found out about one plugin.

    Attributes:
        name: the name of its entry point, which is the protocol, engine, source or command that it serves.
        distribution: the distribution that it belongs to.
        version: that distribution's version.
        provides: what its hooks return, such as "client factory".
        state: "ok", "disabled", "duplicate" or "broken".
        reason: why the state is not "ok"; empty if it is.
        summary: what its command does, if it provides one.
    """

    name: str
    distribution: str
    version: str
    provides: tuple[str, ...] = ()
    state: str = "ok"
    reason: str = ""
    summary: str = ""


def outline(entry: EntryPoint) -> PluginReport:
    """Reports on a plugin without importing it: only whether it is disabled or a duplicate."""
    distribution, version = loading.named(entry)
    report = PluginReport(entry.name, distribution or "unknown", version)
    if loading.is_disabled(entry):
        return replace(report, state="disabled", reason=f"by {loading.DISABLED_VARIABLE}")
    rivals = [each for each in loading.installed(entry.name) if each != entry and not loading.is_disabled(each)]
    if rivals:
        others = ", ".join(loading.distribution(each) for each in rivals)
        return replace(report, state="duplicate", reason=f"{entry.name!r} is also served by {others}")
    return report


def inspect(entry: EntryPoint) -> PluginReport:
    """Imports a plugin, calls all its hooks, and reports on it; whatever it raises is part of the report."""
    report = outline(entry)
    if report.state != "ok":
        return report
    provided, problems, summary = [], [], ""
    try:
        manager = loading.load(entry)
    except loading.BrokenError as problem:
        return replace(report, state="broken", reason=str(problem))
    for kind in hooks.kinds():
        try:
            value = loading.call(manager, kind)
        except loading.BrokenError as problem:
            problems.append(str(problem))
            continue
        if value is not None:
            provided.append(kind.hook.removeprefix("architect_").replace("_", " "))
            summary = str(getattr(value, "summary", "")) if isinstance(value, Command) else summary
    if not provided and not problems:
        problems.append("has none of the hooks of the contract")
    state = "broken" if problems else "ok"
    return replace(report, provides=tuple(provided), state=state, reason="; ".join(problems), summary=summary)


def plugin_reports(wanted: Callable[[EntryPoint], bool] = lambda _: True, timeout: float = 30.0) -> list[PluginReport]:
    """A report on every installed plugin that is `wanted`, sorted by name.

    A plugin that ends its process, or blocks it for `timeout` seconds, is reported as broken; a new process loads the
    plugins after it.
    """
    entries = loading.installed()
    pending = [index for index, entry in enumerate(entries) if wanted(entry)]
    reports: list[PluginReport] = []
    while pending:
        found, failure = _load(pending, timeout)
        reports += found
        pending = pending[len(found) :]
        if pending:
            reports.append(replace(outline(entries[pending.pop(0)]), state="broken", reason=failure))
    return reports


def _load(indexes: list[int], timeout: float) -> tuple[list[PluginReport], str]:
    """Reports on these plugins, up to the one that ended the process, and how it ended."""
    # -P: the working directory must not be imported from, as it is not by the `architect` command
    command = [sys.executable, "-P", "-m", "architect_cli.reports", *map(str, indexes)]
    with tempfile.TemporaryFile() as errors:
        try:
            done = subprocess.run(  # noqa: S603 - this interpreter and a module of ours
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, timeout=timeout, check=False
            )
            output, failure = done.stdout, f"ends the process that imports it (exit code {done.returncode})"
        except subprocess.TimeoutExpired as problem:
            output, failure = problem.stdout or b"", f"was not loaded within {timeout:g} seconds"
        errors.seek(0)
        last = errors.read().decode(errors="replace").strip().rpartition("\n")[2]
    return list(_read(output)), f"{failure}: {last}" if last else failure


def _read(output: bytes) -> Iterator[PluginReport]:
    for line in output.splitlines():
        try:
            fields: dict[str, Any] = json.loads(line)
        except ValueError:  # printed by a plugin
            continue
        yield PluginReport(**fields | {"provides": tuple(fields["provides"])})


def _report(indexes: list[int]) -> None:
    """Print a line of JSON for each plugin, and nothing else on standard output."""
    entries = loading.installed()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as output:
        os.dup2(2, 1)  # what plugins print
        for index in indexes:
            output.write(json.dumps(asdict(inspect(entries[index]))) + "\n")
            output.flush()
    os._exit(0)  # without waiting for threads of plugins


if __name__ == "__main__":
    _report([int(index) for index in sys.argv[1:]])
