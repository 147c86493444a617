"""Reads a file that a configuration names, and detects changes of such files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator

Signatures = dict[str, object]

# opening a pipe must not wait for its writer; Windows has no such flag
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)


def read_file(path: str, most: int) -> tuple[bytes, str]:
    """Returns the content of a file of at most `most` MiB, and the reason if it cannot be read.

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
        return b"", f"cannot be read ({getattr(problem, 'strerror', None) or 'no path'})"
    return (b"", f"is larger than {most} MiB") if len(content) > limit else (content, "")


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
        elif isinstance(value, os.PathLike) or (isinstance(value, str) and os.path.isabs(value)):  # noqa: PTH117
            yield os.path.abspath(value)  # noqa: PTH100
