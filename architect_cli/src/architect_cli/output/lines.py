"""Turns what a program prints into lines: without what only moves the cursor, with colours that end with each line."""

from __future__ import annotations

import codecs
import re
from typing import Protocol

LONGEST_LINE = 65536  # of a longer one, each piece becomes a line

_CONTROLS = bytes({*range(32), 127} - {9, 10})
_SEQUENCE = re.compile(
    r"(\x1b\[[0-9;:]*m)"  # the colour of what follows (SGR)
    r"|\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])"  # ECMA-48
    r"|[\x00-\x08\x0a-\x1f\x7f-\x9f]"
)
_STARTED_SEQUENCE = re.compile(r"(?:\r|\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?)\Z")
_RESET = "\x1b[0m"
_ENDS_COLOURS = re.compile(r"\x1b\[0*(?:;(.*))?m")  # and may set others


def is_plain(data: bytes) -> bool:
    """Whether text has no control characters but tabs and newlines."""
    # "\xc2" starts those above 127, and some others
    return len(data.translate(None, _CONTROLS)) == len(data) and b"\xc2" not in data


def without_colours(text: str) -> str:
    """Returns a line without any control sequence."""
    return _SEQUENCE.sub("", text)


def visible(line: str, *, has_colours: bool) -> str:
    r"""Returns what a terminal shows of a line that a program has printed: what follows the last carriage return.

    >>> visible("10 %\r20 %\x1b[K\r", has_colours=True)
    '20 %'
    """
    line = line.rstrip("\r").rpartition("\r")[2]
    return _SEQUENCE.sub(lambda match: match[1] or "" if has_colours else "", line)


def unfinished_sequence(text: str) -> int:
    """How many characters at the end of `text` are the start of a control sequence, or a carriage return."""
    found = _STARTED_SEQUENCE.search(text, max(len(text) - 256, 0))
    return len(text) - found.start() if found else 0


def colours_after(text: str) -> str:
    """Returns the sequences that set the colours which are in use after `text`."""
    active = ""
    for match in _SEQUENCE.finditer(text):
        if match[1]:
            reset = _ENDS_COLOURS.fullmatch(match[1])
            active = match[1] if reset and reset[1] else "" if reset else active + match[1]
    return active


def coloured(text: str, before: str) -> str:
    """Returns text that starts with the colours `before` and ends without any."""
    if not before and "\x1b" not in text:
        return text
    text = before + text
    return text + _RESET if colours_after(text) else text


class Screen(Protocol):
    """What `Lines` are shown on."""

    has_colours: bool

    def masked(self, text: str) -> str:
        """Returns text without secrets."""

    def held(self, text: str) -> int:
        """Returns how many characters at the end of text may be the start of a secret."""

    def finish(self, lines: list[str], shown: str) -> None:
        """Take complete lines; of the first one, `shown` has been shown already."""

    def show(self, line: str, shown: str) -> None:
        """Take a line that may go on, of which `shown` has been shown already."""


class Lines:
    """The lines of one program."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""  # of a line
        self._shown = ""
        self._is_plain = True

    @property
    def is_unfinished(self) -> bool:
        """Whether a line has started and is not shown, or not all of it."""
        return bool(self._rest)

    def write(self, data: bytes, *, final: bool = False) -> None:
        """Take more of what the program prints; `final` if there is no more."""
        self._is_plain = self._is_plain and is_plain(data)
        complete, newline, rest = (self._rest + self._decoder.decode(data, final)).rpartition("\n")
        if newline:
            self._finish(complete)
        self._rest = rest
        if final and rest:
            self._finish(rest)
            self._rest = ""
        while len(self._rest) > LONGEST_LINE:
            cut = LONGEST_LINE - self._held(self._rest[:LONGEST_LINE])
            piece, self._rest = self._rest[: cut or LONGEST_LINE], self._rest[cut or LONGEST_LINE :]
            self._finish(piece)
        self._is_plain = self._is_plain or not self._rest

    def show(self) -> None:
        """Show the line that has started, but for what may be the start of a secret."""
        rest = self._rest[: len(self._rest) - self._held(self._rest)]
        line = visible(self._screen.masked(rest), has_colours=self._screen.has_colours)
        if line and line != self._shown:
            self._screen.show(line, self._shown)
            self._shown = line

    def _held(self, text: str) -> int:
        return max(self._screen.held(text), unfinished_sequence(text))

    def _finish(self, text: str) -> None:
        lines = self._screen.masked(text).split("\n")
        if not self._is_plain:
            lines = [visible(line, has_colours=self._screen.has_colours) for line in lines]
        self._screen.finish(lines, self._shown)
        self._shown = ""
