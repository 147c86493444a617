"""Writes to a terminal, pipe or file without waiting for its reader."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

_FULL = 1 << 20  # characters
_PIECE = 16384
_STUCK_SECONDS = 2.0
_LAST_SECONDS = 1.0
_all: list[Writer] = []


class Writer:
    """Writes text in a thread, in order.

    As long as the reader reads, nothing is lost: `is_full` says when to wait. A reader that takes nothing for two
    seconds, such as a terminal in which Ctrl-S was pressed, is not waited for: what is beyond a megabyte is dropped
    until it goes on, and then the number of missing lines is written.

    `on_failure` is called once, from that thread, when nothing can be written any more: the reader is gone, the
    terminal is closed or the disk is full. A stream that is no file is written at once instead; None takes everything.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.on_failure: Callable[[OSError], None] = lambda _: None
        self._stream = stream
        self._encoding = getattr(stream, "encoding", None) or "utf-8"  # which may lack characters that a service prints
        self._file = _descriptor(stream)
        self._changed = threading.Condition()
        self._waiting: list[str] = []
        self._size = 0
        self._dropped = 0
        self._writing_since: float | None = None
        self._is_closed = stream is None
        if self._file is not None:
            _all.append(self)
            threading.Thread(target=self._work, args=(self._file,), name="output", daemon=True).start()

    def is_full(self) -> bool:
        """Whether to write no more for the moment."""
        return self._size > _FULL and not self._is_stuck()

    def write(self, text: str, lines: int = 0) -> None:
        """Write text; if it may be dropped, `lines` is how many lines it has."""
        if self._is_closed:
            return
        if self._file is None:
            self._write_at_once(text)
            return
        with self._changed:
            if lines and self._size > _FULL and (self._is_stuck() or self._size > 2 * _FULL):
                self._dropped += lines
                return
            if self._dropped:
                text = f"... {self._dropped} lines are not shown, because this output was not read ...\n{text}"
                self._dropped = 0
            self._waiting.append(text)
            self._size += len(text)
            self._changed.notify()

    def flush(self) -> None:
        """Wait until everything is written, or nothing has been for a second."""
        if self._file is None:
            return
        with self._changed:
            size = None
            while self._size and not self._is_closed and not self._is_stuck() and size != self._size:
                size = self._size
                self._changed.wait_for(lambda before=size: self._size != before, _LAST_SECONDS)  # type: ignore[misc]

    def _is_stuck(self) -> bool:
        since = self._writing_since
        return since is not None and time.monotonic() - since > _STUCK_SECONDS

    def _write_at_once(self, text: str) -> None:
        assert self._stream is not None  # noqa: S101 - else it is closed
        try:
            self._stream.write(text.encode(self._encoding, "backslashreplace").decode(self._encoding))
            self._stream.flush()
        except OSError as problem:
            self._fail(problem)

    def _work(self, file: int) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                if self._is_closed:
                    return
                text, self._waiting = "".join(self._waiting), []
            for start in range(0, len(text), _PIECE):
                piece = text[start : start + _PIECE]
                try:
                    self._write_piece(file, piece.encode(self._encoding, "backslashreplace"))
                except OSError as problem:
                    self._fail(problem)
                    return
                with self._changed:
                    self._size -= len(piece)
                    self._changed.notify_all()

    def _write_piece(self, file: int, data: bytes) -> None:
        while data:
            self._writing_since = time.monotonic()
            try:
                data = data[os.write(file, data) :]
            except BlockingIOError:  # another process has set its mode, which all that have it open share
                select.select([], [file], [])
        self._writing_since = None

    def _fail(self, problem: OSError) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self.on_failure(problem)


def flush_all() -> None:
    """Write what is waiting to be written anywhere, before this process ends."""
    for writer in _all:
        writer.flush()


def _descriptor(stream: TextIO | None) -> int | None:
    """The file that a stream writes to, after a flush; None if it is none."""
    if stream is None:
        return None
    with contextlib.suppress(OSError, ValueError):  # io.UnsupportedOperation is both
        stream.flush()
        return stream.fileno()
    return None
