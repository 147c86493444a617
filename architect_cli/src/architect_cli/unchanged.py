"""A record of what an installation read and wrote, by which the next one sees that nothing has changed.

It holds sizes and times of files and no content, so that a large installation takes a fraction of a second to check. It
is in `__pycache__`, which no version control and no distribution keeps: it is of use on this machine only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_FILE = "__pycache__/install.json"
_COARSE = 20_000_000  # nanoseconds between two times that a file system tells apart


def recorded_notes(folder: Path, wanted: str) -> list[str] | None:
    """The notes of the last installation in `folder`, or None if it must be done again.

    Args:
        folder: the `architect_services` folder.
        wanted: what is to be installed; another text is another installation.
    """
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        record = json.loads((folder / _FILE).read_bytes())
        if record["wanted"] == _hash([wanted, *sys.path]) and record["state"] == _state(folder, record["inputs"]):
            return [str(note) for note in record["notes"]]
    return None


def write_record(folder: Path, wanted: str, inputs: Iterable[str], notes: list[str], started: int) -> None:
    """Record an installation that has just ended, unless an input may have changed since `started` (`time.time_ns`)."""
    paths = sorted({*inputs, *filter(None, sys.path)})  # an installed distribution changes its folder there
    path = folder / _FILE
    with contextlib.suppress(OSError):  # without a record, the next installation checks everything
        path.unlink(missing_ok=True)
        if not folder.is_dir() or any(_changed(each) >= started - _COARSE for each in paths):
            return
        record = {"wanted": _hash([wanted, *sys.path]), "inputs": paths, "state": _state(folder, paths), "notes": notes}
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(record), encoding="utf-8")


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_ctime_ns  # noqa: PTH116 - thousands of them
    except OSError:
        return 0


def _state(folder: Path, inputs: Iterable[str]) -> str:
    return _hash([*map(_signature, inputs), *_written(str(folder), "")])


def _signature(path: str) -> str:
    try:
        found = os.stat(path)  # noqa: PTH116 - thousands of them
    except OSError:
        return "missing"
    # ctime and not mtime alone, which some programs restore
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"


def _written(folder: str, inside: str) -> Iterator[str]:
    """The path and the signature of each file below `folder`."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            if not entry.is_dir():
                yield f"{inside}{entry.name} {_signature(entry.path)}"
            elif entry.name != "__pycache__":
                yield from _written(entry.path, f"{inside}{entry.name}/")


def _hash(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()
