"""`architect plugin new`: writes the start of a plugin, with tests that pass."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import version
from pathlib import Path

import click

from architect_cli.folders import write_new
from architect_cli.main import ClickCommand
from architect_core.contract import CONTRACT, PROTOCOL
from architect_core.exceptions import RunError
from architect_core.plugins import loading

_TEMPLATE = Path(__file__).parents[1] / "template"  # @word@ in the files and their paths is filled in
_SUFFIX = ".template"
_RESERVED = frozenset({"cli", "command", "core", "datastore", "grpc", "otel", "rest", "sdk", "sources", "testing"})


@click.group()
def plugin() -> None:
    """Write plugins of your own."""


@plugin.command()
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    show_default="architect-NAME",
    help="The folder to write; it must not exist, or be empty.",
)
def new(name: str, folder: Path | None) -> None:
    """Write a plugin that serves the protocol or engine NAME.

    The plugin is a distribution with a client factory, a credential parser, and tests that include the conformance
    suites. All of it works as written; replace its example client by your protocol's.
    """
    if not PROTOCOL.fullmatch(name):
        raise RunError(f"{name!r} cannot be the name of a protocol: it has lower-case letters, digits and '-'")
    if name in _RESERVED:
        raise RunError(f"architect-{name} is a package of architect itself. Take another name")
    folder = folder or Path(f"architect-{name}")
    write_new(folder, _rendered(name))
    click.echo(
        f"{folder} serves {name!r}. Try it:\n  cd {shlex.quote(str(folder))}\n  pip install -e '.[test]'\n  pytest"
    )
    for entry in loading.installed(name):
        click.echo(f"Note: {name!r} is already served by {loading.distribution(entry)}", err=True)


def _rendered(name: str) -> dict[str, str]:
    """The plugin's files: path -> content."""
    identifier = re.sub(r"\W", "_", name)
    values = {
        "name": name,
        "identifier": identifier,
        "module": f"architect_{identifier}",
        "distribution": "architect-" + re.sub(r"[^a-z0-9]+", "-", name),
        "Class": re.sub(r"^(?=\d)", "N", "".join(word.capitalize() for word in identifier.split("_"))),
        # a URL's scheme starts with a letter (RFC 3986); what follows a "+" in it names a driver
        "scheme": re.sub(r"^(?=\d)", "n", re.sub(r"[^a-z0-9.-]", "-", name)),
        "contract": str(CONTRACT),
        "core": ".".join(version("architect-core").split(".")[:2]),
    }

    def fill(text: str) -> str:
        return re.sub(r"@(\w+)@", lambda match: values[match[1]], text)

    paths = {path.relative_to(_TEMPLATE).as_posix(): path for path in _TEMPLATE.rglob(f"*{_SUFFIX}")}
    return {fill(name.removesuffix(_SUFFIX)): fill(path.read_text(encoding="utf-8")) for name, path in paths.items()}


command = ClickCommand(plugin)
