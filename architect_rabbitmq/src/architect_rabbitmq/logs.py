"""Keeping out of the log of aiormq what is in architect's, and events, which it shows at the level DEBUG."""

from __future__ import annotations

import logging

from aiormq.abc import ChannelFrame, DeliveredMessage
from aiormq.exceptions import AMQPError

_PAYLOADS = (ChannelFrame, DeliveredMessage)


class _Filter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(type(arg).__name__ if isinstance(arg, _PAYLOADS) else arg for arg in record.args)
        lost = record.exc_info is not None and isinstance(record.exc_info[1], AMQPError)
        return not lost and not str(record.msg).startswith("error when creating transport")


_FILTER = _Filter()


def filter_logs() -> None:
    """Have aiormq's log name the type of what it would show, and nothing that is raised as a RabbitError."""
    for name in ("aiormq.connection", "aiormq.channel"):
        logging.getLogger(name).addFilter(_FILTER)
