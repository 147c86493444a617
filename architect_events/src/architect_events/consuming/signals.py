"""Stopping gracefully when the process is asked to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stopping(stop: Callable[[], object]) -> Iterator[None]:
    """Calls `stop` at the first SIGTERM or SIGINT; a second one does what it did before.

    Only the main thread can handle signals; in another one, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> None:
        for number, handler in former.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def asked(_number: int, _frame: FrameType | None) -> None:
        restore()
        stop()

    for number in _SIGNALS:
        signal.signal(number, asked)
    try:
        yield
    finally:
        restore()
