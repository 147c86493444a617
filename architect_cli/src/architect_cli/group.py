"""The `architect` command as a group: its own commands, those of plugins, and errors that are told in a sentence."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from architect_core.contract import PROTOCOL, Command
from architect_core.exceptions import ArchitectError, NoPluginError, PluginError
from architect_core.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Sequence


class ArchitectGroup(click.Group):
    """A group whose commands end with exit code 1 and a message on an error of ours.

    `architect NAME` is the command of the plugin NAME, unless architect has one of that name. Only `--help` loads other
    plugins than the one that is asked for.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ArchitectError as problem:
            reason = told(problem)
        click.echo(f"architect: {reason}", err=True)
        return ctx.exit(1)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One of its own, else that of the plugin with this name; None where there is neither."""
        own = super().get_command(ctx, cmd_name)
        if own is not None or not PROTOCOL.fullmatch(cmd_name):
            return own
        try:
            command = Plugins().find(Command, cmd_name, f"architect {cmd_name}")
        except NoPluginError:
            return None
        return None if command is None else _as_click(cmd_name, command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write both kinds into the help."""
        from architect_cli.reports import plugin_reports

        super().format_commands(ctx, formatter)
        rows = [
            (report.name, report.summary or f"Of {report.distribution} {report.version}.")
            for report in plugin_reports()
            if "command" in report.provides and report.name not in self.commands
        ]
        if rows:
            with formatter.section("Commands of plugins"):
                formatter.write_dl(rows)


class _AsTyped(click.Command):
    """A command whose arguments click does not read."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take all of them, "--" too."""
        ctx.params["arguments"] = tuple(args)
        return []


def _as_click(name: str, command: Command) -> click.Command:
    """A command that leaves its arguments, `--help` among them, to the plugin."""

    def run(arguments: Sequence[str]) -> None:
        plugins, asked_by = Plugins(), f"architect {name}"
        with plugins.blamed(name, asked_by):
            code: object = command.run(list(arguments))
        if not isinstance(code, int):
            raise PluginError(f"{asked_by}: {plugins.owner(name)} gave no exit code, which is a number")
        sys.exit(code)

    return _AsTyped(
        name,
        callback=run,
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "help_option_names": []},
    )


def told(problem: ArchitectError) -> str:
    """What a person reads of an error, with what a plugin raised where that is its cause and holds no configuration."""
    cause = problem.__cause__ if isinstance(problem, PluginError) and not problem.may_hold_secrets else None
    return str(problem) if cause is None or str(problem).endswith(str(cause)) else f"{problem}: {cause}"
