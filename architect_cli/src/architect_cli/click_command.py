"""Commands whose arguments click parses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from architect_core.contract import Command, hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

HELP_OPTIONS = ["-h", "--help"]


class ClickCommand(Command):
    """A plugin that provides one command, which runs `click_command` and whose options a shell can complete."""

    ARCHITECT_CONTRACT = 1

    def __init__(self, click_command: click.Command) -> None:
        self.click_command = click_command
        self.summary = click_command.get_short_help_str(limit=80)

    @hookimpl
    def architect_command(self) -> Command:
        """The plugin's hook."""
        return self

    def run(self, arguments: Sequence[str]) -> int:
        """Parse the arguments and run the command; returns the exit code, 0 unless the command returns another."""
        command = self.click_command
        code: object = command.main(
            list(arguments), f"architect {command.name}", standalone_mode=False, help_option_names=HELP_OPTIONS
        )
        return code if isinstance(code, int) else 0
