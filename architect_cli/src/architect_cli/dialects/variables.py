"""Variables that stand for the secrets which are left out of an export."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def settable(name: str) -> str:
    """The name of a variable that a shell and Compose can set, neither of which takes a digit at its start.

    >>> settable("2fa/token"), settable("billing/token")
    ('_2FA_TOKEN', 'BILLING_TOKEN')
    """
    return re.sub(r"^(?=\d)", "_", re.sub(r"[^A-Z0-9]", "_", name.upper()))


def notes_on(variables: Sequence[str], how: str) -> list[str]:
    """What to set, and how, where anything is left out."""
    said = f"left out because they are secret: set {', '.join(variables)} {how}; --show-secrets writes them"
    return [said] if variables else []
