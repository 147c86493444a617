"""Loads every installed plugin, each where it can harm nobody: in a process that reports and may die of it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from architect_core.plugins import inventory, loading

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE = 30.0


def plugin_reports(patience: float = _PATIENCE) -> list[inventory.PluginReport]:
    """A report on every installed plugin, sorted by name.

    A plugin that ends or blocks the process that loads it is reported as broken; loading goes on in a new one.

    Args:
        patience: seconds that loading may take before the plugin at hand is given up.
    """
    entries = loading.installed()
    reports: list[inventory.PluginReport] = []
    while len(reports) < len(entries):
        found, failure = _load_from(len(reports), patience)
        reports += found
        if len(reports) < len(entries):
            outline = inventory.outline(entries[len(reports)])
            reports.append(dataclasses.replace(outline, state="broken", reason=failure))
    return reports


def _load_from(first: int, patience: float) -> tuple[list[inventory.PluginReport], str]:
    """Reports on the plugins from place `first` up to the one that ended the process, and what became of that."""
    # -P: the working directory must not be imported from, as it is not by the `architect` command
    command = [sys.executable, "-P", "-m", "architect_cli.reports", str(first)]
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(  # noqa: S603 - this interpreter and a module of ours
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        ) as process:
            try:
                output, _ = process.communicate(timeout=patience)
                failure = f"ends the process that imports it (exit code {process.returncode})"
            except subprocess.TimeoutExpired:
                process.kill()
                output, _ = process.communicate()
                failure = f"was not loaded within {patience:g} seconds"
        errors.seek(0)
        last = errors.read().decode(errors="replace").strip().rpartition("\n")[2]
    return list(_read(output)), f"{failure}: {last}" if last else failure


def _read(output: bytes) -> Iterator[inventory.PluginReport]:
    for line in output.splitlines():
        try:
            fields: dict[str, Any] = json.loads(line)
        except ValueError:  # what a plugin wrote there, and not a report
            continue
        yield inventory.PluginReport(**fields | {"provides": tuple(fields["provides"])})


def _report(first: int) -> None:
    """In the process that may die: one line of JSON for each plugin, and nothing else on the standard output."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as output:
        os.dup2(2, 1)  # what plugins print
        for entry in loading.installed()[first:]:
            output.write(json.dumps(dataclasses.asdict(inventory.inspect(entry))) + "\n")
            output.flush()
    os._exit(0)  # threads that a plugin started do not hold it


if __name__ == "__main__":
    _report(int(sys.argv[1]))
