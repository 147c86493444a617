"""A call in a forked child, which may raise or hang without harm."""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import time
import traceback
import warnings
from typing import TYPE_CHECKING, NoReturn

from architect_testing.conformance.sockets import can_see_sockets, cut_off

if TYPE_CHECKING:
    from collections.abc import Callable

_DUMP_SECONDS = 5.0  # for a child that hangs to say where, which it has done when it makes a pause
_PAUSE_SECONDS = 0.3
_REMEDY = "A child needs connections, threads and locks of its own"


def can_fork() -> bool:
    """Whether this system has `os.fork`."""
    return hasattr(os, "fork")


def in_child(call: Callable[[], object], seconds: float) -> None:
    """Fork, make `call` in the child, and wait for it.

    The parent's connections lead nowhere in the child, so that a child that uses one fails: the answers would reach
    whichever of the two reads first.

    Args:
        call: what is called.
        seconds: how long it may take.

    Raises:
        AssertionError: it raised, died or did not end in time; with its traceback.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on a fork with threads, which this is about
        child = os.fork()
    if child == 0:
        _run(call, writing)
    os.close(writing)
    ended = False
    try:
        told, ended = _read(reading, seconds)
        if not ended:
            os.kill(child, signal.SIGUSR1)
            told += _read(reading, _DUMP_SECONDS, _PAUSE_SECONDS)[0]
    finally:
        os.close(reading)
        if not ended:
            os.kill(child, signal.SIGKILL)  # which is there: nobody has waited for it
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not ended:
        raise AssertionError(
            f"a forked child did not end within {seconds:g} seconds. {_REMEDY}. It hangs here:\n{told}"
        )
    if code != 0:
        how = f"failed with exit code {code}" if code > 0 else f"died of {signal.Signals(-code).name}"
        raise AssertionError(f"a forked child {how}. {_REMEDY}:\n{told}")


def _run(call: Callable[[], object], writing: int) -> NoReturn:
    code = 1
    try:
        # written in C, for a child that hangs while it holds the interpreter
        faulthandler.register(signal.SIGUSR1, file=writing, all_threads=True)
        if can_see_sockets():
            cut_off()
        call()
        code = 0
    except BaseException:  # noqa: BLE001 - nothing of the parent's program may run on here
        _write(writing, traceback.format_exc())
    finally:
        os._exit(code)


def _write(writing: int, text: str) -> None:
    rest = text.encode(errors="backslashreplace")
    while rest:
        rest = rest[os.write(writing, rest) :]


def _read(reading: int, seconds: float, pause: float | None = None) -> tuple[str, bool]:
    """What comes until the other end is closed, time is over or there is a pause, and whether it was closed."""
    deadline, read = time.monotonic() + seconds, b""
    while (left := deadline - time.monotonic()) > 0:
        wait = left if pause is None or not read else min(pause, left)
        if not select.select([reading], [], [], wait)[0]:
            break
        piece = os.read(reading, 65536)
        if not piece:
            return read.decode(errors="replace"), True
        read += piece
    return read.decode(errors="replace"), False
