"""What runs leave behind whose processes were all killed."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
from pathlib import Path

from architect_cli.control.folder import LOCK, PREFIX
from architect_cli.process.reaping import kill, marked

_ROUNDS = 20  # for what is written into the folder meanwhile


def remove_stale_folders() -> None:
    """Remove the folders of runs whose processes were all killed, which then hold no lock, and kill what they left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), (folder / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            run_id = lock.read()
            for _ in range(_ROUNDS):
                if run_id:
                    kill(marked(run_id))
                shutil.rmtree(folder, ignore_errors=True)
                if not folder.exists():
                    break
