"""However `architect run` ends, its exit code says so, and nothing that it started is left."""

from __future__ import annotations

import array
import fcntl
import shlex
import signal
import socket
import subprocess
import sys
import termios
from pathlib import Path
from typing import IO

import psutil
import pytest
from cli_system import (
    COMMAND,
    LISTEN,
    PATIENCE,
    REPORT,
    SERVER,
    TOY_GENERATOR,
    WAITING_SCRIPT,
    Running,
    System,
    wait_until,
)

STUBBORN = (
    REPORT
    + "import signal\nfor n in (2, 15): signal.signal(n, lambda *_: print('no', flush=True))\n"
    + LISTEN
    + "serve()"
)
# leaves behind: a child, one in the background of a shell, one in a session of its own, and a daemon
WITH_CHILDREN = (
    REPORT
    + """
import subprocess
subprocess.Popen(["sleep", "111"])
subprocess.Popen("sleep 112 & sleep 113", shell=True)
subprocess.Popen(["setsid", "sleep", "114"])
subprocess.Popen("setsid sh -c 'trap \\"\\" TERM INT HUP; sleep 115; sleep 116' >/dev/null 2>&1 &", shell=True)
"""
    + LISTEN
    + "serve()\n"
)


# waits for programs much longer than a test does
PATIENT = """
from architect_cli import main
from architect_cli.process import program
program._STOP_SECONDS = 600
main.main()
"""


def waiting_bytes(pipe: IO[bytes]) -> int:
    """How much has been written into a pipe and not been read."""
    size = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, size)
    return size[0]


@pytest.fixture
def waiting(system: System) -> Path:
    """A script that waits, with a server whose children are hard to find."""
    system.server("a/base", WITH_CHILDREN)
    return system.service("a/root", WAITING_SCRIPT, dependencies={"a/base": "file:../base"})


def sleeping(system: System) -> set[str]:
    """Which of the children of WITH_CHILDREN live."""
    found = set()
    for process in system.processes():
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if command[:1] == ["sleep"]:
            found.add(command[1])
    return found


def wait_for_children(system: System) -> None:
    wait_until(lambda: sleeping(system) == {"111", "112", "113", "114", "115"}, lambda: str(sleeping(system)))


@pytest.mark.parametrize(("ending", "code"), [("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", 137)])
def test_a_script_s_exit_code_is_the_run_s(system, ending, code):
    system.server("a/base", WITH_CHILDREN)
    root = system.service("a/root", REPORT + ending, dependencies={"a/base": "file:../base"})
    done = system.process("run", root)
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stderr == ""
    system.assert_nothing_is_left()


def test_a_program_s_end_is_seen_although_one_in_the_background_holds_its_output(system):
    system.server("a/base", WITH_CHILDREN.removesuffix("serve()\n") + "listener.accept()\nsys.exit(8)")
    root = system.service("a/root", WAITING_SCRIPT, dependencies={"a/base": "file:../base"})
    assert "a/base ended with exit code 8" in system.process("run", root, "--fail-fast").failed()
    system.assert_nothing_is_left()
    root = system.service("a/root", "import subprocess; subprocess.Popen(['setsid', 'sleep', '111'])")
    system.process("run", root).succeeded()
    system.assert_nothing_is_left()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=str)
def test_a_signal_stops_everything_and_gives_the_exit_code(system, waiting, number, code):
    running = system.start("run", waiting).wait_for("waiting")
    wait_for_children(system)
    assert running.ends(number) == code, running.printed()
    assert f"stopping ({signal.Signals(number).name})" in running.printed()
    assert "Traceback" not in running.printed()
    system.assert_nothing_is_left()


def test_a_server_runs_until_ctrl_c(system):
    running = system.start("run", system.server("a/root")).wait_for("is ready at")
    for _ in range(3):
        socket.create_connection(("127.0.0.1", int(system.variables_of("a/root")["PORT"]))).close()
    assert running.process.poll() is None
    assert running.ends(signal.SIGINT) == 130
    system.assert_nothing_is_left()


def test_a_second_ctrl_c_does_not_wait_for_a_program_that_will_not_end(system):
    command = [sys.executable, "-c", PATIENT, "run", str(system.server("a/root", STUBBORN))]
    running = system.start(command=command).wait_for("is ready at")
    running.process.send_signal(signal.SIGINT)
    running.wait_for("| no")
    assert running.ends(signal.SIGINT) == 130
    system.assert_nothing_is_left()


