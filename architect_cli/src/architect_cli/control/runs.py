"""The runs of this user on this machine, found by their folders."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from architect_cli.control.folder import CONTROL, PREFIX, folder_of, is_locked
from architect_core.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator

_DESCRIPTION = "run.json"


@dataclass(frozen=True)
class Described:
    """A run, as it describes itself.

    Attributes:
        id: the end of its folder's name.
        pid: the id of its process.
        roots: the services that it is for: name -> folder.
        started: when it was started, in seconds since 1970.
    """

    id: str
    pid: int
    roots: dict[str, str]
    started: float

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.id} ({', '.join(f'{name} in {folder}' for name, folder in self.roots.items())})"


def describe(folder: Path, described: Described) -> None:
    """Write the description of a run into its folder, at once or not at all."""
    made = folder / CONTROL / f".{_DESCRIPTION}"
    made.touch(mode=0o600)
    made.write_text(json.dumps(asdict(described)), encoding="utf-8")
    made.rename(folder / CONTROL / _DESCRIPTION)


def find_runs() -> list[Described]:
    """Returns the runs of this user, the oldest first; the folders of those that were killed are removed."""
    found, is_stale = [], False
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if not _is_own(folder):
            continue
        if not is_locked(folder):
            is_stale = True
            continue
        with contextlib.suppress(
            OSError, ValueError, TypeError
        ):  # it has not described itself yet, or it has just ended
            found.append(Described(**json.loads((folder / CONTROL / _DESCRIPTION).read_text(encoding="utf-8"))))
    if is_stale:
        from architect_cli.control.stale import remove_stale_folders  # which takes longer to import than all of this

        remove_stale_folders()
    return sorted(found, key=lambda run: run.started)


def find_run(stated: str | None, *, from_anywhere: bool = True) -> Described:
    """Returns the run that is meant: the one with the `stated` id or name, else the one of this folder, else the only.

    A run is of the folders of its roots, of all folders in them and, if there is none for those, of folders around
    them. Raises RunError if there is none, or several, or if the only one is not of this folder unless `from_anywhere`.
    """
    runs = find_runs()
    if stated is not None:
        found = [run for run in runs if stated == run.id or stated in run.roots or _is_short_for(stated, run)]
        if not found and folder_of(stated).exists() and not _is_own(folder_of(stated)):
            raise RunError(f"the run {stated} is another user's")
    else:
        found = list(_of_folder(runs)) or (runs if from_anywhere else [])
    if len(found) == 1:
        return found[0]
    listed = "".join(f"\n    {run.label}" for run in found or runs)
    if not runs:
        raise RunError("nothing runs here. Start a system with: architect run PATH")
    if not found and stated is None:
        raise RunError(f"no run is of this folder. State the id of one with --run:{listed}")
    if not found:
        raise RunError(f"there is no run {stated!r}. These are running:{listed}")
    raise RunError(f"several runs may be meant. State the id of one with --run:{listed}")


def _is_short_for(stated: str, run: Described) -> bool:
    return any(name.endswith(f"/{stated}") for name in run.roots)


def _of_folder(runs: list[Described]) -> Iterator[Described]:
    """The runs of the nearest folder around the working one that is a root of any, or else of those in it."""
    try:
        folder = Path.cwd()
    except OSError:  # it was removed
        return
    for each in (folder, *folder.parents):
        found = [run for run in runs if str(each) in run.roots.values()]
        if found:
            yield from found
            return
    yield from (run for run in runs if any(Path(root).is_relative_to(folder) for root in run.roots.values()))


def _is_own(folder: Path) -> bool:
    try:
        return folder.stat(follow_symlinks=False).st_uid == os.geteuid()
    except OSError:
        return False
