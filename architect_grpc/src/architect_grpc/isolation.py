"""Which services get a descriptor pool of their own, so that it does not depend on who is loaded first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_FILE_NAME = "isolated.txt"


def write_isolated(folder: Path, stubs: Iterable[Path]) -> None:
    """Note in `folder`, the `architect_services` folder, whose `stubs` clash; none removes the note."""
    path = folder / _FILE_NAME
    content = "".join(f"{each.relative_to(folder).as_posix()}\n" for each in stubs).encode()
    if not content:
        path.unlink(missing_ok=True)
    elif not path.is_file() or path.read_bytes() != content:
        new = path.with_name(f".{_FILE_NAME}.{os.getpid()}")
        new.write_bytes(content)
        new.replace(path)


def is_isolated(folder: Path, name: str) -> bool:
    """Whether the stubs in the folder `name` of `folder` clash with others there."""
    try:
        return name.encode() in (folder / _FILE_NAME).read_bytes().splitlines()
    except FileNotFoundError:
        return False
