"""`architect run -d` returns once everything is ready, and the run goes on until `architect stop`."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess

import pytest
from cli_system import COMMAND, PATIENCE, REPORT, SERVER, WAITING_SCRIPT, wait_until


def test_it_returns_once_all_is_ready_and_the_run_goes_on_until_it_is_stopped(system):
    late = REPORT + "time.sleep(0.5)\n" + SERVER
    system.server("a/base", late)
    root = system.server("a/root", dependencies={"a/base": "file:../base"})
    printed = system.process("run", "-d", root).succeeded()
    (run,) = json.loads(system.succeeds("ps", "--json"))
    assert {part["name"]: part["state"] for part in run["parts"]} == {"a/base": "ready", "a/root": "ready"}
    port = int(system.variables_of("a/root")["PORT"])
    assert printed == (
        f"a/root is ready at http://127.0.0.1:{port}\n"
        f"the run {run['id']} goes on in the background; stop it with: architect stop\n"
    )
    socket.create_connection(("127.0.0.1", port)).close()
    assert "a/root | serving" in system.succeeds("logs")
    assert "Ctrl-C" not in system.succeeds("logs")
    system.succeeds("stop")
    system.assert_nothing_is_left()


def test_it_survives_the_terminal_that_it_was_started_in(system):
    root = system.service("a/root", WAITING_SCRIPT)
    master, slave = os.openpty()
    process = subprocess.Popen(
        [*COMMAND, "run", "--detach", str(root)],
        env=system.environ(),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    assert process.wait(PATIENCE) == 0
    os.close(master)
    assert "waiting" in system.succeeds("logs")
    for each in system.processes():
        assert each.terminal() is None
    system.succeeds("stop")
    system.assert_nothing_is_left()


@pytest.mark.parametrize(
    ("program", "arguments", "reason"),
    [
        ("print('out of paper'); raise SystemExit(7)", [], "a/root ended with exit code 7 before it listened on 127."),
        (REPORT + "time.sleep(100)", ["--timeout", "0.5"], "after 0.5 seconds (--timeout)"),
        (SERVER, ["--config", "no-such-file"], "no-such-file: cannot be read (No such file or directory)"),
        (SERVER, ["--only", "nobody"], "there is no service 'nobody'"),
    ],
)
def test_what_is_not_ready_gives_the_exit_code_and_the_message_and_leaves_nothing(system, program, arguments, reason):
    root = system.server("a/root", program)
    assert reason in system.process("run", "-d", root, "--no-reload", *arguments).failed()
    system.assert_nothing_is_left()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str
)
def test_a_signal_before_all_is_ready_stops_the_run(system, number, code):
    root = system.server("a/root", REPORT + "time.sleep(100)")
    running = system.start("run", "-d", root)
    wait_until(lambda: system.started() == ["a/root"], running.printed)
    assert running.ends(number) == code
    system.assert_nothing_is_left()


def test_killing_what_waits_for_it_leaves_the_run_alone(system):
    root = system.server("a/root", REPORT + "while not (REPORTS / 'go').exists(): time.sleep(0.02)\n" + SERVER)
    running = system.start("run", "-d", root)
    wait_until(lambda: system.started() == ["a/root"], running.printed)
    assert running.ends(signal.SIGKILL) == -9
    (system.reports / "go").touch()
    wait_until(lambda: " ready " in system.succeeds("ps"))
    system.succeeds("stop")
    system.assert_nothing_is_left()


def test_a_run_in_the_background_does_not_end_when_it_prints_much(system):
    noisy = REPORT + "for number in range(100_000): print('noise', number)\nprint('last', flush=True)\ntime.sleep(100)"
    system.process("run", "-d", system.service("a/root", noisy)).succeeded()
    wait_until(lambda: system.succeeds("logs", "-n", "1").endswith("| last\n"))
    system.succeeds("stop")
    system.assert_nothing_is_left()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_it_needs_no_standard_files(system, closed):
    root = system.service("a/root", WAITING_SCRIPT)
    command = f"{shlex.join([*COMMAND, 'run', '-d', str(root)])} {closed}"
    done = subprocess.run(["bash", "-c", command], env=system.environ(), timeout=PATIENCE, check=False)
    assert done.returncode == 0
    assert "| waiting" in system.succeeds("logs")
    system.succeeds("stop")
    system.assert_nothing_is_left()


def test_a_script_is_not_waited_for_by_a_dependency_that_needs_it_in_turn(system):
    system.server("a/base", dependencies={"a/root": "file:../root"})
    root = system.service("a/root", WAITING_SCRIPT, dependencies={"a/base": "file:../base"})
    system.process("run", "-d", root).succeeded()
    assert sorted(system.started()) == ["a/base", "a/root"]
    system.succeeds("stop", "--run", "root")


def test_a_run_is_stopped_from_a_folder_that_is_gone(system):
    system.process("run", "-d", system.service("a/root", WAITING_SCRIPT)).succeeded()
    gone = system.folder / "gone"
    gone.mkdir()
    command = f"rmdir {gone}; {shlex.join([*COMMAND, 'stop', '--run', 'root'])}"
    done = subprocess.run(["bash", "-c", command], cwd=gone, env=system.environ(), timeout=PATIENCE, check=False)
    assert done.returncode == 0
    system.assert_nothing_is_left()
