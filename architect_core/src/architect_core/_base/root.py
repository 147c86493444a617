"""The running service's own folder, which holds its manifest and its generated stubs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from architect_core._base.names import MANIFEST_FILE
from architect_core.exceptions import StubError

ROOT_VARIABLE = "ARCHITECT_SERVICE_ROOT"
STUBS_FOLDER = "architect_services"


def find_root() -> Path:
    """Returns the folder of the running service, wherever the process was started.

    `ARCHITECT_SERVICE_ROOT` names it (`architect run` sets it). Otherwise it is the nearest folder that holds
    `architect.json` or `architect_services`, searched upward from the program's file, upward from the working
    directory, and in the folders of `sys.path`. Raises StubError if there is none.
    """
    if named := os.environ.get(ROOT_VARIABLE):
        return Path(named)
    if (found := search_root()) is not None:
        return found
    raise StubError(
        f"the service's own folder was not found: neither the program's folder, nor {Path.cwd()}, nor one above them "
        f"holds {MANIFEST_FILE} or {STUBS_FOLDER}. Run `architect install` in the service's folder, pass `root=` to "
        f"configure(), or set {ROOT_VARIABLE}"
    )


def search_root(*starts: Path) -> Path | None:
    """Like `find_root` without the variable; searches upward from `starts` first, and returns None without a folder."""
    upward = [folder for start in (*starts, *_starts()) for folder in (start, *start.parents)]
    on_path = [Path(entry).absolute() for entry in sys.path if entry]
    return next(filter(_is_root, upward + on_path), None)


def _starts() -> list[Path]:
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    program = [Path(main).absolute().parent] if main else []
    # a program that is installed with the interpreter, such as pytest or gunicorn, is not the service's
    return [folder for folder in program if not folder.is_relative_to(sys.prefix)] + [Path.cwd()]


def _is_root(folder: Path) -> bool:
    try:
        return (folder / MANIFEST_FILE).is_file() or (folder / STUBS_FOLDER).is_dir()
    except OSError:  # no permission to search it; Python skips it too
        return False
