"""`architect plugins`: what is installed, and whether it works."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import click

from architect_cli.reports import plugin_reports
from architect_core.plugins import loading

if TYPE_CHECKING:
    from architect_core.plugins.inventory import PluginReport

_HEADER = ("NAME", "DISTRIBUTION", "VERSION", "PROVIDES", "STATE")


@click.command(short_help="List the installed plugins, and whether they work.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array with an object for each plugin.")
def plugins(*, as_json: bool) -> None:
    """List the installed plugins: what each provides, and whether it works.

    They are imported and asked in another process, so that a broken one is told and harms nothing.

    ARCHITECT_DISABLED_PLUGINS holds names of plugins or of distributions that are not to be used, separated by commas.
    """
    reports = plugin_reports()
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(report) for report in reports], indent=2))
    elif reports:
        click.echo(_table(reports))
    else:
        click.echo("no plugin is installed. pip install architect-rest, or another")
    known = {loading.normalised(name) for each in reports for name in (each.name, each.distribution)}
    for name in sorted(name for name in loading.disabled_names() if loading.normalised(name) not in known):
        click.echo(f"{loading.DISABLED_VARIABLE} names {name!r}, which nothing installed is called", err=True)


def _table(reports: list[PluginReport]) -> str:
    rows = [_HEADER, *(_row(report) for report in reports)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    )


def _row(report: PluginReport) -> tuple[str, ...]:
    reason = " ".join(report.reason.split())  # in one line
    state = f"{report.state}: {reason}" if reason else report.state
    return report.name, report.distribution, report.version, ", ".join(report.provides) or "-", state
