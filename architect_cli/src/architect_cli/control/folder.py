"""The folder of a run, which is in the folder for temporary files and has a file that is locked while the run lasts."""

from __future__ import annotations

import fcntl
import tempfile
from pathlib import Path

PREFIX = "architect-run-"
LOCK = ".lock"  # its process holds it as long as the run lasts
CONTROL = "control"  # what only the user of the run can read
SOCKET = "socket"


def id_of(folder: Path) -> str:
    """Returns the id of the run with this folder."""
    return folder.name.removeprefix(PREFIX)


def folder_of(run_id: str) -> Path:
    """Returns the folder of the run with this id."""
    return Path(tempfile.gettempdir(), PREFIX + run_id)


def is_locked(folder: Path) -> bool:
    """Whether a process of the run lives."""
    try:
        with (folder / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
