"""Sends requests to a run and reads its answers. It imports little, because commands should start fast."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING, Any

from architect_cli.control.folder import CONTROL, SOCKET, folder_of, is_locked
from architect_cli.control.protocol import address_of, decode, encode
from architect_core.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from architect_cli.control.runs import Described

_ANSWER_SECONDS = 5.0  # until a run accepts a request
_POLL_SECONDS = 0.02
_PIECE = 1 << 20


class Connection:
    """A request to a run, and its answers."""

    def __init__(self, run: Described, command: str, **request: Any) -> None:
        """Send the request; raises RunError if the run does not take it."""
        self._run = run
        self._received = b""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_ANSWER_SECONDS)
        try:
            with address_of(folder_of(run.id) / CONTROL / SOCKET) as address:
                self._socket.connect(address)
            self.send({"command": command, **request})
            self.receive()  # that it is accepted
        except OSError as problem:
            self._socket.close()
            is_late = isinstance(problem, TimeoutError)
            reason = "it does not answer; it may be suspended (Ctrl-Z)" if is_late else problem.strerror
            raise RunError(f"the run {run.label} cannot be reached: {reason}") from problem
        except RunError:
            self._socket.close()
            raise
        self._socket.settimeout(None)

    def fileno(self) -> int:
        """The number of its socket, for `select`."""
        return self._socket.fileno()

    def finish(self) -> None:
        """Send nothing further. What was sent is lost if the request is closed before the last answer is received."""
        self._socket.shutdown(socket.SHUT_WR)
        self._socket.settimeout(_ANSWER_SECONDS)

    def close(self) -> None:
        """End the request."""
        self._socket.close()

    def send(self, message: dict[str, Any]) -> None:
        """Send an object."""
        self._socket.sendall(encode(message))

    @property
    def has_answer(self) -> bool:
        """Whether another answer was received already."""
        return b"\n" in self._received

    def receive(self) -> dict[str, Any] | None:
        """Wait for the next answer; None after the last one.

        Raises RunError with the message of the run if the last one is an error, or if the run ends before that.
        """
        while b"\n" not in self._received:
            data = b""
            with contextlib.suppress(ConnectionError):
                data = self._socket.recv(_PIECE)
            if not data:
                raise RunEndedError(f"the run {self._run.label} has ended")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        answer = decode(line)
        if "error" in answer:
            raise RunError(str(answer["error"]))
        return None if "end" in answer else answer

    def answers(self) -> Iterator[dict[str, Any]]:
        """The answers up to the last one; raises RunError as `receive` does."""
        while (answer := self.receive()) is not None:
            yield answer


class RunEndedError(RunError):
    """A run ended before it answered."""


def ask(run: Described, command: str, **request: Any) -> list[dict[str, Any]]:
    """Returns the answers to a request; raises RunError if it fails."""
    connection = Connection(run, command, **request)
    try:
        return list(connection.answers())
    finally:
        connection.close()


def wait_for_end(run: Described) -> None:
    """Wait until nothing of the run is left."""
    while is_locked(folder_of(run.id)):
        time.sleep(_POLL_SECONDS)
