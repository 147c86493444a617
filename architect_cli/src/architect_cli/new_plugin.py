"""`architect plugin new`: the start of a plugin, with tests that pass."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import click

from architect_cli.folders import write_new
from architect_core._base import names
from architect_core.contract import hooks as hookspecs
from architect_core.exceptions import RunError
from architect_core.plugins import loading

# where each file of the template belongs
_FILES = {
    "pyproject.toml.template": "pyproject.toml",
    "README.md.template": "README.md",
    "gitignore.template": ".gitignore",
    "init.template": "src/@module@/__init__.py",
    "client.template": "src/@module@/client.py",
    "plugin.template": "src/@module@/plugin.py",
    "typed.template": "src/@module@/py.typed",
    "conftest.template": "tests/conftest.py",
    "conformance.template": "tests/test_@identifier@_conformance.py",
    "tests.template": "tests/test_@identifier@.py",
}


_RESERVED = frozenset({"core", "rest", "grpc", "datastore", "otel", "cli", "sdk"})


@click.group()
def plugin() -> None:
    """Write plugins of your own."""


@plugin.command()
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    show_default="architect-NAME",
    help="Where to; it must not exist, or be empty.",
)
def new(name: str, folder: Path | None) -> None:
    """Write a plugin that serves the protocol or engine NAME.

    It is a distribution of its own with a client factory, a credential parser, and tests, among them the conformance
    suites. All of it works as it is written; put your protocol's client in the place of the one that is there.
    """
    if not names.PROTOCOL.fullmatch(name):
        raise RunError(f"{name!r} cannot be the name of a protocol: it has lower-case letters, digits and '-'")
    if name in _RESERVED:
        raise RunError(f"architect-{name} is a package of architect itself. Take another name")
    folder = folder or Path(f"architect-{name}")
    try:
        write_new(folder, _rendered(name))
    except OSError as problem:
        reason = f"{folder} cannot be written: {problem.strerror or problem}"
    else:
        click.echo(
            f"{folder} serves {name!r}. Try it:\n  cd {shlex.quote(str(folder))}\n  pip install -e '.[test]'\n  pytest"
        )
        for entry in loading.installed(name):
            click.echo(f"Note: {name!r} is already served by {loading.distribution(entry)}", err=True)
        return
    raise RunError(reason)


def _rendered(name: str) -> dict[str, str]:
    """The plugin's files: path -> content."""
    identifier = re.sub(r"\W", "_", name)
    values = {
        "name": name,
        "identifier": identifier,
        "module": f"architect_{identifier}",
        "distribution": "architect-" + re.sub(r"[^a-z0-9]+", "-", name),
        "Class": re.sub(r"^(?=\d)", "N", "".join(word.capitalize() for word in identifier.split("_"))),
        # of a URL (RFC 3986): it starts with a letter, and a "+" would set a driver apart
        "scheme": re.sub(r"^(?=\d)", "n", re.sub(r"[^a-z0-9.-]", "-", name)),
        "contract": str(hookspecs.CONTRACT),
        "core": ".".join(version("architect-core").split(".")[:2]),
    }

    def fill(text: str) -> str:
        return re.sub(r"@(\w+)@", lambda match: values[match[1]], text)

    template = files("architect_cli") / "template"
    return {fill(path): fill((template / file).read_text(encoding="utf-8")) for file, path in _FILES.items()}
