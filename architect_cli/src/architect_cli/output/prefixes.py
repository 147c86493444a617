"""What stands before each line of a service: its name, in a colour of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")


def prefixes(names: Sequence[str], *, has_colours: bool) -> dict[str, str]:
    """Returns the prefix of each name, all of one width.

    >>> prefixes(["shop/orders", "shop/web"], has_colours=False)
    {'shop/orders': 'shop/orders | ', 'shop/web': 'shop/web    | '}
    """
    width = max(map(len, names), default=0)
    found = {}
    for index, name in enumerate(names):
        text, bar = name.ljust(width), "|"
        if has_colours:
            text, bar = click.style(text, fg=_COLOURS[index % len(_COLOURS)]), click.style(bar, dim=True)
        found[name] = f"{text} {bar} "
    return found


def wants_colour(stream: TextIO | None) -> bool:
    """Whether to write colours to `stream`: if it is a terminal that has them, unless the user says otherwise.

    NO_COLOR and FORCE_COLOR are variables with which the user does; FORCE_COLOR=0 is for no colours, too.
    """
    forced = os.environ.get("FORCE_COLOR", "")
    if os.environ.get("NO_COLOR") or forced in {"0", "false"}:
        return False
    if forced:
        return True
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
