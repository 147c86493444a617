"""What the commands share that run until they are stopped."""

from __future__ import annotations

import logging
from argparse import ArgumentTypeError
from contextlib import suppress


def show_log() -> None:
    """Writes architect's log to standard error, and other libraries' warnings; a program's own configuration wins."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logger = logging.getLogger("architect")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


def at_least_one(text: str) -> int:
    """A type of arguments: a number of things."""
    with suppress(ValueError):
        number = int(text)
        if 0 < number < 2**31:
            return number
    raise ArgumentTypeError(f"{text!r} is no whole number from 1 on")


def positive(text: str) -> float:
    """A type of arguments: a number of seconds or hours."""
    with suppress(ValueError):
        number = float(text)
        if 0 < number < float("inf"):
            return number
    raise ArgumentTypeError(f"{text!r} is no number above 0")
