"""What the command prints: lines of services, prefixed and coloured, and error messages; secrets are masked."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TextIO

import click

from architect_cli.masking import spellings
from architect_core.contract import MASK
from architect_core.exceptions import ArchitectError, PluginError

_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")
_LAST_LINES = 20


class Console:
    """Writes lines, prefixed with the name of the service that printed them.

    `on_failure` is called once when nothing can be written any more: the reader is gone, or the disk is full.
    """

    def __init__(self, names: Iterable[str], stream: TextIO | None = None) -> None:
        self.on_failure: Callable[[OSError], None] | None = None
        self._failed = False
        self._stream = stream or sys.stdout
        self._has_colours = wants_colour(self._stream)
        names = list(names)
        self._width = max(map(len, names), default=0)
        self._colours = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(names)}
        self._secrets: list[str] = []
        self._last: dict[str, deque[str]] = {}

    def hide(self, secrets: Iterable[object]) -> None:
        """Mask these values in all further output."""
        found = {form for secret in secrets if secret is not None for form in spellings(str(secret))}
        self._secrets = sorted(found.union(self._secrets), key=len, reverse=True)  # a longer one may contain a shorter

    def line(self, name: str, text: str) -> None:
        """Write a line that `name`, a service or datastore, printed; only keep it if `name` has no prefix."""
        text = self.masked(text)
        self._last.setdefault(name, deque(maxlen=_LAST_LINES)).append(text)
        if name in self._colours:
            self._write(
                f"{self._style(name.ljust(self._width), fg=self._colours[name])} {self._style('|', dim=True)} {text}"
            )

    def note(self, text: str) -> None:
        """Write a line about the run itself, which no service printed."""
        self._write(self._style(self.masked(text), dim=True))

    def error(self, text: str) -> None:
        """Write an error message to standard error."""
        text = f"architect: {self.masked(text)}"
        click.echo(click.style(text, fg="red") if wants_colour(sys.stderr) else text, err=True, color=True)

    def last_lines(self, name: str) -> list[str]:
        """The last lines that `name` printed, masked."""
        return list(self._last.get(name, ()))

    def masked(self, text: str) -> str:
        """`text` without any secret."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text

    def _style(self, text: str, **style: Any) -> str:
        return click.style(text, **style) if self._has_colours else text

    def _write(self, text: str) -> None:
        if self._failed:
            return
        encoding = self._stream.encoding or "utf-8"  # which may lack characters that a service prints
        try:
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            self._stream.flush()
        except OSError as problem:
            self._failed = True
            if self.on_failure is None:
                raise
            self.on_failure(problem)


def wants_colour(stream: TextIO) -> bool:
    """Whether to write colours to `stream`: if it is a terminal, unless NO_COLOR or FORCE_COLOR is set."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def print_error(text: str) -> None:
    """Print a message to standard error: "architect: ..."."""
    click.echo(f"architect: {text}", err=True)


def error_text(problem: ArchitectError) -> str:
    """The message of an error, with a plugin's exception if that is the cause and cannot hold secrets."""
    cause = problem.__cause__ if isinstance(problem, PluginError) and not problem.may_hold_secrets else None
    return str(problem) if cause is None or str(problem).endswith(str(cause)) else f"{problem}: {cause}"
