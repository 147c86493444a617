"""Processes that start within milliseconds, because they are forked from one that has only imported grpc."""

from __future__ import annotations

import multiprocessing
import sys
import traceback
from collections.abc import Callable
from functools import cached_property
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
# pytest, because it is the main module that each process imports, unless a worker of pytest-xdist started it
_CONTEXT.set_forkserver_preload(
    ["pytest", "grpc.aio", "architect_core.resolver", "architect_grpc.servicer", "architect_grpc.stubs"]
)


class ServerProcess:
    """A process that calls `serve(*arguments, connection)`, which sends the port it listens on to the connection."""

    def __init__(self, serve: Callable[..., None], *arguments: Any) -> None:
        self._receiving, sending = _CONTEXT.Pipe(duplex=False)
        self._process = _CONTEXT.Process(target=serve, args=(*arguments, sending), daemon=True)
        self._process.start()
        sending.close()

    @cached_property
    def port(self) -> int:
        """Waits until the server listens."""
        return int(self._receiving.recv())

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


def run_program(program: str, *arguments: str) -> None:
    """Run a program that exits on its own within 60 seconds; an AssertionError with its traceback if it fails."""
    receiving, sending = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_run, args=(program, arguments, sending), daemon=True)
    process.start()
    sending.close()
    try:
        assert receiving.poll(60), "the program does not end"
        error = receiving.recv()
    except EOFError:
        error = "the program has crashed"
    finally:
        process.kill()
        process.join()
    assert error is None, error


def _run(program: str, arguments: tuple[str, ...], sending: Any) -> None:
    sys.argv = ["program", *arguments]
    try:
        exec(compile(program, "program", "exec"), {"__name__": "__main__"})
    except BaseException:
        sending.send(traceback.format_exc())
        raise
    sending.send(None)
