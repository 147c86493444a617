"""`architect stop`: stops a run, or one part of it."""

from __future__ import annotations

import contextlib

import click

from architect_cli.commands.options import of_run
from architect_cli.control.client import RunEndedError, ask, wait_for_end
from architect_cli.control.runs import find_run
from architect_cli.main import ClickCommand


@click.command()
@click.argument("name", required=False)
@of_run
def stop(name: str | None, run: str | None) -> None:
    """Stop a run, or one service or other part of it.

    The command returns once nothing of the run is left; the run's exit code is 0. Without a name, the run is that of
    this folder, or the one that --run names. `architect restart` starts a part that was stopped.
    """
    chosen = find_run(run, from_anywhere=name is not None)
    if name is not None:
        part = ask(chosen, "stop", name=name)[0]["part"]
        click.echo(f"{part['name']} is stopped")
        return
    with contextlib.suppress(RunEndedError):  # it may end before it has answered
        ask(chosen, "stop", name=None)
    wait_for_end(chosen)
    click.echo(f"{chosen.label} is stopped")


command = ClickCommand(stop)
