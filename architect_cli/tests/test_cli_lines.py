"""What a person sees of a service's colours, progress and prompts."""

from __future__ import annotations

import asyncio
import io

import pytest

from architect_cli.output.console import Console
from architect_cli.output.lines import coloured, colours_after, is_plain, visible, without_colours
from architect_cli.output.prefixes import wants_colour

RED, GREEN, RESET = "\x1b[31m", "\x1b[32m", "\x1b[0m"
MOMENT = 0.2  # after which an unfinished line was shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def a_terminal_with_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize(
    ("printed", "shown", "plain"),
    [
        ("text", "text", "text"),
        ("tab\tbed", "tab\tbed", "tab\tbed"),
        (f"{RED}red{RESET} not", f"{RED}red{RESET} not", "red not"),
        ("\x1b[38;5;208morange\x1b[m", "\x1b[38;5;208morange\x1b[m", "orange"),
        # moves of the cursor, clearing, titles and modes
        ("\x1b[2J\x1b[H\x1b[3Jcleared", "cleared", "cleared"),
        ("\x1bcreset", "reset", "reset"),
        ("\x1b]0;a title\x07after", "after", "after"),
        ("\x1b]2;a title\x1b\\after", "after", "after"),
        ("\x1b]8;;http://h\x1b\\a link\x1b]8;;\x1b\\", "a link", "a link"),
        ("\x1b[?1049h\x1b[?25lfull screen", "full screen", "full screen"),
        ("\x1bP1;2q#sixel\x1b\\picture", "picture", "picture"),
        ("\x1b(Bcharset", "charset", "charset"),
        ("\x1b[1A\x1b[2Kover", "over", "over"),
        # progress: what follows the last carriage return
        ("10 %\r20 %", "20 %", "20 %"),
        ("10 %\r20 %\r", "20 %", "20 %"),
        ("\r 50 %|##  |", " 50 %|##  |", " 50 %|##  |"),
        ("working\r\x1b[K", "", ""),
        ("windows\r", "windows", "windows"),
        # other control characters
        ("a\x00b\x07c\x08d\x7fe\x9bf", "abcdef", "abcdef"),
        ("größer « 根", "größer « 根", "größer « 根"),
        # sequences that never end
        ("end \x1b[", "end ", "end "),
        ("end \x1b", "end ", "end "),
        ("end \x1b]0;title", "end ", "end "),
    ],
)
def test_a_line_is_shown_as_a_terminal_shows_it_in_one_line(printed, shown, plain):
    assert visible(printed, has_colours=True) == shown
    assert visible(printed, has_colours=False) == plain
    assert without_colours(shown) == plain


@pytest.mark.parametrize(
    ("data", "plain"),
    [
        (b"text\tand\nlines", True),
        ("größer 根".encode(), True),
        (b"\x1b[31m", False),
        (b"\r", False),
        (b"\x00", False),
        (b"\xc2\x9b31m", False),
    ],
)
def test_only_text_without_control_characters_is_plain(data, plain):
    assert is_plain(data) == plain


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("text", ""),
        (f"{RED}red", RED),
        (f"{RED}red{RESET}", ""),
        (f"{RED}red\x1b[m", ""),
        (f"{RED}red{RESET}{GREEN}green", GREEN),
        (f"\x1b[1m{RED}both", f"\x1b[1m{RED}"),
        (f"{RED}red\x1b[0;1mbold", "\x1b[0;1m"),
    ],
)
def test_the_colours_at_the_end_of_a_line_are_known(text, after):
    assert colours_after(text) == after
    assert colours_after(coloured(text, "")) == ""


async def pieces(stream: io.StringIO, *printed: tuple[str, str]) -> list[str]:
    """What was written to a stream after each piece that a service printed, and a moment."""
    console = Console(["a", "b"], stream)
    outputs = {name: console.output_of(name) for name in ("a", "b")}
    seen, before = [], ""
    for name, text in printed:
        outputs[name].write(text.encode())
        await asyncio.sleep(MOMENT if not text.endswith("\n") else 0)
        seen.append(stream.getvalue()[len(before) :])
        before = stream.getvalue()
    return seen


def shown(stream: io.StringIO, *printed: tuple[str, str]) -> list[str]:
    return asyncio.run(pieces(stream, *printed))