def test_ctrl_c_while_services_start_stops_them(system):
    system.server("a/base", REPORT + "print('starting', flush=True)\ntime.sleep(100)\n")
    root = system.service("a/root", "", dependencies={"a/base": "file:../base"})
    running = system.start("run", root).wait_for("starting")
    assert running.ends(signal.SIGINT) == 130
    system.assert_nothing_is_left()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=str)
def test_a_signal_while_stubs_are_generated_ends_the_run(system, number, code):
    system.plugin("toy", TOY_GENERATOR)
    root = system.server("a/root", api={"type": "toy", "definitions": ["service.toy"]})
    busy = system.folder / "busy"
    (root / "service.toy").write_text(f"stay {busy}")
    running = system.start("run", root)
    wait_until(busy.exists, running.printed)
    assert running.ends(number) == code
    assert "Traceback" not in running.printed()
    assert system.started() == []
    assert not (root / "architect_services").exists()
    system.assert_nothing_is_left()


# ends itself with 7 after its first connection
DYING = REPORT + LISTEN + "print('out of paper', flush=True)\nlistener.accept()\ntime.sleep(0.3)\nsys.exit(7)\n"


def with_a_printer(system: System) -> Path:
    """A script that waits and needs a service that ends itself, and one that goes on."""
    system.server("a/printer", DYING)
    system.server("a/other", WITH_CHILDREN)
    needs = {"a/printer": "file:../printer", "a/other": "file:../other"}
    return system.service("a/root", WAITING_SCRIPT, dependencies=needs)


def test_a_service_that_dies_ends_the_run_with_its_last_lines_if_it_is_to_fail_fast(system):
    done = system.process("run", "--fail-fast", with_a_printer(system))
    assert done.returncode == 1
    printed = "architect: a/printer ended with exit code 7. Its last lines:\n    serving\n    out of paper\n"
    assert done.stderr == printed
    system.assert_nothing_is_left()


def test_a_service_that_is_killed_ends_the_run_if_it_is_to_fail_fast(system):
    system.server("a/base")
    root = system.service("a/root", WAITING_SCRIPT, dependencies={"a/base": "file:../base"})
    running = system.start("run", "--fail-fast", root).wait_for("waiting")
    (base,) = [each for each in system.processes() if each.cwd() == str(system.folder / "base")]
    base.kill()
    assert running.ends() == 1
    assert "architect: a/base ended with exit code 137. Its last lines:" in running.printed()
    system.assert_nothing_is_left()


def test_a_service_that_dies_after_it_was_ready_is_started_again_ever_later_while_the_rest_goes_on(system):
    running = system.start("run", with_a_printer(system)).wait_for("waiting")
    for delay in ("0.2", "0.4", "0.8"):
        running.wait_for(f"a/printer ended with exit code 7 and is started again in {delay} seconds")
    assert [system.started().count(name) for name in ("a/other", "a/root")] == [1, 1]
    assert running.ends(signal.SIGINT) == 130
    system.assert_nothing_is_left()


def test_a_service_that_cannot_start_any_more_is_tried_again_until_it_can(system):
    root = system.server("a/root", DYING)
    running = system.start("run", root).wait_for("is ready at")
    (root / "main.py").write_text("print('half written'\n")
    running.wait_for("a/root ended with exit code 1 before it listened on 127.0.0.1:")
    (root / "main.py").write_text(SERVER)
    count = running.printed().count("a/root | serving")
    wait_until(lambda: running.printed().count("a/root | serving") > count, running.printed)
    assert running.ends(signal.SIGINT) == 130
    system.assert_nothing_is_left()


def test_what_is_left_of_a_service_that_died_is_ended_before_it_is_started_again(system):
    system.server("a/base", WITH_CHILDREN.removesuffix("serve()\n") + "listener.accept()\nsys.exit(8)")
    root = system.service("a/root", WAITING_SCRIPT, dependencies={"a/base": "file:../base"})
    running = system.start("run", root)
    running.wait_for("a/base ended with exit code 8 and is started again in 0.2 seconds").wait_for("in 0.8 seconds")
    children = [each for each in system.processes() if each.cmdline()[:2] == ["sleep", "111"]]
    assert len(children) <= 1
    assert running.ends(signal.SIGINT) == 130, running.printed()
    system.assert_nothing_is_left()


