"""A new folder, which is there with all of its files or not at all."""

from __future__ import annotations

import secrets
import shutil
from typing import TYPE_CHECKING

from architect_core.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_new(folder: Path, contents: Mapping[str, str], *, mode: int = 0o666) -> None:
    """Write files, path -> content, into a folder that is new or empty; raises RunError if that fails."""
    try:
        _write(folder.resolve(), contents, mode)
    except OSError as problem:
        raise RunError(f"{folder} cannot be written: {problem.strerror or problem}") from problem


def _write(folder: Path, contents: Mapping[str, str], mode: int) -> None:
    exists = folder.exists()
    if exists and not (folder.is_dir() and not any(folder.iterdir())):
        raise RunError(f"{folder} already exists. Name another with --folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = folder.with_name(f".{folder.name}-{secrets.token_hex(8)}")
    made.mkdir()
    try:
        for path, content in contents.items():
            target = made / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch(mode=mode)
            target.write_bytes(content.encode())
        if exists:  # and may be somebody's working directory
            for each in made.iterdir():
                each.rename(folder / each.name)
            made.rmdir()
        else:
            made.rename(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
