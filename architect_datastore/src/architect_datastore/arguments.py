"""Keyword arguments of drivers, made of credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from architect_core.contract import showable
from architect_core.exceptions import DriverError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.contract import Credentials


def given(**arguments: Any) -> dict[str, Any]:
    """The arguments that are not None.

    >>> given(user="app", password=None)
    {'user': 'app'}
    """
    return {key: value for key, value in arguments.items() if value is not None}


def translated(db: Credentials, driver: str, names: Mapping[str, str], *handled: str) -> dict[str, Any]:
    """The options of `db` by the driver's own names for them.

    Args:
        db: the credentials.
        driver: the driver's name, for the message.
        names: an option -> the driver's argument.
        handled: options that the caller sees to.

    Raises:
        DriverError: there is another option.
    """
    for option in db.options:
        if option not in names and option not in handled:
            raise refusal(driver, option)
    return {names[option]: value for option, value in db.options.items() if option in names}


def refusal(driver: str, option: str, remedy: str = "leave it out, or use another driver") -> DriverError:
    """The error that a driver cannot be told an option."""
    return DriverError(f"{driver} cannot be told the option {showable(option)!r} of these credentials; {remedy}")


def mode_of(db: Credentials, driver: str, *known: str) -> str | None:
    """The `sslmode` of `db`, None where it has none.

    Raises:
        DriverError: it is none of `known`, where any are given.
    """
    mode: str | None = db.options.get("sslmode")
    if known and mode is not None and mode not in known:
        raise DriverError(f"{driver} cannot be told sslmode {mode}, only {', '.join(known)}; use another driver")
    return mode