def test_what_depends_on_a_script_starts_once_that_has_ended_with_0(system):
    system.server("a/store")
    migration = REPORT + "time.sleep(0.3)\n(REPORTS / 'migrated').touch()\n"
    system.service("a/migration", migration, dependencies={"a/store": "file:../store"})
    check = REPORT + "assert (REPORTS / 'migrated').exists()\n" + LISTEN + "serve()\n"
    system.server("a/base", check, dependencies={"a/migration": "file:../migration"})
    root = system.service("a/root", "print('end')", dependencies={"a/base": "file:../base"})
    assert "| end" in system.succeeds("run", root)
    assert system.started() == ["a/store", "a/migration", "a/base"]


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("raise SystemExit('no table')", "ended with exit code 1. Its last lines:\n    no table"),
        ("os.kill(os.getpid(), 15)", "ended with exit code 143, and printed nothing"),
        ("os.kill(os.getpid(), 9)", "ended with exit code 137, and printed nothing"),
        ("time.sleep(100)", "still runs after 1 seconds (--timeout). What needs it waits until it has ended with 0"),
    ],
)
def test_a_script_that_does_not_end_with_0_ends_the_run_before_what_depends_on_it_starts(system, ending, reason):
    system.service("a/migration", REPORT + ending)
    root = system.server("a/root", dependencies={"a/migration": "file:../migration"})
    assert f"a/migration {reason}" in system.fails("run", root, "--timeout", "1" if "sleep" in ending else "30")
    assert system.started() == ["a/migration"]
    system.assert_nothing_is_left()


@pytest.mark.parametrize("code", [0, 9])
def test_a_server_that_ends_before_it_listens_ends_the_run(system, code):
    system.server("a/base", f"print('my reason'); raise SystemExit({code})")
    root = system.service("a/root", WAITING_SCRIPT, dependencies={"a/base": "file:../base"})
    printed = system.fails("run", root)
    assert f"a/base ended with exit code {code} before it listened on 127.0.0.1:" in printed
    assert "    my reason" in printed
    assert system.started() == []


def test_a_server_that_never_listens_ends_the_run_after_the_timeout(system):
    system.server("a/base", REPORT + "time.sleep(100)")
    root = system.service("a/root", WAITING_SCRIPT, dependencies={"a/base": "file:../base"})
    printed = system.fails("run", root, "--timeout", "0.3")
    assert "a/base does not listen on 127.0.0.1:" in printed
    assert "after 0.3 seconds (--timeout), and printed nothing" in printed
    assert "a/root" not in system.started()
    system.assert_nothing_is_left()


def test_a_run_leaves_the_folder_of_another_run_alone(system):
    root = system.service("a/root", WAITING_SCRIPT)
    running = system.start("run", root).wait_for("waiting")
    before = list(system.temporary.iterdir())
    system.process("run", system.service("a/quick", "")).succeeded()
    assert list(system.temporary.iterdir()) == before != []
    assert running.ends(signal.SIGINT) == 130


def test_when_the_output_is_no_longer_read_the_run_ends_quietly(system):
    system.server("a/base", WITH_CHILDREN)
    noisy = REPORT + "while True:\n    print('noise', flush=True)\n    time.sleep(0.001)\n"
    root = system.service("a/root", noisy, dependencies={"a/base": "file:../base"})
    command = f"{shlex.join([*COMMAND, 'run', str(root)])} | head -n 3"
    done = subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
        env=system.environ(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 141
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr == ""
    system.assert_nothing_is_left()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=str)
def test_a_run_whose_output_is_not_read_ends_at_the_first_signal(system, number, code):
    noisy = REPORT + "while True: print('noise' * 1000, flush=True)\n"
    root = system.service("a/root", noisy)
    process = subprocess.Popen([*COMMAND, "run", str(root)], env=system.environ(), stdout=subprocess.PIPE)
    try:
        wait_until(lambda: waiting_bytes(process.stdout) > 30_000)  # the pipe is almost full
        process.send_signal(number)
        assert process.wait(PATIENCE) == code
        system.assert_nothing_is_left()
    finally:
        process.stdout.close()
        process.kill()
        process.wait()


