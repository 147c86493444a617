"""What is written reaches a slow reader whole, and does not wait for one that does not read."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest
from cli_system import PATIENCE, wait_until

from architect_cli.output import writer
from architect_cli.output.writer import Writer

LINE = "x" * 99 + "\n"


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, Writer]]:
    """The end of a pipe to read from, and what writes to the other one; a reader is stuck after half a second."""
    monkeypatch.setattr(writer, "_STUCK_SECONDS", 0.5)
    read, write = os.pipe()
    with os.fdopen(write, "w", encoding="utf-8") as stream, os.fdopen(read, "rb", closefd=False):
        yield read, Writer(stream)
        os.close(read)  # before the other end, which a thread may be writing to


def reading(pipe: int, into: list[bytes]) -> threading.Thread:
    def work() -> None:
        while not into or not into[-1].endswith(b"end\n"):
            into.append(os.read(pipe, 65536))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("blocking", [True, False])
def test_a_slow_reader_gets_everything_in_order(pipe, blocking):
    read, output = pipe
    os.set_blocking(output._file, blocking)
    found: list[bytes] = []
    lines = [f"{number} {LINE}" for number in range(3000)]
    for line in lines[:1000]:
        output.write(line, 1)
    time.sleep(0.1)
    thread = reading(read, found)
    for line in lines[1000:]:
        while output.is_full():
            time.sleep(0.001)
        output.write(line, 1)
    output.write("end\n")
    thread.join(PATIENCE)
    assert b"".join(found).decode() == "".join(lines) + "end\n"


def test_what_a_reader_who_does_not_read_misses_is_counted_and_notes_are_kept(pipe):
    read, output = pipe
    for _ in range(12_000):  # more than a megabyte
        output.write(LINE, 1)
    assert output.is_full()
    wait_until(lambda: not output.is_full())
    for _ in range(7):
        output.write(LINE, 1)
    output.write("a note\n")
    before = time.monotonic()
    output.flush()
    assert time.monotonic() - before < PATIENCE / 2
    found: list[bytes] = []
    thread = reading(read, found)
    output.write("end\n")
    thread.join(PATIENCE)
    assert b"".join(found).decode() == (
        LINE * 12_000 + "... 7 lines are not shown, because this output was not read ...\na note\nend\n"
    )


def test_a_reader_that_is_gone_is_reported_once_and_nothing_waits_for_it(pipe):
    read, output = pipe
    problems: list[OSError] = []
    output.on_failure = problems.append
    os.dup2(os.open(os.devnull, os.O_RDONLY), read)  # closes the end to read from
    output.write(LINE)
    wait_until(lambda: bool(problems))
    output.write(LINE)
    output.flush()
    assert [type(problem) for problem in problems] == [BrokenPipeError]


def test_without_an_output_everything_is_taken():
    output = Writer(None)
    output.write(LINE)
    output.flush()
    assert not output.is_full()
