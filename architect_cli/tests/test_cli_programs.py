"""A program is started, read, written to and stopped."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from pathlib import Path

import psutil
from cli_system import PATIENCE, wait_until

from architect_cli.output.console import Console
from architect_cli.process.program import Program, spawn

DEBUGGED = "total = 41\nbreakpoint()\nprint('the total is', total)\n"


class Shown(io.StringIO):
    """What a console shows."""

    async def wait_for(self, text: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while text not in self.getvalue():
                await asyncio.sleep(0.01)


async def start(source: str, shown: Shown, folder: Path, **options: bool) -> Program:
    console = Console(["a"], shown)
    command = [sys.executable, "-u", "-c", source]
    return await spawn("a", command, console.output_of("a"), cwd=folder, env=dict(os.environ), **options)


def test_a_debugger_s_prompt_is_shown_and_answered(tmp_path):
    async def check() -> None:
        shown = Shown()
        program = await start(DEBUGGED, shown, tmp_path, takes_input=True)
        await shown.wait_for("(Pdb) ")
        assert program.write_input(b"total = 42\n")
        assert program.write_input(b"continue\n")
        assert await program.ended() == 0
        assert "the total is 42" in shown.getvalue()
        await program.stop()
        assert not program.write_input(b"too late\n")

    asyncio.run(check())


def test_a_program_that_takes_no_input_reads_the_end_of_it(tmp_path):
    async def check() -> None:
        shown = Shown()
        program = await start("import sys; print(repr(sys.stdin.read()))", shown, tmp_path)
        assert await program.ended() == 0
        assert not program.write_input(b"nobody reads this\n")
        assert shown.getvalue() == "a | ''\n"

    asyncio.run(check())


def test_a_program_is_in_its_folder_and_knows_it(tmp_path):
    async def check() -> None:
        shown = Shown()
        program = await start("import os; print(os.getcwd() == os.environ['PWD'])", shown, tmp_path)
        assert await program.ended() == 0
        assert shown.getvalue() == "a | True\n"

    asyncio.run(check())


def test_what_a_program_started_in_a_session_of_its_own_is_killed_with_the_rest(tmp_path):
    async def check() -> None:
        shown = Shown()
        source = "import subprocess as s; print(s.Popen(['sleep', '100'], start_new_session=True).pid)"
        program = await start(source, shown, tmp_path)
        await program.ended()
        child = psutil.Process(int(shown.getvalue().rpartition(" ")[2]))
        await program.stop()
        assert child.is_running()
        await program.kill_rest()
        wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)

    asyncio.run(check())


def test_the_end_of_a_program_is_seen_although_another_prints_without_an_end(tmp_path):
    async def check() -> None:
        shown = Shown()
        source = "import subprocess as s; s.Popen('yes', start_new_session=True); print('the program has ended')"
        program = await start(source, shown, tmp_path)
        assert await program.ended() == 0
        await shown.wait_for("the program has ended")
        await program.stop()
        await program.kill_rest()

    asyncio.run(check())