def test_services_become_ready_while_the_output_is_not_read(system):
    noisy = REPORT + "for _ in range(400): print('noise' * 2000, flush=True)\n" + LISTEN + "serve()\n"
    system.server("a/noisy", noisy)
    root = system.server("a/root", dependencies={"a/noisy": "file:../noisy"})
    process = subprocess.Popen(
        [*COMMAND, "run", str(root)], env=system.environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        wait_until(lambda: "a/root" in system.started())
        process.send_signal(signal.SIGTERM)
        printed = process.stdout.read().decode()
        assert process.wait(PATIENCE) == 143
        assert "lines are not shown, because this output was not read" in printed
    finally:
        process.stdout.close()
        process.kill()
        process.wait()


def test_a_slow_reader_gets_every_line(system):
    system.service("a/root", "for number in range(60_000): print(number, 'x' * 100)")
    command = f"{shlex.join([*COMMAND, 'run', str(system.folder / 'root')])} | (sleep 1; cat)"
    done = subprocess.run(
        ["bash", "-c", command], env=system.environ(), capture_output=True, text=True, timeout=120, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("a/root |")]
    assert [int(line.split()[2]) for line in lines] == list(range(60_000))


def test_a_full_disk_is_reported(system):
    root = system.service("a/root", WAITING_SCRIPT)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "run", str(root)],
            env=system.environ(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "architect: the output cannot be written: No space left on device\n"
    system.assert_nothing_is_left()


def test_a_root_script_in_a_folder_that_may_not_be_written_runs(system):
    root = system.service("a/root", "print('fine')")
    root.chmod(0o555)
    try:
        assert "a/root | fine" in system.succeeds("run", root)
    finally:
        root.chmod(0o755)


def test_programs_end_in_the_reverse_order_of_their_start(system):
    ending = """
import signal
def end(*_):
    with (REPORTS / "ended").open("a") as ended:
        ended.write(ME + "\\n")
    sys.exit()
signal.signal(signal.SIGTERM, end)
"""
    system.server("a/base", ending.join([REPORT, LISTEN + "serve()\n"]))
    middle = system.server("a/middle", ending.join([REPORT, SERVER]), dependencies={"a/base": "file:../base"})
    running = system.start("run", middle).wait_for("is ready at")
    assert running.ends(signal.SIGTERM) == 143
    assert (system.reports / "ended").read_text().split() == ["a/middle", "a/base"]


# at its end, a program waits for something
ENDING = """
import signal
def end(*_):
    (REPORTS / f"{ME.replace('/', '.')}.ending").touch()
    while not CONDITION:
        time.sleep(0.01)
    with (REPORTS / "ended").open("a") as ended:
        ended.write(ME + "\\n")
    sys.exit()
signal.signal(signal.SIGTERM, end)
"""


def patient_run(system: System, root: Path) -> Running:
    return system.start(command=[sys.executable, "-c", PATIENT, "run", str(root)]).wait_for("is ready at")


def test_programs_that_do_not_need_each_other_end_at_the_same_time(system):
    all_three = "len(list(REPORTS.glob('a.base*.ending'))) == 3"
    names = [f"a/base{number}" for number in range(3)]
    for name in names:
        system.server(name, ENDING.replace("CONDITION", all_three).join([REPORT, LISTEN + "serve()\n"]))
    needs = {name: f"file:../{name.removeprefix('a/')}" for name in names}
    root = system.server(
        "a/root", REPORT + ENDING.replace("CONDITION", "True") + LISTEN + "serve()\n", dependencies=needs
    )
    assert patient_run(system, root).ends(signal.SIGTERM) == 143
    ended = (system.reports / "ended").read_text().split()
    assert ended[0] == "a/root"
    assert sorted(ended[1:]) == names


def test_a_run_says_for_whom_it_waits_at_its_end(system):
    slow = REPORT + ENDING.replace("CONDITION", "(REPORTS / 'go').exists()") + LISTEN + "serve()\n"
    system.server("a/slow", slow)
    root = system.server("a/root", dependencies={"a/slow": "file:../slow"})
    running = patient_run(system, root)
    running.process.send_signal(signal.SIGTERM)
    running.wait_for("waiting for a/slow to end; press Ctrl-C again to kill what still runs")
    (system.reports / "go").touch()
    assert running.ends() == 143
    assert (system.reports / "ended").read_text() == "a/slow\n"
    system.assert_nothing_is_left()
