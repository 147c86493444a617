"""`architect env`: what the environment resolves to, and the source of each entry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from architect_cli.dialects.architect import export_variables
from architect_cli.dialects.export import export
from architect_cli.folders import write_new
from architect_cli.main import ClickCommand
from architect_cli.messages import error_text, print_error
from architect_cli.resolved import masked, resolve, resolve_one, shown
from architect_core.contract import Source
from architect_core.exceptions import PluginError, UnknownNameError
from architect_core.plugins import Plugins
from architect_core.resolver import Resolver

if TYPE_CHECKING:
    from collections.abc import Sequence

    from architect_cli.resolved import Resolved
    from architect_core.contract import Exporter

_ARCHITECT = "ARCHITECT"
# a platform of another name than the source that reads its variables
_SOURCES = {"compose": "urls"}


class Platform(click.Choice):  # type: ignore[type-arg]  # click 8.1 has no generic Choice
    """The platforms that are documented, or any whose source is installed."""

    def __init__(self) -> None:
        super().__init__((_ARCHITECT, "aspire", "compose", "bindings"), case_sensitive=False)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name of the platform."""
        return value if value in Plugins().names() else super().convert(value, param, ctx)


@click.command(short_help="Show what is resolved here, and from where.")
@click.argument("service", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--export",
    "dialect",
    type=Platform(),
    help="Write it for a platform: as variables, as a Compose file's environment, or as service bindings.",
)
@click.option("--folder", type=click.Path(path_type=Path), help="The folder that `--export bindings` makes.")
@click.option("--show-secrets", is_flag=True, help="Include secrets in the output of --json and --export.")
def env(service: str | None, dialect: str | None, folder: Path | None, *, as_json: bool, show_secrets: bool) -> None:
    """Show what services and datastores resolve to in this environment, the source of each, and what that overrides.

    SERVICE, or the name of a datastore, shows that one alone. Secrets are masked.

    The output of ARCHITECT and of bindings is for a shell. That of aspire is for Compose's env_file: it has quotes,
    which `docker run --env-file` does not remove, and names with "-", which no shell can set.

    Malformed sources and entries are reported on standard error, and the exit code is 1; the rest is still shown.
    """
    if show_secrets and not (as_json or dialect):
        raise click.UsageError("--show-secrets goes with --json or --export")
    plugins = Plugins()
    exporter = _exporter(dialect, plugins) if dialect and dialect != _ARCHITECT else None
    if (folder is not None) != (exporter is not None and exporter.needs_folder):
        platform = "bindings" if folder is not None or dialect is None else dialect
        raise click.UsageError(f"--folder goes with --export {platform}, which needs it")
    if as_json and dialect:
        raise click.UsageError("--json and --export exclude each other")
    resolver = Resolver(plugins=plugins)
    found, problems = resolve(resolver) if service is None else (resolve_one(resolver, service), [])
    if service is not None and not found:
        raise UnknownEntryError(service, _names(resolver))
    current = resolver.current_name
    notes: list[str] = []
    if dialect and exporter is not None:
        with plugins.blamed(_SOURCES.get(dialect, dialect), f"architect env --export {dialect}", secrets=True):
            made = export(found, dialect, exporter, resolver, plugins)
            exported = exporter.export(made.forms, folder, secrets=show_secrets)
        if folder is not None:
            write_new(folder, exported.files, mode=0o600)
        text, notes = exported.text, [*made.notes, *exported.notes]
        problems += made.problems
    elif dialect:
        text, notes = export_variables(found, current, secrets=show_secrets)
    elif as_json:
        text = json.dumps(_as_json(found, current, show_secrets=show_secrets), indent=2)
    else:
        text = _as_text(found, current, is_all=service is None)
    click.echo(text)
    for message in (*notes, *map(error_text, problems)):
        print_error(message)
    if problems:
        raise click.exceptions.Exit(1)


def _exporter(platform: str, plugins: Plugins) -> Exporter:
    name, asked_by = _SOURCES.get(platform, platform), f"architect env --export {platform}"
    source = plugins.get(Source, name, asked_by)
    with plugins.blamed(name, asked_by):
        exporter = source.exporter()
    if exporter is None:
        raise PluginError(f"{asked_by}: {plugins.owner(name)} exports nothing")
    return exporter


class UnknownEntryError(UnknownNameError):
    """No source has the name in `architect env NAME`."""

    kind = "service or datastore"
    remedy = "`architect env` lists them."


def _names(resolver: Resolver) -> set[str]:
    names, owner = resolver.catalog.names, resolver.current_name
    return {*names("services", owner), *names("datastores", owner)}


def _as_json(found: Sequence[Resolved], current: str | None, *, show_secrets: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"current_service": current, "services": {}, "datastores": {}}
    for each in found:
        used, *overridden = each.found
        answer[each.kind][each.name] = {
            "entry": each.entry if show_secrets else masked(each.entry),
            "source": used.source,
            "where": used.where,
            "overrides": [{"source": other.source, "where": other.where} for other in overridden],
        }
    return answer


def _as_text(found: Sequence[Resolved], current: str | None, *, is_all: bool) -> str:
    lines = [f"running service: {current or 'not known (ARCHITECT_CURRENT_SERVICE is not set)'}"]
    for kind in ("services", "datastores"):
        of_kind = [each for each in found if each.kind == kind]
        if of_kind or is_all:
            lines += ["", f"{kind}:" + ("" if of_kind else " none")]
        for each in of_kind:
            used, *overridden = each.found
            lines += [f"  {each.name}  {shown(each.entry)}", f"    from {used.source}: {used.where}"]
            lines += [f"    overrides {other.source}: {other.where}" for other in overridden]
    return "\n".join(map(_escaped, lines))


def _escaped(line: str) -> str:
    """A line whose control characters are escaped."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in line)


command = ClickCommand(env)
