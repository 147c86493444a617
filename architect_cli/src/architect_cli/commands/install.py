"""`architect install`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import click

from architect_cli.install import Installed, install_stubs
from architect_cli.main import ClickCommand
from architect_cli.planning.tree import Node, load_tree
from architect_cli.planning.unknown import report_unknown
from architect_core.plugins import Plugins


@click.command()
@click.option(
    "-p",
    "--prefix",
    type=click.Path(path_type=Path),
    default=Path(),
    show_default="the working directory",
    help="The folder of the service, which holds its architect.json.",
)
@click.option("-r", "--recursive", is_flag=True, help="Also generate the stubs of every dependency in another folder.")
@click.option("-v", "--verbose", is_flag=True, help="List the stubs that are generated, unchanged or removed.")
@click.option("--strict", is_flag=True, help="Refuse unknown keys in manifests.")
def install(prefix: Path, *, recursive: bool, verbose: bool, strict: bool) -> None:
    """Generate the stubs of a service and its dependencies.

    They are written to the folder architect_services beside architect.json. Stubs of unchanged definitions are not
    regenerated, stubs that are no longer needed are removed, and a failure leaves the previous stubs in place.
    """
    nodes = load_tree(prefix)
    report_unknown(nodes, strict=strict)
    chosen = nodes if recursive else nodes[-1:]
    plugins = Plugins()
    results: list[tuple[Node, Installed]] = []
    bar_file = sys.stderr if sys.stderr.isatty() else io.StringIO()  # off a terminal, click would print the label
    with click.progressbar(
        length=len(chosen),
        label="Generating stubs",
        file=bar_file,
        item_show_func=lambda item: item,
        update_min_steps=0,
    ) as bar:
        for node in chosen:

            def progress(name: str, node: Node = node) -> None:
                bar.update(0, f"{name} for {node.name}")

            results.append((node, install_stubs(node, plugins, progress)))
            bar.update(1)
    for node, done in results:
        _report(node, done, verbose=verbose)


def _report(node: Node, done: Installed, *, verbose: bool) -> None:
    lists = {"generated": done.generated, "unchanged": done.unchanged, "removed": done.removed}
    lines = [f"{what} {name}" for what, names in lists.items() for name in names] if verbose else []
    counts = ", ".join(f"{len(names)} {what}" for what, names in lists.items())
    for line in (*lines, *done.notes, counts):
        click.echo(f"{node.name}: {line}")


command = ClickCommand(install)
