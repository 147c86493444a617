"""The `architect` command: a group of the commands that plugins provide, and the base of those that click parses."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from architect_cli.messages import error_text, print_error
from architect_cli.summaries import SUMMARIES
from architect_core.contract import PROTOCOL, Command, did_you_mean, hookimpl
from architect_core.exceptions import ArchitectError, NoPluginError, PluginError
from architect_core.plugins import Plugins, loading
from architect_core.plugins.known import BY_NAME
from architect_core.plugins.loading import facade_problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.metadata import EntryPoint

DISTRIBUTION = "architect-command"
_HELP_OPTIONS = ["-h", "--help"]
# what the original platform's command, and others, call `architect run`
_FORMER = dict.fromkeys(("deploy", "start", "up", "dev", "serve"), "run")


class ClickCommand(Command):
    """A plugin that provides one command, which runs `click_command` and whose options a shell can complete."""

    ARCHITECT_CONTRACT = 2

    def __init__(self, click_command: click.Command) -> None:
        self.click_command = click_command
        self.summary = click_command.get_short_help_str(limit=80)

    @hookimpl
    def architect_command(self) -> Command:
        return self

    def run(self, arguments: Sequence[str]) -> int:
        """Parse the arguments and run the command; returns the exit code, 0 unless the command returns another."""
        command = self.click_command
        code: object = command.main(
            list(arguments), f"architect {command.name}", standalone_mode=False, help_option_names=_HELP_OPTIONS
        )
        return code if isinstance(code, int) else 0


class ArchitectGroup(click.Group):
    """A group in which `architect NAME` is the command of the plugin NAME.

    Only `--help` imports other plugins than the requested one. An ArchitectError ends a command with one message and
    the exit code 1.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; nothing else is done if `architect.sdk` is not architect-core's."""
        problem = facade_problem()
        if problem is not None and not ctx.resilient_parsing:
            print_error(problem)
            ctx.exit(1)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ArchitectError as problem:
            print_error(error_text(problem))
        return ctx.exit(1)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; the error for an unknown one names the nearest, or the one that took its place."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as problem:
            name, message = args[0], problem.message.rstrip(".")
        hint = f" (did you mean {_FORMER[name]!r}?)" if name in _FORMER else did_you_mean(name, self.list_commands(ctx))
        raise click.UsageError(f"{message}{hint}.", ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The built-in commands, sorted; those of other plugins are known only once the plugins are imported."""
        return [entry.name for entry in loading.installed() if _is_built_in(entry)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of the plugin with this name, or None if there is none; raises PluginError if it is broken."""
        plugins = Plugins()
        try:
            command = plugins.find(Command, cmd_name, f"architect {cmd_name}") if PROTOCOL.fullmatch(cmd_name) else None
        except PluginError as problem:
            # a shell that completes the line must not get an error
            if ctx.resilient_parsing or isinstance(problem, NoPluginError):
                return None
            raise
        if command is None:
            return None
        completed = getattr(command, "click_command", None) if ctx.resilient_parsing else None
        return completed if isinstance(completed, click.Command) else _PluginCommand(cmd_name, command, plugins)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - likewise
        """List the built-in commands, then those of other plugins.

        None of architect's own is imported. Others are, in a process of their own, to find out which are commands.
        """
        entries = [entry for entry in loading.installed() if _may_be_a_command(entry)]
        times = Counter(entry.name for entry in entries)
        known = [entry for entry in entries if times[entry.name] == 1 and _summary(entry)]
        sections: dict[bool, list[tuple[str, str]]] = {True: [], False: []}  # whether they are built in
        for entry in known:
            sections[_is_built_in(entry)].append((entry.name, _summary(entry)))
        if len(known) < len(entries):
            from architect_cli.reports import plugin_reports

            for each in plugin_reports(lambda entry: entry in entries and entry not in known):
                is_built_in = loading.normalised(each.distribution) == DISTRIBUTION
                if is_built_in or "command" in each.provides:
                    text = each.summary or each.reason or f"Of {each.distribution} {each.version}."
                    sections[is_built_in].append((each.name, text))
        for is_built_in, title in ((True, "Commands"), (False, "Commands of plugins")):
            if sections[is_built_in]:
                with formatter.section(title):
                    formatter.write_dl(sorted(sections[is_built_in]))


@click.group(cls=ArchitectGroup, context_settings={"help_option_names": _HELP_OPTIONS})
@click.version_option(package_name=DISTRIBUTION, prog_name="architect")
def main() -> None:
    """Connect services: generate the stubs they need, and run them together on this machine."""


def _is_built_in(entry: EntryPoint) -> bool:
    return loading.normalised(loading.named(entry)[0]) == DISTRIBUTION


def _may_be_a_command(entry: EntryPoint) -> bool:
    """Whether it may have a command: it is no built-in protocol, engine or source, and not disabled."""
    found = BY_NAME.get(entry.name)
    return not loading.is_disabled(entry) and (found is None or found.kind in {"command", "events"})


def _summary(entry: EntryPoint) -> str:
    """What a command of architect's own packages does; empty for another distribution's, which may have its name."""
    found = BY_NAME.get(entry.name)
    is_ours = found is not None and loading.normalised(loading.named(entry)[0]) == found.distribution
    return SUMMARIES.get(entry.name, "") if is_ours else ""


class _PluginCommand(click.Command):
    """Runs a plugin's command; click parses none of its arguments, `--help` included."""

    def __init__(self, name: str, command: Command, plugins: Plugins) -> None:
        super().__init__(name, add_help_option=False)
        self._command = command
        self._plugins = plugins

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments as they are, "--" included."""
        ctx.args = args
        return args

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and exit with the code that it returns."""
        name, asked_by = str(self.name), f"architect {self.name}"
        try:
            with self._plugins.blamed(name, asked_by):
                code: object = self._command.run(ctx.args)
        except PluginError as problem:
            cause = problem.__cause__
            if isinstance(cause, click.ClickException | click.Abort | SystemExit):  # how click and argparse end
                raise cause from None
            raise
        if not isinstance(code, int):
            raise PluginError(f"{asked_by}: {self._plugins.owner(name)} returned no exit code, which is a number")
        raise SystemExit(code)
