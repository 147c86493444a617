"""Commands whose arguments click parses."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from architect_core.contract import Command

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

HELP_OPTIONS = ["-h", "--help"]


class ClickCommand(Command):
    """A command that runs a click command, and whose options a shell can complete.

    Attributes:
        click_command: the click command, whose name is the entry point's.
    """

    click_command: ClassVar[click.Command]

    def run(self, arguments: Sequence[str]) -> int:
        """Parse the arguments and run the command; returns the exit code, 0 unless the command returns another."""
        command = self.click_command
        code: object = command.main(
            list(arguments), f"architect {command.name}", standalone_mode=False, help_option_names=HELP_OPTIONS
        )
        return code if isinstance(code, int) else 0
