"""The parts of a run by the names that users type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from architect_core.contract import did_you_mean, listing
from architect_core.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Iterable


def find_name(typed: str, names: Iterable[str], what: str) -> str:
    """Returns the name that was typed, or the only one that it is the last part of: "orders" is "shop/orders".

    Raises RunError if there is none, or if there are several.
    """
    known = sorted(names)
    if typed in known:
        return typed
    found = [name for name in known if name.endswith(f"/{typed}")]
    if len(found) > 1:
        raise RunError(f"{typed!r} may be {' or '.join(found)}. State the whole name")
    if not found:
        raise RunError(f"there is no {what} {typed!r}{did_you_mean(typed, known)}; {listing(known)}")
    return found[0]