def on_terminal(*printed: tuple[str, str]) -> list[str]:
    """The same on a terminal, with the prefixes without their colours."""
    prefixes = {
        f"\x1b[{colour}m{name}\x1b[0m \x1b[2m|\x1b[0m ": f"{name} | " for name, colour in (("a", 36), ("b", 32))
    }
    found = shown(Terminal(), *printed)
    for prefix, plain in prefixes.items():
        found = [text.replace(prefix, plain) for text in found]
    return found


def test_a_prompt_is_shown_before_its_line_ends_and_the_answer_follows_it():
    assert shown(io.StringIO(), ("a", "(Pdb) "), ("a", "41\n"), ("a", "(Pdb) ")) == ["a | (Pdb) ", "41\n", "a | (Pdb) "]


def test_another_service_s_line_starts_a_line_of_its_own():
    printed = [("a", "(Pdb) "), ("b", "serving\n"), ("a", "41\n"), ("a", "next\n")]
    assert shown(io.StringIO(), *printed) == ["a | (Pdb) ", "\nb | serving\n", "a | 41\n", "a | next\n"]


def test_progress_is_shown_in_one_line_of_a_terminal():
    printed = [("a", "10 %"), ("a", "\r20 %"), ("a", "\r30 %\n")]
    assert on_terminal(*printed) == ["a | 10 %", "\r\x1b[Ka | 20 %", "\r\x1b[Ka | 30 %\n"]


def test_progress_is_shown_in_lines_of_a_file():
    printed = [("a", "10 %\r"), ("a", "20 %\r"), ("a", "30 %\n")]
    assert shown(io.StringIO(), *printed) == ["a | 10 %", "\na | 20 %", "\na | 30 %\n"]


def test_progress_that_is_fast_is_shown_as_it_ends():
    stream = io.StringIO()
    assert shown(stream, ("a", "".join(f"{number} %\r" for number in range(101)) + "\n")) == ["a | 100 %\n"]


def test_a_character_that_two_reads_share_is_shown_whole():
    async def check() -> str:
        stream = io.StringIO()
        output = Console(["a"], stream).output_of("a")
        for byte in "größer 根\r\n".encode():
            output.write(bytes([byte]))
        output.close()
        return stream.getvalue()

    assert asyncio.run(check()) == "a | größer 根\n"


def test_a_sequence_that_two_reads_share_is_one():
    assert on_terminal(("a", "\x1b[3"), ("a", "1mred\n")) == ["", f"a | {RED}red{RESET}\n"]
    assert on_terminal(("a", "x\x1b]0;ti"), ("a", "tle\x07y\n")) == ["a | x", "y\n"]


def test_colours_end_with_a_line_and_go_on_in_the_service_s_next_one():
    printed = [("a", f"{RED}first\n"), ("b", "other\n"), ("a", f"second{RESET} not\n"), ("a", "third\n")]
    assert on_terminal(*printed) == [
        f"a | {RED}first{RESET}\n",
        "b | other\n",
        f"a | {RED}second{RESET} not\n",
        "a | third\n",
    ]


def test_colours_go_on_after_a_prompt():
    printed = [("a", f"{RED}sure? "), ("a", f"yes{RESET}\n")]
    assert on_terminal(*printed) == [f"a | {RED}sure? {RESET}", f"{RED}yes{RESET}\n"]


def test_a_file_gets_no_colours_of_services():
    assert shown(io.StringIO(), ("a", f"{RED}red{RESET}\n")) == ["a | red\n"]


@pytest.mark.parametrize(
    ("variables", "terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, True, False),
        ({"FORCE_COLOR": "false"}, True, False),
        ({"FORCE_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "3", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
        ({"TERM": ""}, True, True),
    ],
)
def test_colour_is_for_terminals_that_have_it_unless_the_user_says_otherwise(monkeypatch, variables, terminal, wanted):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert wants_colour(Terminal() if terminal else io.StringIO()) is wanted
    assert wants_colour(None) is (bool(variables.get("FORCE_COLOR")) and wanted)


def test_on_a_terminal_without_colours_nothing_is_drawn_again(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert on_terminal(("a", "10 %"), ("a", "\r20 %\n")) == ["a | 10 %", "\na | 20 %\n"]
