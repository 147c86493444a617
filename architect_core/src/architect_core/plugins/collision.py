"""Finds out whether the distribution architect-sdk 0.2.1 hides architect-core's module `architect.sdk`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def facade_problem() -> str | None:
    """Returns what is wrong with the installed `architect.sdk` and the command that repairs it, or None.

    Python imports the package `architect/sdk/` of 0.2.1 and not the module `architect/sdk.py`, whichever of the two was
    installed first. The module is not imported to find out.
    """
    spec = find_spec("architect.sdk")
    if spec is None or spec.origin is None:
        return None
    try:
        content = Path(spec.origin).read_bytes()
    except OSError:  # in an archive or a packed program, which pip does not change
        return None
    if b"architect_core" in content:
        return None
    return (
        "architect.sdk is the one of architect-sdk 0.2.1, which hides architect-core's. "
        "To remove it, run: pip uninstall --yes architect-sdk"
    )
