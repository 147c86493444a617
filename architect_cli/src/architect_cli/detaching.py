"""Runs work in the background, and waits until it is ready or has failed."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import traceback
from typing import TYPE_CHECKING, NoReturn

import click

from architect_cli.messages import error_text, print_error
from architect_cli.process.signals import ENDING, handled
from architect_cli.supervise import open_standard_files
from architect_core.exceptions import ArchitectError

if TYPE_CHECKING:
    from collections.abc import Callable

    OnReady = Callable[[str], None]

_PIECE = 65536


def detached(work: Callable[[OnReady], int]) -> int:
    """Do `work` in a process without a terminal, which passes a message to its argument once it is ready.

    Returns 0 after that message is printed, while the work goes on; or its exit code, if it ends before. What it
    writes to standard error until then is written to that of this process. A signal is passed on.
    """
    open_standard_files()
    ready, on_ready = os.pipe()
    errors, its_errors = os.pipe()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    child = os.fork()
    if child == 0:
        os.close(ready)
        os.close(errors)
        _work(work, on_ready, its_errors)
    os.close(on_ready)
    os.close(its_errors)
    for number in handled(*ENDING):
        signal.signal(number, lambda number, _: os.kill(child, number))
    message = _first_message(ready, errors)
    if message:
        click.echo(message, nl=False)
        return 0
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return 128 - code if code < 0 else code


def _first_message(ready: int, errors: int) -> str:
    """What is read from `ready`, empty if it is closed before; meanwhile, what is read from `errors` is passed on."""
    opened = [ready, errors]
    message = b""
    while opened:
        for file in select.select(opened, [], [])[0]:
            data = os.read(file, _PIECE)
            if not data:
                opened.remove(file)
            elif file == errors:
                click.echo(data, nl=False, err=True)
            else:
                message += data
        if message:
            break
    return message.decode()


def _work(work: Callable[[OnReady], int], on_ready: int, errors: int) -> NoReturn:
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for file, number in ((null, 0), (null, 1), (errors, 2)):
        os.dup2(file, number)
    os.close(errors)

    def pass_on(message: str) -> None:
        with contextlib.suppress(OSError):  # nobody waits for it any more
            os.write(on_ready, message.encode())
        os.dup2(null, 2)

    code = 1
    try:
        code = work(pass_on)
    except ArchitectError as problem:
        print_error(error_text(problem))
    except BaseException:  # noqa: BLE001 - a bug, which nothing else would report
        traceback.print_exc()
    finally:
        os._exit(code)
