"""Options that several commands have."""

from __future__ import annotations

import click

of_run = click.option(
    "--run",
    "run",
    metavar="ID",
    help="The run, by its id or the name of its service. [default: that of this folder, else the only one]",
)
