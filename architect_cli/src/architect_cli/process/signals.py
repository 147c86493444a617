"""Signals that a run handles, unless whoever started it has them ignored."""

from __future__ import annotations

import signal

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def handled(*numbers: signal.Signals) -> list[signal.Signals]:
    """Returns those signals that this process does not ignore.

    One that it ignores from its start on, as with `nohup` or in the background of a script, remains ignored, and
    programs that it starts ignore it as well.
    """
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
