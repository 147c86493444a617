"""`architect plugins`: what is installed, and whether it works."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import click

from architect_cli.main import ClickCommand
from architect_cli.reports import plugin_reports
from architect_core.plugins import loading

if TYPE_CHECKING:
    from architect_cli.reports import PluginReport

_HEADER = ("NAME", "DISTRIBUTION", "VERSION", "PROVIDES", "STATE")


@click.command(short_help="List the installed plugins, and whether they work.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array with an object for each plugin.")
def plugins(*, as_json: bool) -> None:
    """List the installed plugins: what each provides, and whether it works.

    Plugins are imported in another process, so a broken one is reported and does no harm.

    ARCHITECT_DISABLED_PLUGINS holds the names of plugins or distributions not to use, separated by commas.
    """
    reports = plugin_reports()
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(report) for report in reports], indent=2))
    else:
        click.echo(_table(reports))
    installed = {loading.normalised(name) for each in reports for name in (each.name, each.distribution)}
    for name in sorted(loading.disabled_names()):
        if loading.normalised(name) not in installed:
            click.echo(f"{loading.DISABLED_VARIABLE} names {name!r}, which is not installed", err=True)


def _table(reports: list[PluginReport]) -> str:
    rows = [_HEADER, *(_row(report) for report in reports)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(report: PluginReport) -> tuple[str, ...]:
    reason = " ".join(report.reason.split())  # in one line
    state = f"{report.state}: {reason}" if reason else report.state
    return report.name, report.distribution, report.version, ", ".join(report.provides) or "-", state


command = ClickCommand(plugins)
