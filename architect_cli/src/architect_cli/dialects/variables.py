"""Variables that take the place of secrets in an export."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def settable(name: str) -> str:
    """The name of a variable that a shell and Compose can set; neither allows a digit at its start.

    >>> settable("2fa/token"), settable("billing/token")
    ('_2FA_TOKEN', 'BILLING_TOKEN')
    """
    return re.sub(r"^(?=\d)", "_", re.sub(r"[^A-Z0-9]", "_", name.upper()))


def notes_on(variables: Sequence[str], how: str) -> list[str]:
    """A note on which variables to set, and how, if there are any."""
    note = f"secrets are omitted: set {', '.join(variables)} {how}; --show-secrets writes them"
    return [note] if variables else []
