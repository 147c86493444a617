"""Reads the files that a configuration names, detects their changes, and finds the running service's own folder."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from architect_core._base.names import MANIFEST_FILE
from architect_core.exceptions import StubError

ROOT_VARIABLE = "ARCHITECT_SERVICE_ROOT"
STUBS_FOLDER = "architect_services"
Signatures = dict[str, object]

# opening a pipe must not wait for its writer; Windows has no such flag
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)


def read_file(path: str, most: int) -> tuple[bytes, str]:
    """Returns a file's content and "", or b"" and the reason why it cannot be read; `most` limits its size, in MiB.

    A pipe, such as a shell's `<(...)`, is read to its end if it is open for writing. Devices are rejected, because some
    never end.
    """
    limit = most << 20
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | _AT_ONCE)) as file:
            mode = os.fstat(file.fileno()).st_mode
            start: bytes | None = b""
            if stat.S_ISFIFO(mode):
                start = file.raw.read(1)  # None if nothing is written yet
                if start == b"":
                    return b"", "is a pipe that nobody writes to"
                os.set_blocking(file.fileno(), True)
            elif not stat.S_ISREG(mode):
                return b"", "is neither a file nor a pipe"
            content = (start or b"") + file.read(limit + 1)
    except (OSError, ValueError) as problem:
        return b"", f"cannot be read ({getattr(problem, 'strerror', None) or 'invalid path'})"
    return (b"", f"is larger than {most} MiB") if len(content) > limit else (content, "")


def signatures(files: Iterable[str]) -> Signatures:
    """Returns for each file a value that changes when the file or a link to it does; None if it is missing."""
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
    """Yields, as absolute paths, each Path and each absolute path in a text at any depth, such as certificates."""
    for value in values:
        if isinstance(value, dict):
            yield from files_in(*value.values())
        elif isinstance(value, list):
            yield from files_in(*value)
        elif isinstance(value, os.PathLike) or (isinstance(value, str) and os.path.isabs(value)):  # noqa: PTH117
            yield os.path.abspath(value)  # noqa: PTH100


def find_root() -> Path:
    """Returns the folder of the running service, wherever the process was started.

    `ARCHITECT_SERVICE_ROOT` names it (`architect run` sets it). Otherwise it is the nearest folder that holds
    `architect.json` or `architect_services`, searched upward from the program's file, upward from the working
    directory, and in the folders of `sys.path`. Raises StubError if there is none.
    """
    if named := os.environ.get(ROOT_VARIABLE):
        return Path(named).absolute()
    if (found := search_root()) is not None:
        return found
    raise StubError(
        f"the service's own folder was not found: neither the program's folder, nor {Path.cwd()}, nor one above them "
        f"holds {MANIFEST_FILE} or {STUBS_FOLDER}. Run `architect install` in the service's folder, pass `root=` to "
        f"configure(), or set {ROOT_VARIABLE}"
    )


def search_root(*starts: Path) -> Path | None:
    """Like `find_root`, but ignores the variable, searches upward from `starts` first, and may return None."""
    upward = (folder for start in (*starts, *_starts()) for folder in (start, *start.parents))
    on_path = (Path(entry).absolute() for entry in sys.path if entry)
    return next(filter(_is_root, chain(upward, on_path)), None)


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
