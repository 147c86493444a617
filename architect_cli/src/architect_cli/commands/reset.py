"""`architect reset`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from architect_cli.main import ClickCommand


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path())
def reset(path: Path) -> None:
    """Remove what runs of PATH have kept: databases, ports, passwords.

    PATH is the first folder of `architect run`, by default the working directory. Its `.architect` folder is removed; a
    run that uses it has to be stopped first.
    """
    if sys.platform == "win32":
        raise click.ClickException("architect run keeps nothing on Windows")
    from architect_cli.parts.kept import remove_kept

    removed = remove_kept(path)
    for folder in removed:
        click.echo(f"removed {folder}")
    if not removed:
        click.echo(f"nothing is kept for {path.resolve()}")


command = ClickCommand(reset)
