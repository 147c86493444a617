"""`architect attach`: the standard input and output of a service, for a debugger's prompt."""

from __future__ import annotations

import codecs
import contextlib
import os
import select
import sys
from typing import Any

import click

from architect_cli.commands.options import of_run
from architect_cli.control.client import Connection, RunEndedError
from architect_cli.control.runs import find_run
from architect_cli.main import ClickCommand

_PIECE = 65536


@click.command()
@click.argument("name")
@of_run
def attach(name: str, run: str | None) -> None:
    """Type to a service, such as to its debugger.

    Shows what the service prints, unfinished lines included, and passes on what is typed here: for the prompt of
    `breakpoint()`, for example. Ctrl-D or Ctrl-C leaves it, and the service runs on.

    A script reads nothing of this: its standard input is empty. Run it in a terminal with `architect exec` instead.
    """
    connection = Connection(find_run(run), "attach", name=name)
    last = "detached"
    try:
        _exchange(connection)
    except (KeyboardInterrupt, TimeoutError):  # the run may be suspended
        pass
    except RunEndedError as problem:
        last = str(problem)
    finally:
        connection.close()
    click.echo(f"\n{last}", err=True)


def _exchange(connection: Connection) -> None:
    """Pass on what is typed and what is printed, until Ctrl-D."""
    typing = [] if sys.stdin is None else [sys.stdin]
    screen, decoder = _Screen(), codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        while connection.has_answer:
            screen.take(connection.receive() or {})
        ready, _, _ = select.select([connection, *typing], [], [])
        if connection in ready:
            screen.take(connection.receive() or {})
        if ready and ready[-1] is not connection:
            typed = b""
            with contextlib.suppress(OSError):  # the terminal is closed
                typed = os.read(sys.stdin.fileno(), _PIECE)
            if not typed:
                connection.finish()
                for answer in connection.answers():
                    screen.take(answer)
                return
            with contextlib.suppress(OSError):  # the run has ended, which receive() says
                connection.send({"input": decoder.decode(typed)})


class _Screen:
    """Writes lines, of which the last one may go on."""

    def __init__(self) -> None:
        self._started = ""

    def take(self, answer: dict[str, Any]) -> None:
        """Write what is new in an answer."""
        if "name" in answer:
            click.echo(f"attached to {answer['name']}; Ctrl-D leaves it running", err=True)
        for line in answer.get("lines", ()):
            self._write(line, "\n")
            self._started = ""
        if answer.get("started"):
            self._write(answer["started"], "")
            self._started = answer["started"]

    def _write(self, line: str, end: str) -> None:
        goes_on = line.startswith(self._started)
        sys.stdout.write((line[len(self._started) :] if goes_on else f"\r\x1b[K{line}") + end)
        sys.stdout.flush()


command = ClickCommand(attach)
