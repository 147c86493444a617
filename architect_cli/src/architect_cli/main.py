"""The command line."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from architect_cli.env import env
from architect_cli.group import ArchitectGroup, told
from architect_cli.install import install as install_stubs
from architect_cli.new_plugin import plugin as plugin_command
from architect_cli.plugins import plugins as plugins_command
from architect_cli.tree import load_tree
from architect_core.exceptions import ArchitectError
from architect_core.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Callable

    from architect_cli.install import Installed
    from architect_cli.tree import Node


@click.group(cls=ArchitectGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="architect-command", prog_name="architect")
def main() -> None:
    """Connect services: generate the stubs they need, and run them together on this machine."""


main.add_command(env)
main.add_command(plugins_command)
main.add_command(plugin_command)


@main.command()
@click.option(
    "-p",
    "--prefix",
    type=click.Path(path_type=Path),
    default=Path(),
    show_default="the working directory",
    help="The folder of the service, which holds its architect.json.",
)
@click.option("-r", "--recursive", is_flag=True, help="Do the same for every service that it depends on by folder.")
@click.option("-v", "--verbose", is_flag=True, help="Tell of each service whose stubs are generated or unchanged.")
def install(prefix: Path, *, recursive: bool, verbose: bool) -> None:
    """Generate the stubs of a service and its dependencies.

    They are written to the folder architect_services beside architect.json. Definitions that did not change are
    skipped, stubs that nothing needs any more are removed, and a failure leaves the former ones as they were.
    """
    nodes = load_tree(prefix)
    chosen = nodes if recursive else nodes[-1:]
    plugins = Plugins()
    results: list[tuple[Node, Installed]] = []
    with _progress(chosen) as progress:
        for node in chosen:
            results.append((node, install_stubs(node, plugins, _tell(node, progress))))
            progress.update(1)
    for node, done in results:
        _report(node, done, verbose=verbose)


def _progress(nodes: list[Node]) -> Any:
    """A progress bar on a terminal, and something quiet elsewhere."""
    if sys.stderr.isatty():
        return click.progressbar(length=len(nodes), label="Generating stubs", file=sys.stderr, item_show_func=_shown)
    return nullcontext(_Quiet())


def _shown(item: object) -> str | None:
    return None if item is None else str(item)


class _Quiet:
    current_item: object = None

    def update(self, steps: int) -> None:
        """Show nothing."""

    def render_progress(self) -> None:
        """Show nothing."""


def _tell(node: Node, progress: Any) -> Callable[[str], None]:
    def tell(name: str) -> None:
        progress.current_item = f"{name} for {node.name}"
        progress.render_progress()

    return tell


def _report(node: Node, done: Installed, *, verbose: bool) -> None:
    if verbose:
        for what, names in (("generated", done.generated), ("unchanged", done.unchanged), ("removed", done.removed)):
            for name in names:
                click.echo(f"{node.name}: {what} {name}")
    for note in done.notes:
        click.echo(f"{node.name}: {note}")
    counts = f"{len(done.generated)} generated, {len(done.unchanged)} unchanged, {len(done.removed)} removed"
    click.echo(f"{node.name}: {counts}")


@main.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A JSON file with overrides of hosts, ports, parameters and datastores.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    default=30.0,
    show_default=True,
    help="How long each service and database may take until it is ready.",
)
def run(path: Path, config: Path | None, timeout: float) -> None:
    """Run the service in PATH with all that it depends on.

    Each service gets a free port on this machine and is told where its dependencies are. Dependencies start first;
    databases are started for the run unless one is named. A service without an api is a script: its exit code ends the
    run. Otherwise it runs until Ctrl-C. Nothing that was started is left behind.

    A service is started with `debug` from its architect.json, else with main.py, app.py or server.py, or for node with
    npm start or index.js. A parameter's value is the one in FILE, else the one in this environment, else its default.

    \b
    FILE holds what is different, each part optional:
      {"services": {"acme/billing": {
        "host": "http://billing.test", "port": 8080,
        "parameters": {"KEY": "value"},
        "datastores": {"primary_db": {
          "host": "db.test", "port": 5432,
          "username": "app", "password": "...", "name": "billing"}}}}}
    A service or datastore with a host is used where it is, and not started.
    """  # noqa: D301 - \b is click's mark for text that keeps its lines
    if sys.platform == "win32":
        raise click.ClickException("architect run needs a POSIX system; on Windows use its Linux subsystem")
    from architect_cli.supervise import supervised

    sys.exit(supervised(lambda temporary: _run(path, config, temporary, timeout)))


def _run(path: Path, config: Path | None, temporary: Path, timeout: float) -> int:
    from architect_cli.run import run_system

    try:
        return run_system(path, config, temporary, timeout)
    except ArchitectError as problem:
        reason = told(problem)
    click.echo(f"architect: {reason}", err=True)
    return 1
