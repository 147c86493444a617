"""Which changes of files are of no interest: those of tools and of services themselves, and of what git ignores."""

from __future__ import annotations

import contextlib
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import psutil
from pathspec import GitIgnoreSpec
from watchfiles import DefaultFilter

from architect_cli.parts.kept import FOLDER
from architect_core.contract import STUBS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Set

    from watchfiles import Change

_FOLDERS = (FOLDER, STUBS_FOLDER, "venv", ".nox", ".ruff_cache", ".direnv", ".cache", "htmlcov", ".vscode")
# what services write, as regular expressions of names: logs, databases and their journals, locks, sockets, dumps
_WRITTEN = (
    r"\.(log|log\.\d+|pid|lock|sock|tmp|temp|swp|swx|dump|prof)$",
    r"\.(db|db3|sqlite|sqlite3|rdb|aof|mdb|ldb)(-wal|-shm|-journal)?$",
    r"^\.coverage(\.|$)",
    r"^(nohup\.out|core(\.\d+)?|4913)$",  # the last one is vim's
    r"^\.#|^#.*#$|\.kate-swp$|^\.goutputstream-",
)
_SOURCE = re.compile(
    r"\.(pyi?|proto|[cm]?[jt]s|[jt]sx|go|rs|java|kt|rb|php|c|h|cc|cpp|cs|exs?|sh|html|jinja|j2|css|sql|graphql)$"
)


class ChangeFilter:
    """Says whether a change counts, for the parameter `watch_filter` of watchfiles; `roots` are the watched folders."""

    def __init__(self, roots: Iterable[Path]) -> None:
        self._roots = frozenset(roots)
        self._folders = frozenset((*DefaultFilter.ignore_dirs, *_FOLDERS))
        self._names = re.compile("|".join((*DefaultFilter.ignore_entity_patterns, *_WRITTEN)))

    def __call__(self, change: Change, path: str) -> bool:  # noqa: ARG002 - how it was changed does not matter
        """Whether the file at `path` is one that a service is made of."""
        file = Path(path)
        return self._is_inside(file) and not self._names.search(file.name) and not is_ignored_by_git(file)

    def has_folder(self, path: str) -> bool:
        """Whether files in the folder may count."""
        folder = Path(path)
        return self._is_inside(folder) and not is_ignored_by_git(folder, "/")

    def _is_inside(self, path: Path) -> bool:
        """Whether it is in none of the ignored folders; those around a root do not matter."""
        root = next((each for each in path.parents if each in self._roots), path.parent)
        return not self._folders.intersection(path.relative_to(root).parts)


def is_source(name: str) -> bool:
    """Whether a file with this name is one that people write and programs do not."""
    return bool(_SOURCE.search(name))


def is_ignored_by_git(path: Path, kind: Literal["", "/"] = "") -> bool:
    """Whether the files `.gitignore` around `path` name it, a folder with `kind` "/".

    Those beyond its repository have no say. Outside of a repository, each file counts for what is below it.
    """
    ignored = False
    folders = list(path.parents)
    inside = next((index for index, folder in enumerate(folders) if (folder / ".git").exists()), len(folders) - 1)
    for folder in reversed(folders[: inside + 1]):  # the nearest file decides
        found = _rules(folder)
        if found is not None:
            decision = found.check_file(f"{path.relative_to(folder)}{kind}").include
            ignored = ignored if decision is None else decision
    return ignored


def _rules(folder: Path) -> GitIgnoreSpec | None:
    file = folder / ".gitignore"
    try:
        return _read(file, file.stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=256)
def _read(file: Path, _changed: int) -> GitIgnoreSpec | None:
    with contextlib.suppress(ValueError):  # a pattern that is none
        return GitIgnoreSpec.from_lines(file.read_text(errors="replace").splitlines())
    return None


def written_by(sessions: Set[int]) -> set[str]:
    """The files that the processes of these sessions have open for writing."""
    found = set()
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(pid) in sessions:
                # macOS does not say how a file was opened; a file of a program is read and closed
                found |= {file.path for file in psutil.Process(pid).open_files() if getattr(file, "mode", "w") != "r"}
    return found
