"""Folders with definition files, and installed distributions that bring some."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOT_OURS = {"node_modules", "__pycache__", "venv", "architect_services"}


def plain(path: str | Path) -> str:
    """The absolute `path` with "/" and without ".."; links are not resolved."""
    return os.path.normpath(Path(path).absolute()).replace(os.sep, "/")


def is_sane(wanted: str) -> bool:
    """Whether the compiler takes it as the path of an import."""
    return "\\" not in wanted and "\0" not in wanted and not {"", ".", ".."} & set(wanted.split("/"))


def installed_root(name: str) -> dict[str, str] | None:
    """The definition files of an installed distribution: path as imported -> path; None if it has none.

    A file may be imported by each end of its path, because distributions keep their definitions in different folders.
    """
    try:
        files = distribution(name).files or []
    except (PackageNotFoundError, ValueError):
        return None
    found: dict[str, str] = {}
    for file in sorted(files, key=str):
        path = plain(str(file.locate()))
        if file.name.endswith(".proto") and Path(path).is_file():
            for start in range(len(file.parts)):
                found.setdefault("/".join(file.parts[start:]), path)
    return found or None


class Folders:
    """The content of folders, each read once.

    Attributes:
        listed: the folders that were read; a file that appears in one may change what is found.
    """

    def __init__(self) -> None:
        self.listed: dict[str, dict[str, bool]] = {}

    def has(self, root: str, wanted: str) -> bool:
        """Whether there is a file `wanted` in a folder, in this spelling also where file names have no case."""
        *above, name = wanted.split("/")
        for each in above:
            if not self._list(root).get(each):
                return False
            root = f"{root}/{each}"
        return self._list(root).get(name) is False

    def walk(self, folder: str, above: frozenset[str] = frozenset()) -> Iterator[str]:
        """The definition files in a folder and below, except for those of other tools, and of the folders `above`."""
        inside = self._list(folder)
        real = os.path.realpath(folder or "/")
        if real in above:  # a link leads back
            return
        if "pyvenv.cfg" in inside:
            return
        yield from (
            f"{folder}/{name}" for name, is_folder in inside.items() if not is_folder and name.endswith(".proto")
        )
        for name, is_folder in inside.items():
            if is_folder and not name.startswith(".") and name not in _NOT_OURS:
                yield from self.walk(f"{folder}/{name}", above | {real})

    def _list(self, folder: str) -> dict[str, bool]:
        """Name -> whether it is a folder."""
        if folder not in self.listed:
            try:
                with os.scandir(folder or "/") as entries:
                    self.listed[folder] = {
                        each.name: each.is_dir() for each in sorted(entries, key=lambda each: each.name)
                    }
            except OSError:
                self.listed[folder] = {}
        return self.listed[folder]
