"""What the commands share that run until they are stopped."""

from __future__ import annotations

import logging


def show_log() -> None:
    """Writes architect's log to standard error, and other libraries' warnings; a program's own configuration wins."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logger = logging.getLogger("architect")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


def at_least_one(text: str) -> int:
    """A type of arguments: a number of things."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def positive(text: str) -> float:
    """A type of arguments: a number of seconds or hours."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number
