"""Whichever processes of a run are killed, nothing that it started survives, and nothing remains a zombie."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

import psutil
import pytest
from cli_system import LISTEN, REPORT, WAITING_SCRIPT, Running, System, wait_until

from architect_cli.process.reaping import HIGH

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux ends a program with the one that started it"
)

# npm starts a shell, which starts the server
AS_NPM = "sh -c 'python main.py; true'; true"
# has a server in a session of its own, too
WITH_DAEMON = (
    REPORT
    + """
import subprocess
PROGRAM = '''
import pathlib, socket, sys, time
listener = socket.create_server(("127.0.0.1", 0))
pathlib.Path(sys.argv[1]).write_text(str(listener.getsockname()[1]))
time.sleep(600)
'''
port = REPORTS / "daemon"
subprocess.Popen([sys.executable, "-c", PROGRAM, str(port)], start_new_session=True)
while not (port.exists() and port.read_text()):
    time.sleep(0.01)
"""
    + LISTEN
    + "serve()\n"
)
WAYS = {"outer": (0,), "inner": (1,), "both": (0, 1), "both, the inner one first": (1, 0)}


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 10).close()
    except OSError:
        return False
    return True


def kill(running: Running, which: tuple[int, ...]) -> None:
    pids = (running.process.pid, running.inner().pid)
    for index in which:
        os.kill(pids[index], signal.SIGKILL)
    running.process.wait()


def start(system: System) -> tuple[Running, list[int]]:
    """A run of a server with a daemon, and the ports of both."""
    root = system.server("a/root", WITH_DAEMON, debug=AS_NPM)
    running = system.start("run", root).wait_for("is ready at")
    ports = [int(system.variables_of("a/root")["PORT"]), int((system.reports / "daemon").read_text())]
    assert all(map(listens, ports))
    return running, ports


def let_the_run_see_both(running: Running) -> None:
    """Wait until the run holds the process groups of the server and of its daemon, each by two pipes."""
    files = Path(f"/proc/{running.inner().pid}/fd")
    wait_until(lambda: len([each for each in files.iterdir() if int(each.name) >= HIGH]) >= 4)


@pytest.mark.parametrize("which", WAYS)
def test_nothing_listens_after_processes_of_the_run_were_killed(system, which):
    running, ports = start(system)
    if len(WAYS[which]) > 1:
        let_the_run_see_both(running)
    kill(running, WAYS[which])
    wait_until(lambda: not any(map(listens, ports)))
    wait_until(lambda: not system.processes())


@pytest.mark.exhaustive
@pytest.mark.parametrize("which", WAYS)
@pytest.mark.parametrize("round", range(20))
def test_nothing_listens_after_processes_of_the_run_were_killed_at_another_time(system, which, round):
    running, ports = start(system)
    let_the_run_see_both(running)
    time.sleep(round / 50)
    kill(running, WAYS[which])
    wait_until(lambda: not any(map(listens, ports)))
    wait_until(lambda: not system.processes())


def test_the_next_run_removes_the_folder_of_one_whose_processes_were_killed_and_what_it_missed(system):
    root = system.service("a/root", WAITING_SCRIPT)
    running = system.start("run", root).wait_for("waiting")
    run_id = next(iter(system.temporary.iterdir())).joinpath(".lock").read_text()
    kill(running, (0, 1))
    wait_until(lambda: not system.processes())
    assert [path.name[:14] for path in system.temporary.iterdir()] == ["architect-run-"]
    missed = psutil.Popen(["sleep", "600"], env={"ARCHITECT_RUN_ID": f"{run_id}.1"}, start_new_session=True)
    system.service("a/root", "")
    system.process("run", root).succeeded()
    assert missed.wait(30) == -signal.SIGKILL
    system.assert_nothing_is_left()


def test_a_run_that_was_suspended_and_killed_leaves_nothing(system):
    running, ports = start(system)
    running.process.send_signal(signal.SIGTSTP)
    wait_until(lambda: running.inner().status() == psutil.STATUS_STOPPED)
    kill(running, (0,))
    wait_until(lambda: not any(map(listens, ports)))
    wait_until(lambda: not system.processes())


def zombies(running: Running) -> list[int]:
    """The zombies among the processes of a run; those of its programs are their own."""
    ours = {running.process.pid, running.inner().pid}
    found = []
    for process in psutil.Process(running.process.pid).children(recursive=True):
        try:
            if process.status() == psutil.STATUS_ZOMBIE and process.ppid() in ours:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def test_orphans_do_not_remain_as_zombies(system):
    orphans = "import subprocess\nfor _ in range(100): subprocess.run(['sh', '-c', 'true & true & true'])\n"
    root = system.service("a/root", REPORT + orphans + "print('all done', flush=True)\ntime.sleep(100)\n")
    running = system.start("run", root).wait_for("all done")
    wait_until(lambda: not zombies(running), lambda: str(zombies(running)))
    assert running.ends(signal.SIGINT) == 130
    system.assert_nothing_is_left()


def test_what_a_stopped_process_of_a_killed_run_holds_is_killed_too(system):
    system.server("a/root", WITH_DAEMON, debug=AS_NPM)
    running = system.start("run", str(Path(system.folder) / "root")).wait_for("is ready at")
    running.process.send_signal(signal.SIGSTOP)  # so that it cannot do anything about the other
    running.inner().kill()
    wait_until(lambda: not listens(int(system.variables_of("a/root")["PORT"])))
    running.process.send_signal(signal.SIGCONT)
    assert running.ends() == 137
    system.assert_nothing_is_left()
