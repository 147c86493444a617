"""`architect restart`: stops one part of a run and starts it again."""

from __future__ import annotations

import click

from architect_cli.commands.options import of_run
from architect_cli.control.client import ask
from architect_cli.control.runs import find_run
from architect_cli.main import ClickCommand


@click.command()
@click.argument("name")
@of_run
def restart(name: str, run: str | None) -> None:
    """Restart a service of a run, or another part of it.

    The command returns once the service is ready. The exit code is 1 if it fails; the run then goes on trying.

    One that was stopped, or that the run is `--without`, is started.
    """
    part = ask(find_run(run), "restart", name=name)[0]["part"]
    address = f" at {part['address']}" if part["address"] else ""
    click.echo(f"{part['name']} is {part['state']}{address}")


command = ClickCommand(restart)
