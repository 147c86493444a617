"""`architect init`: writes a manifest for what a folder holds."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from architect_cli.detecting import detect, name_of
from architect_cli.main import ClickCommand
from architect_core.contract import MANIFEST_FILE
from architect_core.exceptions import RunError
from architect_core.schema.manifest import parse_manifest


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@click.option("--name", help="The service's name.  [default: that of the project, else that of the folder]")
def init(path: Path, name: str | None) -> None:
    """Write architect.json for the service in a folder.

    PATH is the working directory by default. Found are a Django project, a Flask, FastAPI or Starlette application, a
    server of grpcio with its .proto files, a package.json of node, and main.py, app.py or server.py. Nothing is
    imported or run, and an architect.json that exists is not changed.
    """
    if not path.is_dir():
        raise RunError(f"{path} is no folder")
    file = path / MANIFEST_FILE
    if os.path.lexists(file):
        raise RunError(f"{file} exists already, and is not changed")
    found = detect(path)
    manifest = {"name": name or name_of(path), **found.manifest}
    text = json.dumps({key: value for key, value in manifest.items() if value is not None}, indent=2) + "\n"
    parse_manifest(text, str(file))
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as problem:
        raise RunError(f"{file} cannot be written: {problem.strerror}") from problem
    click.echo(f"{file}: {manifest['name']}, {found.what}")
    for note in found.notes:
        click.echo(f"Note: {note}")


command = ClickCommand(init)
