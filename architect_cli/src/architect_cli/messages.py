"""Error messages of the command."""

from __future__ import annotations

import click

from architect_core.exceptions import ArchitectError, PluginError


def print_error(text: str) -> None:
    """Print a message to standard error: "architect: ..."."""
    try:
        click.echo(f"architect: {text}", err=True)
    except OSError:  # it cannot be written, and there is nothing to say it with
        return


def error_text(problem: ArchitectError) -> str:
    """The message of an error, with a plugin's exception if that is the cause and cannot hold secrets."""
    cause = problem.__cause__ if isinstance(problem, PluginError) and not problem.may_hold_secrets else None
    return str(problem) if cause is None or str(problem).endswith(str(cause)) else f"{problem}: {cause}"
