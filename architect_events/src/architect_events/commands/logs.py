"""The log of commands that run until they are stopped."""

from __future__ import annotations

import logging


def show_log() -> None:
    """Writes architect's log to standard error, and other libraries' warnings; a program's own configuration wins."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logger = logging.getLogger("architect")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
