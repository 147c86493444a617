"""`architect ps`: what runs, where it listens, and how it is."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from architect_cli.commands.options import of_run
from architect_cli.control.client import RunEndedError, ask
from architect_cli.control.runs import find_run, find_runs
from architect_cli.main import ClickCommand
from architect_cli.messages import print_error
from architect_core.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from architect_cli.control.runs import Described

_HEADINGS = ("NAME", "STATE", "ADDRESS", "PID", "RESTARTS", "UPTIME")
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


@click.command()
@of_run
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ps(run: str | None, *, as_json: bool) -> None:
    """List the runs on this machine, and the parts of each.

    A part is a service, the server of a database or of a broker, or a process beside a service. It is waiting for what
    it needs, starting, ready, stopping, stopped, completed if it is a script that ended with 0, or failed, with its
    exit code. One that the run is `--without` is absent.
    """
    found, has_problem = [], False
    for each in [find_run(run)] if run is not None else find_runs():
        try:
            found.append((each, ask(each, "ps")[0]["parts"]))
        except RunEndedError:
            continue
        except RunError as problem:
            has_problem = True
            print_error(str(problem))
    if as_json:
        click.echo(json.dumps([asdict(each) | {"parts": parts} for each, parts in found], indent=2))
    else:
        _print(found, is_all=not has_problem)
    if has_problem:
        raise click.exceptions.Exit(1)


def _print(found: Sequence[tuple[Described, list[dict[str, Any]]]], *, is_all: bool) -> None:
    if is_all and not found:
        click.echo("Nothing runs.")
    for number, (each, parts) in enumerate(found):
        click.echo(("\n" if number else "") + _headline(each))
        for line in _table([_HEADINGS, *map(_row, parts)]):
            click.echo(f"  {line}")


def _headline(run: Described) -> str:
    return f"{run.label}, for {_duration(time.time() - run.started)}"


def _row(part: dict[str, Any]) -> tuple[str, ...]:
    state = part["state"]
    if part["exit_code"] and part["pid"] is None:
        state = f"{state} ({part['exit_code']})"
    uptime = "" if part["uptime"] is None else _duration(part["uptime"])
    return (part["name"], state, part["address"] or "", str(part["pid"] or ""), str(part["restarts"]), uptime)


def _table(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (zip(line, widths, strict=True) for line in lines)
    return ["  ".join(cell.ljust(width) for cell, width in line).rstrip() for line in padded]


def _duration(seconds: float) -> str:
    """A duration in its largest unit: "42s", "3m", "5h", "2d"."""
    size, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    return f"{int(seconds // size)}{unit}"


command = ClickCommand(ps)
