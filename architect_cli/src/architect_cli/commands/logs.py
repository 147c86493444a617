"""`architect logs`: what the services of a run have printed."""

from __future__ import annotations

import signal
import sys

import click

from architect_cli.commands.options import of_run
from architect_cli.control.client import Connection, RunEndedError
from architect_cli.control.runs import find_run
from architect_cli.main import ClickCommand
from architect_cli.output.prefixes import prefixes, wants_colour


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@of_run
@click.option("-f", "--follow", is_flag=True, help="Go on with what is printed from now on, until the run ends.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    metavar="NUMBER",
    help="How many of the last lines. [default: all kept]",
)
def logs(names: tuple[str, ...], run: str | None, lines: int | None, *, follow: bool) -> int:
    """Print what the services of a run have printed.

    With a NAME, only that service, or the server of a database, such as orders/primary_db.

    The last million characters of each are kept. Secrets are masked.
    """
    connection = Connection(find_run(run), "logs", names=list(names), lines=lines, follow=follow)
    shown: dict[str, str] = {}
    try:
        for answer in connection.answers():
            if "names" in answer:
                shown = prefixes(answer["names"], has_colours=wants_colour(sys.stdout))
            for name, line in answer.get("lines", ()):
                click.echo(f"{shown.get(name, '')}{line}", color=True)
    except RunEndedError:
        if not follow:
            raise
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        connection.close()
    return 0


command = ClickCommand(logs)
