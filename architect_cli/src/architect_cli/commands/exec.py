"""`architect exec`: runs a command as a service of a run would."""

from __future__ import annotations

import os
import shlex

import click

from architect_cli.commands.options import of_run
from architect_cli.control.client import ask
from architect_cli.control.runs import find_run
from architect_cli.main import ClickCommand
from architect_cli.messages import print_error

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126  # the exit codes of POSIX shells
_OF_TERMINAL = ("TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "SSH_TTY")


@click.command(name="exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@of_run
@click.argument("name")
@click.argument("arguments", metavar="-- COMMAND [ARGUMENT]...", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(name: str, arguments: tuple[str, ...], run: str | None) -> int:
    """Run a command with the environment of a service.

    Such as a shell, a test, or the service itself in a debugger. It runs in the folder of the service, in this
    terminal, and its exit code is that of architect: 127 if there is no such command, 126 if it cannot be started. The
    environment has the addresses and the passwords of what the
    service uses.

    \b
    architect exec orders -- python -m pytest
    architect exec orders -- sh -c 'echo $PORT'
    """  # noqa: D301 - \b is click's mark for text that keeps its lines
    (found,) = ask(find_run(run), "environment", name=name)
    environment: dict[str, str] = found["environment"] | {"PWD": found["folder"]}
    for variable in _OF_TERMINAL:
        environment.pop(variable, None)
        if variable in os.environ:
            environment[variable] = os.environ[variable]
    command = arguments[1:] if arguments[0] == "--" else arguments
    if not command:
        raise click.UsageError("a command is missing")
    try:
        os.chdir(found["folder"])
        os.execvpe(command[0], command, environment)  # noqa: S606 - what the user asked for
    except (OSError, ValueError) as problem:  # a ValueError is about an empty name
        reason = getattr(problem, "strerror", None) or problem
        print_error(f"{found['name']}: {shlex.quote(command[0])} cannot be started: {reason}")
        return _NOT_FOUND if isinstance(problem, FileNotFoundError) else _NOT_EXECUTABLE


command = ClickCommand(execute)
