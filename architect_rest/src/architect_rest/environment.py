"""What requests reads of the environment for every call, read again only when the environment has changed."""

from __future__ import annotations

import os
import sys
from typing import Any

# elsewhere the system has settings for proxies beside the variables
_IS_ALL = sys.platform not in {"win32", "cygwin", "darwin"}


class Environment:
    """Remembers something until a variable of the environment is another.

    `os.environ` tells of no change, and going through it costs more the larger it is. Comparing what it holds with a
    copy costs little: nearly all of its values are the same objects.
    """

    def __init__(self) -> None:
        self._memory: tuple[Any, dict[Any, Any]] = (None, {})  # one object: threads see both or neither

    def known(self) -> dict[Any, Any] | None:
        """What was remembered for the environment as it is, to add to; None where that cannot be told."""
        content = getattr(os.environ, "_data", None) if _IS_ALL else None
        if not isinstance(content, dict):
            return None
        seen, known = self._memory
        if content != seen:
            known = {}
            self._memory = content.copy(), known
        return known


def netrc_files() -> list[str]:
    """Where requests looks for a netrc file."""
    stated = os.environ.get("NETRC")
    return [os.path.expanduser(each) for each in ([stated] if stated else ["~/.netrc", "~/_netrc"])]  # noqa: PTH111
