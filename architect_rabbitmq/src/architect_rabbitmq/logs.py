"""Keeping events out of the log of aiormq, which shows what it writes and reads at the level DEBUG."""

from __future__ import annotations

import logging

from aiormq.abc import ChannelFrame, DeliveredMessage

_PAYLOADS = (ChannelFrame, DeliveredMessage)


class _WithoutPayloads(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(type(arg).__name__ if isinstance(arg, _PAYLOADS) else arg for arg in record.args)
        return True


_FILTER = _WithoutPayloads()


def hide_payloads() -> None:
    """Have aiormq's log name the type of what it would show."""
    for name in ("aiormq.connection", "aiormq.channel"):
        logging.getLogger(name).addFilter(_FILTER)
