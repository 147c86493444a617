"""Answers the requests to a run, of its own user only."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING, Any, Protocol

from architect_cli.control.folder import CONTROL, SOCKET, id_of
from architect_cli.control.protocol import LONGEST, address_of, decode, encode, peer_uid
from architect_cli.control.runs import Described, describe
from architect_cli.output.history import RUN, Printed
from architect_cli.parts.part import State
from architect_core.exceptions import ArchitectError, RunError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from architect_cli.output.history import Follower, History
    from architect_cli.parts.keeping import Parts
    from architect_cli.parts.part import Part

    Answers = AsyncGenerator[dict[str, Any], None]

_ALLOWED = {os.geteuid(), 0, None}  # if the system does not say who it is, the modes of the files are all there is
_LAST_LINES = 10


class Controlled(Protocol):
    """The run that is controlled."""

    parts: Parts
    history: History
    shown: list[str]

    def stop(self) -> None:
        """End the whole run."""

    def note(self, text: str) -> None:
        """Show what is done."""

    def masked(self, text: str) -> str:
        """Returns text without secrets."""


class Control:
    """The socket of a run."""

    def __init__(self, run: Controlled, folder: Path, roots: dict[str, str]) -> None:
        self._run = run
        self._folder = folder
        self._roots = roots
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen, and describe the run; raises RunError if that fails."""
        own = self._folder / CONTROL
        try:
            own.mkdir(mode=0o700)
            listener = socket.socket(socket.AF_UNIX)
            with address_of(own / SOCKET) as address:
                listener.bind(address)
            (own / SOCKET).chmod(0o600)
            self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=LONGEST)
            describe(self._folder, Described(id_of(self._folder), os.getpid(), self._roots, time.time()))
        except OSError as problem:
            raise RunError(f"the control socket {own / SOCKET} cannot be made: {problem.strerror}") from problem

    async def close(self) -> None:
        """Take no more requests, and end those that go on."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio has made one for this connection
        self._open.add(task)
        try:
            await self._answer(reader, writer)
        except (OSError, asyncio.CancelledError):  # the client is gone, or the run ends
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            if peer_uid(writer.get_extra_info("socket")) not in _ALLOWED:
                raise RunError("this run is another user's")
            answers_of_request = self._do(decode(line), reader)
            writer.write(encode({"accepted": True}))
            await writer.drain()
            async with contextlib.aclosing(answers_of_request) as answers:
                async for answer in answers:
                    writer.write(encode(answer))
                    await writer.drain()
            last: dict[str, Any] = {"end": True}
        except ArchitectError as problem:
            last = {"error": self._run.masked(str(problem))}
        except (ValueError, TypeError, KeyError) as problem:
            last = {"error": f"this is no request: {problem}"}
        writer.write(encode(last))
        await writer.drain()

    def _do(self, request: dict[str, Any], reader: asyncio.StreamReader) -> Answers:
        command = request["command"]
        commands: dict[str, Callable[[], Answers]] = {
            "ps": self._ps,
            "logs": lambda: self._logs(request["names"], request["lines"], reader if request["follow"] else None),
            "restart": lambda: self._restart(self._run.parts.find(request["name"])),
            "stop": lambda: self._stop(None if request["name"] is None else self._run.parts.find(request["name"])),
            "attach": lambda: self._attach(self._run.parts.find(request["name"]), reader),
            "environment": lambda: self._environment(self._run.parts.find(request["name"])),
        }
        if command not in commands:
            raise RunError(f"the run knows no command {command!r}; it may be of another version of architect")
        return commands[command]()

    async def _ps(self) -> Answers:
        yield {"parts": [_described(part) for part in self._run.parts]}

    async def _logs(self, names: list[str], count: int | None, reader: asyncio.StreamReader | None) -> Answers:
        """Answer with the last lines and, if `reader` is stated, go on until that ends."""
        shown = [self._run.parts.find(name).name for name in names] or self._run.shown
        wanted = set(shown) if names else {RUN, *shown}
        yield {"names": shown}
        if reader is None:
            yield {"lines": self._run.history.last(wanted, count)}
            return
        follower = self._run.history.follow(wanted)
        reading = asyncio.create_task(_read(reader, follower))
        try:
            yield {"lines": self._run.history.last(wanted, count)}
            async for printed in follower:
                if printed.lines:
                    yield {"lines": [(printed.name, line) for line in printed.lines]}
        finally:
            reading.cancel()
            follower.close()

    async def _restart(self, part: Part) -> Answers:
        self._run.note(f"{part.name} is restarted (architect restart)")
        state = await self._run.parts.restart(part.name)
        if state is State.FAILED and part.problem is not None:
            raise part.problem
        yield {"part": _described(part, state)}

    async def _stop(self, part: Part | None) -> Answers:
        if part is None:
            self._run.stop()
            return
        self._run.note(f"{part.name} is stopped (architect stop)")
        await self._run.parts.stop(part.name)
        yield {"part": _described(part)}

    async def _environment(self, part: Part) -> Answers:
        if part.kind not in {"service", "companion", "migration"}:
            raise RunError(f"{part.name} is no service: state the service in whose environment the command is to run")
        if part.start is None:
            raise RunError(f"{part.name} waits for what it needs, and has no environment yet")
        yield {"name": part.name, "folder": str(part.start.cwd), "environment": dict(part.start.env)}

    async def _attach(self, part: Part, reader: asyncio.StreamReader) -> Answers:
        if part.start is not None and not part.start.takes_input:
            raise RunError(
                f"{part.name} reads no input. To debug a script, run it in a terminal: "
                f"architect exec {part.name} -- COMMAND"
            )
        if part.pid is None:
            raise RunError(f"{part.name} does not run: it is {part.state}")
        follower = self._run.history.follow({part.name})
        reading = asyncio.create_task(_read(reader, follower, part))
        try:
            last = [line for _, line in self._run.history.last({part.name}, _LAST_LINES)]
            yield {"name": part.name, "lines": last, "started": self._run.history.started(part.name)}
            async for printed in follower:
                yield {"lines": list(printed.lines), "started": printed.start}
        finally:
            reading.cancel()
            follower.close()


async def _read(reader: asyncio.StreamReader, follower: Follower, part: Part | None = None) -> None:
    """Write what the client sends to the standard input of a part; end the answers when the client is gone."""
    with contextlib.suppress(ValueError, OSError):
        while line := await reader.readline():
            if part is None:
                continue
            typed = str(decode(line).get("input", "")).encode()
            if part.program is None or not part.program.write_input(typed):
                follower.take(Printed(part.name, [f"architect: {part.name} does not read what is typed"]))
    follower.close()


def _described(part: Part, state: State | None = None) -> dict[str, Any]:
    state = state or part.state
    return {
        "name": part.name,
        "kind": part.kind,
        "state": str(state),
        "address": part.address,
        "pid": part.pid,
        "restarts": part.restarts,
        "exit_code": part.exit_code,
        "uptime": round(time.monotonic() - part.since, 1) if state is State.READY else None,
    }
