"""Watches folders, without those that are ignored, and says which files have changed."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from watchfiles import Change, watch

from architect_cli.parts.ignoring import ChangeFilter

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator, Iterator, Sequence
    from pathlib import Path

    Watcher = Generator[set[tuple[Change, str]], None, None]
    Changes = set[tuple[Change, str]]

_STEP_MS = 50  # changes that follow each other so soon belong together
_LONGEST_MS = 400  # but not for longer than this
_TURN_MS = 200  # until it is asked whether to stop
_ATTEMPTS = 5
# inotify takes one folder at a time, and has to be spared large ones; macOS watches all that is in a folder
_BY_FOLDER = sys.platform.startswith("linux")


def changed_files(
    roots: Sequence[Path], stop: threading.Event, since: float, is_source: Callable[[str], bool]
) -> Iterator[set[str]]:
    """Yield the files that have changed since the last time, of those that count, until `stop` is set.

    The first ones are those that have changed `since` a time, in seconds of the system's clock, and whose name
    `is_source`: others may have been written by services while they started.
    Raises OSError or RuntimeError if the system cannot watch so many folders.
    """
    counts = ChangeFilter(roots)
    watcher, found = _start(roots, counts, stop)
    for folder in _folders(roots, counts):
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            found |= {
                (Change.modified, each.path)
                for each in entries
                if is_source(each.name) and counts(Change.modified, each.path) and each.stat().st_mtime >= since
            }
    while True:
        if _BY_FOLDER and any(map(_is_new_folder, found)):
            successor, more = _start(roots, counts, stop)
            found |= more | next(watcher, set())  # what came until the successor watched
            watcher.close()
            watcher = successor
        files = {file for change in found for file in _files(change, counts)}
        # a temporary file that is gone already
        files -= {path for path in files if (Change.added, path) in found and not os.path.lexists(path)}
        if files:
            yield files
        try:
            found = next(watcher)
        except StopIteration:
            return


def _start(roots: Sequence[Path], counts: ChangeFilter, stop: threading.Event) -> tuple[Watcher, Changes]:
    """Returns a watcher that watches already, and what it has found so far."""
    for attempt in range(_ATTEMPTS):
        watcher = watch(
            *(_folders(roots, counts) if _BY_FOLDER else roots),
            recursive=not _BY_FOLDER,
            watch_filter=counts,
            step=_STEP_MS,
            debounce=_LONGEST_MS,
            rust_timeout=_TURN_MS,
            yield_on_timeout=True,
            stop_event=stop,
            raise_interrupt=False,
            ignore_permission_denied=True,
        )
        try:
            return watcher, next(watcher, set())
        except FileNotFoundError:  # a folder that was removed meanwhile
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError


def _folders(roots: Sequence[Path], counts: ChangeFilter) -> Iterator[str]:
    for root in roots:
        for folder, inner, _ in os.walk(root):
            yield folder
            inner[:] = [name for name in inner if counts.has_folder(f"{folder}/{name}")]


def _is_new_folder(change: tuple[Change, str]) -> bool:
    return change[0] is Change.added and os.path.isdir(change[1])  # noqa: PTH112 - watchfiles has texts


def _files(change: tuple[Change, str], counts: ChangeFilter) -> Iterator[str]:
    """The changed file, or those in a new folder, which it may have had before that was watched."""
    kind, path = change
    if not os.path.isdir(path):  # noqa: PTH112 - likewise
        yield path
    elif kind is Change.added:
        for folder, inner, names in os.walk(path):
            inner[:] = [name for name in inner if counts.has_folder(f"{folder}/{name}")]
            yield from (file for name in names if counts(kind, file := f"{folder}/{name}"))
