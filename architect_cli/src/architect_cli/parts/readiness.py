"""When a program that was started is ready: it listens on its port, and a plugin's probe may ask for more."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from architect_cli.planning.plan import LOCAL
from architect_cli.process.listening import other_listener
from architect_cli.process.patience import within
from architect_core.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from architect_cli.output.console import Console
    from architect_cli.process.program import Program

_POLL_SECONDS = 0.02
_OTHER_SECONDS = 0.5  # between two looks whether another program still has the port


async def until_listening(
    program: Program,
    port: int,
    timeout: float,
    console: Console,
    is_ready: Callable[[], Awaitable[bool]] | None = None,
    plugin: str = "",
) -> None:
    """Wait until the program listens on `port` and is ready, as `plugin` decides.

    Raises RunError if it ends before, or is too slow.
    """
    state = f"does not listen on {LOCAL}:{port} ($HOST:$PORT)"

    async def listening() -> None:
        nonlocal state
        while program.exit_code is None:
            if await _listens(port):
                other = other_listener(program, port)
                if other is not None:
                    state = f"does not listen on {LOCAL}:{port}, where {other} listens instead of it,"
                    await asyncio.sleep(_OTHER_SECONDS)
                elif is_ready is None or await is_ready():
                    return
                else:
                    state = f"listens on {LOCAL}:{port} and is not ready, says the plugin {plugin!r},"
            await asyncio.sleep(_POLL_SECONDS)
        await program.ended()
        state = f"ended with exit code {program.exit_code} before it listened on {LOCAL}:{port}"
        raise ProgramError(program.name, state, console.last_lines(program.name))

    try:
        await within(timeout, listening())
    except TimeoutError:
        state = f"{state} after {timeout:g} seconds (--timeout)"
        raise ProgramError(program.name, state, console.last_lines(program.name)) from None


class ProgramError(RunError):
    """A program failed; the message ends with its last lines, the `headline` has none."""

    def __init__(self, name: str, what: str, last_lines: Sequence[str]) -> None:
        self.headline = f"{name} {what}"
        text = "".join(f"\n    {line}" for line in last_lines)
        super().__init__(self.headline + (f". Its last lines:{text}" if text else ", and printed nothing"))


async def _listens(port: int) -> bool:
    with socket.socket() as connection:
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, (LOCAL, port))
        except OSError:
            return False
        # if nothing listens, the system may give this end the very port that it connects to: it is connected to itself
        return bool(connection.getsockname() != connection.getpeername())
