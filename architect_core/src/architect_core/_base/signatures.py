"""Detects changes of the files that a configuration is read from or names."""

from __future__ import annotations

import os
from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Signatures = dict[str, object]


def signatures(files: Iterable[str]) -> Signatures:
    """Returns for each file a value that changes with the file and with links to it, which Kubernetes replaces."""
    found: Signatures = {}
    for file in files:
        try:
            status = os.stat(file)  # noqa: PTH116 - it follows links
            # ctime and not mtime, which some programs restore
            found[file] = (os.path.realpath(file), status.st_ino, status.st_ctime_ns, status.st_size)
        except (OSError, ValueError):
            found[file] = None
    return found


def files_in(*values: object) -> Iterator[str]:
    """Yields the absolute paths among `values`, at any depth: files that an entry names, such as a certificate."""
    for value in values:
        if isinstance(value, dict):
            yield from files_in(*value.values())
        elif isinstance(value, list):
            yield from files_in(*value)
        elif isinstance(value, PathLike) or (isinstance(value, str) and os.path.isabs(value)):  # noqa: PTH117
            yield os.path.abspath(value)  # noqa: PTH100
