"""The content of a file that somebody else named."""

from __future__ import annotations

import os
import stat

# so that a pipe is opened at once; Windows has neither
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)


def read_file(path: str, most: int) -> tuple[bytes, str]:
    """The content of a file, and why it cannot be read: "cannot be read (No such file or directory)".

    A pipe, such as a shell's `<(...)`, is read to its end where somebody has it open for writing; nothing waits for
    that. Devices are refused, because some never end.

    Args:
        path: the file.
        most: how many MiB it may have.
    """
    limit = most << 20
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | _AT_ONCE)) as file:
            mode = os.fstat(file.fileno()).st_mode
            start: bytes | None = b""
            if stat.S_ISFIFO(mode):
                start = file.raw.read(1)  # None where it is not written yet
                if start == b"":
                    return b"", "is a pipe that nobody writes to"
                os.set_blocking(file.fileno(), True)
            elif not stat.S_ISREG(mode):
                return b"", "is neither a file nor a pipe"
            content = (start or b"") + file.read(limit + 1)
    except (OSError, ValueError) as problem:
        return b"", f"cannot be read ({getattr(problem, 'strerror', None) or 'no path'})"
    return (b"", f"is larger than {most} MiB") if len(content) > limit else (content, "")
