"""Loads installed plugins in another process, so that one that crashes or hangs does no harm."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from architect_cli import inventory
from architect_core.plugins import loading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.metadata import EntryPoint


def plugin_reports(
    wanted: Callable[[EntryPoint], bool] = lambda _: True, timeout: float = 30.0
) -> list[inventory.PluginReport]:
    """A report on every installed plugin that is `wanted`, sorted by name.

    A plugin that ends its process, or blocks it for `timeout` seconds, is reported as broken; a new process loads the
    plugins after it.
    """
    entries = loading.installed()
    pending = [index for index, entry in enumerate(entries) if wanted(entry)]
    reports: list[inventory.PluginReport] = []
    while pending:
        found, failure = _load(pending, timeout)
        reports += found
        pending = pending[len(found) :]
        if pending:
            outline = inventory.outline(entries[pending.pop(0)])
            reports.append(dataclasses.replace(outline, state="broken", reason=failure))
    return reports


def _load(indexes: list[int], timeout: float) -> tuple[list[inventory.PluginReport], str]:
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


def _read(output: bytes) -> Iterator[inventory.PluginReport]:
    for line in output.splitlines():
        try:
            fields: dict[str, Any] = json.loads(line)
        except ValueError:  # printed by a plugin
            continue
        yield inventory.PluginReport(**fields | {"provides": tuple(fields["provides"])})


def _report(indexes: list[int]) -> None:
    """Print a line of JSON for each plugin, and nothing else on standard output."""
    entries = loading.installed()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as output:
        os.dup2(2, 1)  # what plugins print
        for index in indexes:
            output.write(json.dumps(dataclasses.asdict(inventory.inspect(entries[index]))) + "\n")
            output.flush()
    os._exit(0)  # without waiting for threads of plugins


if __name__ == "__main__":
    _report([int(index) for index in sys.argv[1:]])
