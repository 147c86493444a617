"""A call in a forked child, which may raise, die or hang."""

from __future__ import annotations

import faulthandler
import os
import tempfile
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from signal import Signals
from typing import IO

from architect_testing.tools.sockets import can_see_sockets, cut_off

_GRACE_SECONDS = 10.0  # for a child that hangs to write where, and to end
_HANGS = "Timeout ("  # how faulthandler begins
_REMEDY = "After a fork, the child needs connections, threads and locks of its own"


def can_fork() -> bool:
    """Whether this system has `os.fork`."""
    return hasattr(os, "fork")


def in_child(call: Callable[[], object], seconds: float) -> None:
    """Fork, run `call` in the child for at most `seconds`, and wait for the child to end.

    The sockets that the child inherits are disconnected first, so that using one of them fails reliably: otherwise
    parent and child would share a connection and take each other's answers.

    Raises:
        AssertionError: the call raised an exception, died or hung; the message has its traceback.
    """
    with tempfile.TemporaryFile("w+", errors="backslashreplace") as report:
        child = get_context("fork").Process(target=_run, args=(call, seconds, report))
        with warnings.catch_warnings():
            # from Python 3.12 on for a fork beside threads, which is what this is about
            warnings.simplefilter("ignore", DeprecationWarning)
            child.start()
        child.join(seconds + _GRACE_SECONDS)
        if child.is_alive():
            child.kill()
            child.join()
        code = child.exitcode or 0
        child.close()
        report.seek(0)
        text = report.read()
    if text.startswith(_HANGS):
        raise AssertionError(f"a forked child did not end within {seconds:g} seconds. {_REMEDY}. It hangs at:\n{text}")
    if code != 0:
        how = f"failed with exit code {code}" if code > 0 else f"died of {Signals(-code).name}"
        raise AssertionError(f"a forked child {how}. {_REMEDY}:\n{text}")


def _run(call: Callable[[], object], seconds: float, report: IO[str]) -> None:
    code = 1
    try:
        faulthandler.dump_traceback_later(seconds, file=report, exit=True)  # works even if the child holds the GIL
        if can_see_sockets():
            cut_off()
        call()
        code = 0
    except BaseException:  # noqa: BLE001 - nothing of the parent's program may run on in the child
        with suppress(OSError):
            traceback.print_exc(file=report)
            report.flush()
    finally:
        os._exit(code)
