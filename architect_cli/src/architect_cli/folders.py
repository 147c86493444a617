"""A new folder, which is there with all of its files or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from architect_core.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_new(folder: Path, contents: Mapping[str, str], *, mode: int | None = None) -> None:
    """Write files into a folder that does not exist, or is empty.

    Args:
        folder: where to.
        contents: path below it, with "/" -> content.
        mode: the files' permissions; those that are usual unless given.

    Raises:
        RunError: the folder is already there.
        OSError: it cannot be written.
    """
    folder = folder.resolve()
    exists = folder.exists()
    if exists and not (folder.is_dir() and not any(folder.iterdir())):
        raise RunError(f"{folder} is already there. Name another with --folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for path, content in contents.items():
            target = made / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch(mode=0o666 if mode is None else mode)
            target.write_bytes(content.encode())
        if exists:  # somebody may be in it
            for each in made.iterdir():
                each.rename(folder / each.name)
            made.rmdir()
        else:
            made.chmod(0o777 & ~_umask())
            made.rename(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
