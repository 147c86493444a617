"""`architect attach` is for a debugger's prompt: what is typed reaches the service, and leaving it changes nothing."""

from __future__ import annotations

import fcntl
import os
import pty
import shlex
import signal
import socket
import subprocess
import termios
import threading
from collections.abc import Iterator

import pytest
from cli_system import COMMAND, LISTEN, PATIENCE, REPORT, SERVER, WAITING_SCRIPT, Running, System, wait_until

# each connection ends in the debugger
DEBUGGED = (
    REPORT
    + LISTEN
    + """
def answer(connection):
    token = os.environ["API_TOKEN"]
    breakpoint()
    connection.sendall(b"done")
    connection.close()
while True:
    connection = listener.accept()[0]
    if connection.recv(4):
        answer(connection)
"""
)


class Terminal:
    """A command in a terminal of its own, in which one can type."""

    def __init__(self, system: System, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=system.folder,
            env=system.environ(TERM="xterm"),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=_own_terminal,  # noqa: PLW1509 - it only makes one system call
        )
        os.close(slave)
        self._shown = b""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                self._shown += os.read(self._master, 65536)
            except OSError:
                return

    def shown(self) -> str:
        return self._shown.decode(errors="replace").replace("\r\n", "\n")

    def wait_for(self, text: str, count: int = 1) -> None:
        wait_until(lambda: self.shown().count(text) >= count or self.process.poll() is not None, self.shown)
        assert self.shown().count(text) >= count, self.shown()

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def ends(self) -> int:
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)


def _own_terminal() -> None:
    """In a child: make the terminal its own, so that Ctrl-C in it is a signal."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def running(system: System) -> Running:
    root = system.server("a/root", DEBUGGED, parameters={"API_TOKEN": {"default": "t0ken-of-root"}})
    return system.start("run", root).wait_for("a/root is ready at")


@pytest.fixture
def call(system: System, running: Running) -> Iterator[socket.socket]:
    """A connection to the service, which has called `breakpoint()` for it."""
    port = int(system.variables_of("a/root")["PORT"])
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall(b"call")
        running.wait_for("(Pdb)")
        yield connection


@pytest.fixture
def terminal(system: System, call: socket.socket) -> Iterator[Terminal]:
    one = Terminal(system, "attach", "root")
    try:
        one.wait_for("(Pdb) ")
        yield one
    finally:
        one.close()


def test_a_debugger_s_prompt_is_shown_and_answered_without_secrets(system, running, call, terminal):
    assert "attached to a/root; Ctrl-D leaves it running\n" in terminal.shown()
    assert '-> connection.sendall(b"done")\n' in terminal.shown()
    terminal.type("p 6 * 7\n")
    terminal.wait_for("\n42\n(Pdb) ")
    terminal.type("p token\n")
    terminal.wait_for("\n'***'\n(Pdb) ")
    terminal.type("p 'größer'\n")
    terminal.wait_for("\n'größer'\n(Pdb) ")
    terminal.type("continue\n")
    assert call.recv(10) == b"done"
    assert "t0ken" not in terminal.shown() + running.printed()


@pytest.mark.parametrize("key", ["\x04", "\x03"], ids=["Ctrl-D", "Ctrl-C"])
def test_ctrl_d_and_ctrl_c_leave_the_service_running_at_its_prompt(system, running, call, terminal, key):
    terminal.type(key)
    assert terminal.ends() == 0
    terminal.wait_for("\ndetached\n")
    again = Terminal(system, "attach", "root")
    try:
        again.wait_for("(Pdb) ")
        again.type("c\n")
        assert call.recv(10) == b"done"
        assert running.process.poll() is None
    finally:
        again.close()
    assert running.ends(signal.SIGINT) == 130
    system.assert_nothing_is_left()


def test_a_terminal_that_is_killed_or_closed_leaves_the_service_running(system, running, call, terminal):
    terminal.process.kill()
    for _ in range(2):
        again = Terminal(system, "attach", "root")
        again.wait_for("(Pdb) ")
        again.close()
    assert running.process.poll() is None


def test_two_terminals_see_the_same(system, running, call, terminal):
    other = Terminal(system, "attach", "root")
    try:
        other.wait_for("(Pdb) ")
        terminal.type("p 6 * 7\n")
        other.wait_for("42\n(Pdb) ")
        other.type("p 6 * 8\n")
        terminal.wait_for("48\n(Pdb) ")
    finally:
        other.close()


def test_a_terminal_stays_attached_when_the_service_is_started_again(system, running, call, terminal):
    system.succeeds("restart", "root")
    terminal.wait_for("serving\n", 2)
    with socket.create_connection(("127.0.0.1", int(system.variables_of("a/root")["PORT"])), PATIENCE) as second:
        second.sendall(b"call")
        terminal.wait_for("(Pdb) ", 2)
        terminal.type("c\n")
        assert second.recv(10) == b"done"


def test_when_the_run_ends_the_terminal_is_free(system, running, call, terminal):
    assert running.ends(signal.SIGTERM) == 143
    assert terminal.ends() == 0
    terminal.wait_for(" has ended\n")
    system.assert_nothing_is_left()


def test_input_may_come_from_a_pipe(system, running, call):
    system.process("attach", "root", input="continue\n")
    assert call.recv(10) == b"done"


def test_without_an_input_of_its_own_it_shows_what_is_printed_until_the_run_ends(system, running, call):
    command = f"{shlex.join([*COMMAND, 'attach', 'root'])} <&-"
    process = subprocess.Popen(
        ["bash", "-c", command], env=system.environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "attached to a/root; Ctrl-D leaves it running\n"
    assert running.ends(signal.SIGINT) == 130
    printed = process.stdout.read()
    process.stdout.close()
    assert "(Pdb) " in printed
    assert printed.endswith(" has ended\n")
    assert process.wait(PATIENCE) == 0


def test_what_has_no_input_is_an_error_that_says_what_to_do(system):
    system.server("a/base")
    root = system.service("a/root", WAITING_SCRIPT, dependencies={"a/base": "file:../base"})
    running = system.start("run", root).wait_for("waiting")
    assert "run it in a terminal: architect exec a/root -- COMMAND" in system.process("attach", "root").failed()
    system.succeeds("stop", "base")
    assert "a/base does not run: it is stopped" in system.process("attach", "base").failed()
    assert running.ends(signal.SIGINT) == 130


def test_input_that_is_not_read_does_not_block_the_run_and_is_reported(system):
    system.server("a/root", SERVER)
    running = system.start("run", system.folder / "root").wait_for("a/root is ready at")
    process = subprocess.Popen(
        [*COMMAND, "attach", "root"], env=system.environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("x" * 1_000_000 + "\n")
    process.stdin.flush()
    while process.stdout.readline() != "architect: a/root does not read what is typed\n":
        assert process.poll() is None
    process.stdin.close()
    process.stdout.read()
    process.stdout.close()
    assert process.wait(PATIENCE) == 0
    assert "ready" in system.succeeds("ps")
    assert running.ends(signal.SIGINT) == 130
