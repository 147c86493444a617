"""Finds out whether `architect.sdk` is architect-core's: the distribution architect-sdk 0.2.1 has the same file."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

_REINSTALL = "pip install --force-reinstall --no-deps architect-core"


def facade_problem() -> str | None:
    """Returns what is wrong with the installed `architect.sdk` and the command that repairs it, or None.

    If architect-sdk 0.2.1 is installed after architect-core, its file replaces architect-core's; if it is uninstalled
    or upgraded, pip removes that file. The module is not imported to find out.
    """
    try:
        spec = find_spec("architect.sdk")
    except ModuleNotFoundError:  # not even a folder is left
        spec = None
    if spec is None or spec.origin is None:  # a folder without the file is a namespace package
        return f"architect.sdk was removed together with architect-sdk 0.2.1. To restore it, run: {_REINSTALL}"
    try:
        content = Path(spec.origin).read_bytes()
    except OSError:  # in an archive or a packed program, which pip does not change
        return None
    if b"architect_core" in content:
        return None
    return (
        "architect.sdk is the one of architect-sdk 0.2.1, which replaced architect-core's. To restore it, run: "
        f"pip uninstall --yes architect-sdk && {_REINSTALL}"
    )
