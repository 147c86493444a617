"""What is asked for of a server that `architect run` starts."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from architect_core.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Mapping


def wanted_text(wanted: Mapping[str, str], field: str, default: str, engine: str) -> str:
    """What is asked for under `field`, or the default.

    Raises:
        RunError: it is empty or cannot be stored; the message does not repeat it.
    """
    value = wanted.get(field, default)
    if not value:
        raise RunError(f"the {field} asked for of {engine} is empty; give one, or leave it out to get a default")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise RunError(f"the {field} asked for of {engine} has a character that is no text (NUL or a lone surrogate)")
    return value


def wanted_password(wanted: Mapping[str, str], engine: str) -> str:
    """The password that is asked for, or a random one.

    Raises:
        RunError: it is empty or cannot be stored.
    """
    return wanted_text(wanted, "password", secrets.token_urlsafe(), engine)
