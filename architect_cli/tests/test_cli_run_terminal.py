"""A run on a terminal, in the background of a shell, or with an output that cannot be written."""

from __future__ import annotations

import asyncio
import os
import pty
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from cli_system import COMMAND, LISTEN, PATIENCE, REPORT, WAITING_SCRIPT, System, wait_until

from architect_cli.process.patience import within


def shell(system: System, text: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash, in which $RUN is the command, in a session of its own."""
    return subprocess.run(
        ["bash", "-c", text],
        env=system.environ(RUN=f"{shlex.join(COMMAND)} run", **environ),
        cwd=system.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        start_new_session=True,
    )


def can_connect(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            return connection.recv(1) == b""  # the server has closed it
    except OSError:
        return False


def test_ctrl_z_stops_all_of_a_run_and_fg_goes_on(system):
    system.server("a/base")
    root = system.server("a/root", dependencies={"a/base": "file:../base"})
    running = system.start("run", root).wait_for("a/root is ready at")
    port = int(system.variables_of("a/base")["PORT"])
    assert can_connect(port)
    running.process.send_signal(signal.SIGTSTP)
    wait_until(lambda: {each.status() for each in system.processes()} == {psutil.STATUS_STOPPED})
    assert not can_connect(port)
    running.process.send_signal(signal.SIGCONT)
    wait_until(lambda: can_connect(port))
    assert running.ends(signal.SIGINT) == 130
    system.assert_nothing_is_left()


def test_a_run_can_be_stopped_and_continued_again_and_ended_while_it_is_stopped(system):
    running = system.start("run", system.server("a/root")).wait_for("a/root is ready at")
    for _ in range(2):
        running.process.send_signal(signal.SIGTSTP)
        wait_until(lambda: {each.status() for each in system.processes()} == {psutil.STATUS_STOPPED})
        running.process.send_signal(signal.SIGCONT)
        wait_until(lambda: psutil.STATUS_STOPPED not in {each.status() for each in system.processes()})
    running.process.send_signal(signal.SIGTSTP)
    wait_until(lambda: {each.status() for each in system.processes()} == {psutil.STATUS_STOPPED})
    running.process.send_signal(signal.SIGTERM)
    assert running.ends(signal.SIGCONT) == 143
    system.assert_nothing_is_left()


@pytest.mark.exhaustive
def test_the_time_in_which_a_run_was_stopped_is_not_that_of_a_service_that_starts(system):
    late = REPORT + "while not (REPORTS / 'go').exists(): time.sleep(0.01)\n" + LISTEN + "serve()\n"
    running = system.start("run", system.server("a/root", late), "--timeout", "5")
    wait_until(lambda: system.started() == ["a/root"])
    running.process.send_signal(signal.SIGTSTP)
    time.sleep(6)
    (system.reports / "go").touch()
    running.process.send_signal(signal.SIGCONT)
    assert running.wait_for("a/root is ready at").ends(signal.SIGINT) == 130


def test_time_in_which_this_process_does_nothing_is_not_counted():
    async def check() -> str:
        async def work() -> str:
            time.sleep(1.6)  # stops the loop, too
            await asyncio.sleep(0.05)
            return "done"

        return await within(1.5, work())

    assert asyncio.run(check()) == "done"


def test_work_that_takes_too_long_is_cancelled():
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            ended.append("cancelled")

    with pytest.raises(TimeoutError):
        asyncio.run(within(0.05, work()))
    assert ended == ["cancelled"]


def test_the_error_of_work_is_that_of_waiting_for_it():
    async def work() -> None:
        raise KeyError("of the work")

    with pytest.raises(KeyError, match="of the work"):
        asyncio.run(within(5, work()))


def ignored(pid: int) -> set[signal.Signals]:
    status = Path(f"/proc/{pid}/status").read_text()
    mask = int(status.partition("SigIgn:")[2].split()[0], 16)
    return {number for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM) if mask & (1 << (number - 1))}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux shows which signals are ignored")
@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("", set()),
        ("trap '' HUP;", {signal.SIGHUP}),
        ("trap '' INT;", {signal.SIGINT}),
        ("trap '' INT HUP;", {signal.SIGINT, signal.SIGHUP}),
    ],
)
def test_an_ignored_signal_remains_ignored_by_the_run_and_its_services(system, prefix, expected):
    root = system.service("a/root", WAITING_SCRIPT)
    command = ["bash", "-c", f'{prefix} exec "$0" "$@"', *COMMAND]
    running = system.start("run", root, command=command).wait_for("waiting")
    (service,) = [each for each in system.processes() if each.cmdline()[1:] == ["main.py"]]
    assert ignored(service.pid) == expected
    for number in expected:
        running.process.send_signal(number)
    time.sleep(0.3)
    assert "stopping" not in running.printed()
    assert running.ends(signal.SIGTERM) == 143
    assert "stopping (SIGTERM)" in running.printed()


def test_a_closed_terminal_ends_the_run_as_a_hangup(system):
    system.service("a/root", REPORT + "while True: print('tick', flush=True); time.sleep(0.01)\n")
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(system.folder)
        os.execvpe(COMMAND[0], [*COMMAND, "run", "root"], system.environ(TERM="xterm"))
    shown = b""
    while b"tick" not in shown:
        shown += os.read(master, 4096)
    os.close(master)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP
    system.assert_nothing_is_left()


def test_a_run_with_a_closed_output_goes_on_and_its_service_has_no_file_of_it(system):
    program = REPORT + "(REPORTS / 'files').write_text(' '.join(sorted(os.listdir('/dev/fd'), key=int)))\n"
    system.service("a/root", program + "print('unseen')\nsys.exit(3)\n")
    for closed in (">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"):
        done = shell(system, f"$RUN root {closed}")
        assert (done.returncode, done.stderr) == (3, ""), closed
        assert ("unseen" in done.stdout) == (closed in {"2>&-", "<&-"}), closed
        assert (system.reports / "files").read_text().split()[:3] == ["0", "1", "2"]
    system.assert_nothing_is_left()


@pytest.mark.parametrize("to", ["> /dev/full", "> /dev/full 2>&1", "2> /dev/full > /dev/full"])
def test_a_full_disk_ends_the_run_although_nothing_can_say_so(system, to):
    system.service("a/root", WAITING_SCRIPT)
    done = shell(system, f"$RUN root {to}")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    system.assert_nothing_is_left()


def test_an_error_that_cannot_be_written_is_an_exit_code(system):
    assert shell(system, "$RUN nowhere 2> /dev/full").returncode == 1
    assert shell(system, "$RUN nowhere 2>&-").returncode == 1


@pytest.mark.parametrize("kind", ["missing", "a file"])
def test_no_folder_for_temporary_files_is_an_error_that_says_so(system, kind):
    system.service("a/root", WAITING_SCRIPT)
    folder = system.folder / "nothing"
    if kind == "a file":
        folder.touch()
    # as where all of the file system can only be read
    source = (
        "import tempfile; from architect_cli.main import main; tempfile._get_default_tempdir = lambda: {!r}; main()"
    )
    running = system.start("run", "root", command=[sys.executable, "-c", source.format(str(folder))])
    assert running.ends() == 1
    assert "architect: a folder for temporary files cannot be made: " in running.printed()
    assert "Set TMPDIR to a folder that can be written" in running.printed()
    assert "Traceback" not in running.printed()


def test_ctrl_c_after_the_reader_is_gone_is_no_error(system):
    system.service("a/root", WAITING_SCRIPT)
    process = subprocess.Popen(
        [*COMMAND, "run", "root"],
        cwd=system.folder,
        env=system.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert b"waiting" in process.stdout.readline()
    process.stdout.close()
    process.send_signal(signal.SIGINT)  # the run now writes that it stops
    assert process.wait(PATIENCE) == 130
    assert process.stderr.read() == b""
    process.stderr.close()
    system.assert_nothing_is_left()
