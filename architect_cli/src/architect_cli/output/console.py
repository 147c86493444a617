"""What the command prints: lines of services, prefixed and coloured, and error messages; secrets are masked."""

from __future__ import annotations

import sys
from asyncio import get_running_loop
from collections import deque
from typing import TYPE_CHECKING, TextIO

import click

from architect_cli.output.history import RUN, History
from architect_cli.output.lines import Lines, coloured, colours_after, without_colours
from architect_cli.output.masking import Mask
from architect_cli.output.prefixes import prefixes, wants_colour
from architect_cli.output.writer import Writer

if TYPE_CHECKING:
    from asyncio import TimerHandle
    from collections.abc import Callable, Iterable

_LAST_LINES = 20
_UNFINISHED_SECONDS = 0.05  # until a line that has not ended, such as a prompt, is shown
_TO_THE_END = "\x1b[K"  # clears a line from the cursor on


class Console:
    """Writes lines, prefixed with the name of the service that printed them.

    `on_failure` is called once, maybe from another thread, when nothing can be written any more: the reader is gone,
    the terminal is closed, or the disk is full.
    """

    def __init__(self, names: Iterable[str], stream: TextIO | None = None) -> None:
        stream = stream or sys.stdout
        self._out, self._errors = Writer(stream), Writer(sys.stderr)
        self.has_colours = wants_colour(stream)
        self.redraws = self.has_colours and stream is not None and stream.isatty()
        self.names = list(names)
        self.history = History()
        self._prefixes = prefixes(self.names, has_colours=self.has_colours)
        self.mask = Mask()
        self.mask.show(self.names)
        self._unfinished: _Program | None = None  # whose line the cursor is in
        self._programs: dict[str, _Program] = {}

    @property
    def on_failure(self) -> Callable[[OSError], None]:
        """What is called when nothing can be written any more."""
        return self._out.on_failure

    @on_failure.setter
    def on_failure(self, call: Callable[[OSError], None]) -> None:
        self._out.on_failure = call

    def hide(self, secrets: Iterable[object]) -> None:
        """Mask these values in all further output."""
        self.mask.hide(secrets)

    def output_of(self, name: str) -> ProgramOutput:
        """Returns what takes the output of a new program; it is only kept if `name` has no prefix."""
        program = self._programs.setdefault(name, _Program(name, self, self._prefixes.get(name)))
        program.last.clear()
        return ProgramOutput(program, self)

    def is_full(self) -> bool:
        """Whether programs are to wait, because the reader is slow."""
        return self._out.is_full()

    def note(self, text: str) -> None:
        """Write a line about the run itself, which no service printed."""
        text = self.masked(text)
        self.history.add(RUN, [text])
        self.write_line(click.style(text, dim=True) if self.has_colours else text)

    def error(self, text: str) -> None:
        """Write an error message to standard error, after all that was written before it."""
        self._out.flush()
        text = f"architect: {self.masked(text)}"
        self._errors.write((click.style(text, fg="red") if wants_colour(sys.stderr) else text) + "\n")
        self._errors.flush()

    def last_lines(self, name: str) -> list[str]:
        """The last lines that `name` has printed since its last start, masked."""
        return [without_colours(line) for line in self._programs[name].last] if name in self._programs else []

    def masked(self, text: str) -> str:
        """`text` without any secret."""
        return self.mask.masked(text)

    def write_line(self, text: str, lines: int = 0) -> None:
        """Write one or several whole lines; `lines` as for `Writer.write`."""
        self._out.write(f"{self.leave_line()}{text}\n", lines)

    def write_start(self, text: str, program: _Program) -> None:
        """Write the start of a line, which `program` may go on with."""
        self._out.write(f"{self.leave_line()}{text}", 1)
        self._unfinished = program

    def write_more(self, text: str, *, is_end: bool) -> None:
        """Go on with the unfinished line."""
        self._out.write(f"{text}\n" if is_end else text, 1)
        if is_end:
            self._unfinished = None

    def is_in_line_of(self, program: _Program) -> bool:
        """Whether the unfinished line is that of `program`."""
        return self._unfinished is program

    def leave_line(self) -> str:
        """Returns what ends the unfinished line, if there is one."""
        ended, self._unfinished = self._unfinished is not None, None
        return "\n" if ended else ""


class _Program:
    """Shows the lines of one service or datastore, however often it is started again; see `lines.Screen`."""

    def __init__(self, name: str, console: Console, prefix: str | None) -> None:
        self._name = name
        self.last: deque[str] = deque(maxlen=_LAST_LINES)
        self.has_colours = console.has_colours
        self._console = console
        self._prefix = prefix
        self._colours = ""  # that the program has set and not reset

    def masked(self, text: str) -> str:
        return self._console.mask.masked(text)

    def held(self, text: str) -> int:
        return self._console.mask.held(text)

    def finish(self, lines: list[str], shown: str) -> None:
        self.last.extend(lines[-_LAST_LINES:])
        self._console.history.add(self._name, list(lines))
        if self._prefix is None:
            return
        if shown:
            self._go_on(lines.pop(0), shown, is_end=True)
        if lines:
            self._console.write_line("\n".join([self._prefix + self._coloured(line) for line in lines]), len(lines))

    def show(self, line: str, shown: str) -> None:
        self._console.history.show(self._name, line)
        if self._prefix is None:
            return
        if shown:
            self._go_on(line, shown, is_end=False)
        else:
            self._console.write_start(self._prefix + coloured(line, self._colours), self)

    def _go_on(self, line: str, shown: str, *, is_end: bool) -> None:
        """Show the rest of a line, in the same line where that is possible."""
        assert self._prefix is not None  # noqa: S101 - the callers have looked
        before = self._colours
        if line.startswith(shown):
            before = colours_after(self._colours + shown) if self.has_colours else ""
            start, rest = "", line[len(shown) :]
        else:  # the program has returned to the start of the line
            start, rest = f"\r{_TO_THE_END}{self._prefix}", line
        can_go_on = self._console.is_in_line_of(self) and (not start or self._console.redraws)
        if can_go_on:
            self._console.write_more(start + coloured(rest, before), is_end=is_end)
        elif rest and is_end:
            self._console.write_line(self._prefix + coloured(rest, before), 1)
        elif rest:
            self._console.write_start(self._prefix + coloured(rest, before), self)
        if is_end:
            self._colours = colours_after(self._colours + line) if self.has_colours else ""

    def _coloured(self, line: str) -> str:
        if not self._colours and "\x1b" not in line:
            return line
        text = coloured(line, self._colours)
        self._colours = colours_after(self._colours + line)
        return text


class ProgramOutput:
    """Takes what a program prints, and shows a line that does not end after a moment; see `processes.Output`."""

    def __init__(self, program: _Program, console: Console) -> None:
        self._lines = Lines(program)
        self._console = console
        self._later: TimerHandle | None = None

    def is_full(self) -> bool:
        """Whether to stop reading for the moment."""
        return self._console.is_full()

    def write(self, data: bytes) -> None:
        """Take some bytes."""
        self._lines.write(data)
        if self._lines.is_unfinished and self._later is None:
            self._later = get_running_loop().call_later(_UNFINISHED_SECONDS, self._show)

    def close(self) -> None:
        """Take the end of the output."""
        self._lines.write(b"", final=True)
        if self._later is not None:
            self._later.cancel()

    def _show(self) -> None:
        self._later = None
        self._lines.show()
