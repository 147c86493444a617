"""A run is reached from any other terminal of its user: `architect ps`, `logs`, `restart`, `stop` and `exec`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from cli_system import (
    COMMAND,
    LISTEN,
    MEMORY_PROVISIONER,
    PATIENCE,
    REPORT,
    SERVER,
    WAITING_SCRIPT,
    Running,
    System,
    wait_until,
)

from architect_cli.control import server
from architect_cli.control.client import ask
from architect_cli.control.folder import folder_of
from architect_cli.control.runs import Described
from architect_core.exceptions import RunError

CONFIGURED = SERVER.replace('print("serving"', 'print("serving", os.environ["API_TOKEN"]')


def pair(system: System) -> Path:
    """A service that needs another one."""
    system.server("a/base", CONFIGURED, parameters={"API_TOKEN": {"default": "t0ken-of-base"}})
    return system.server("a/root", dependencies={"a/base": "file:../base"})


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that runs as long as these tests, which only look at it."""
    system = System(tmp_path_factory.mktemp("shared"))
    try:
        system.start("run", pair(system)).wait_for("a/root is ready at")
        yield system
    finally:
        system.close()


@pytest.fixture
def running(system: System) -> Running:
    return system.start("run", pair(system)).wait_for("a/root is ready at")


def parts(system: System, *arguments: str) -> dict[str, dict[str, Any]]:
    """The parts of the only run, by name."""
    (run,) = json.loads(system.succeeds("ps", "--json", *arguments))
    return {part["name"]: part for part in run["parts"]}


def test_ps_lists_each_part_with_its_state_address_process_restarts_and_uptime(shared):
    found = parts(shared)
    assert set(found) == {"a/base", "a/root"}
    base = found["a/base"]
    assert base["address"] == f"127.0.0.1:{shared.variables_of('a/base')['PORT']}"
    assert psutil.Process(base["pid"]).cwd() == str(shared.folder / "base")
    assert (base["kind"], base["state"], base["restarts"], base["exit_code"]) == ("service", "ready", 0, None)
    assert base["uptime"] >= 0
    headline, headings, *lines = shared.succeeds("ps").splitlines()
    assert f"(a/root in {shared.folder / 'root'}), for " in headline
    assert headings.split() == ["NAME", "STATE", "ADDRESS", "PID", "RESTARTS", "UPTIME"]
    assert lines[0].split()[:5] == ["a/base", "ready", base["address"], str(base["pid"]), "0"]


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["a/base"], ["a/base | serving ***"]),
        (["base", "a/root"], ["a/base | serving ***", "a/root | serving"]),
        (["--lines", "1", "a/base", "a/root"], ["a/root | serving"]),
        (["-n", "0"], []),
    ],
)
def test_logs_prints_what_was_printed_without_secrets(shared, arguments, lines):
    assert shared.succeeds("logs", *arguments).splitlines() == lines


def test_logs_without_a_name_has_the_lines_about_the_run_too(shared):
    printed = shared.succeeds("logs")
    assert "a/base (rest) will listen on 127.0.0.1:" in printed
    assert "a/base | serving ***\n" in printed
    assert "a/root is ready at" in printed


@pytest.mark.parametrize(
    ("script", "code", "printed"),
    [
        ("echo $API_TOKEN $PORT", 0, "t0ken-of-base {port}\n"),
        ("pwd", 0, "{folder}/base\n"),
        ("exit 7", 7, ""),
        ("kill -9 $$", -9, ""),
        ("cat", 0, "from here"),
        ("echo $TERM $COLUMNS", 0, "this-terminal 33\n"),
        ("python -c 'import sys; print(sys.executable)'", 0, f"{sys.executable}\n"),
    ],
)
def test_exec_runs_a_command_as_the_service_would_in_this_terminal(shared, script, code, printed):
    environ = {"TERM": "this-terminal", "COLUMNS": "33", "PORT": "1", "API_TOKEN": "mine"}
    done = shared.process("exec", "base", "--", "sh", "-c", script, environ=environ, input="from here")
    assert done.returncode == code
    assert done.stdout == printed.format(port=shared.variables_of("a/base")["PORT"], folder=shared.folder)
    assert done.stderr == ""


def test_exec_needs_no_dashes_and_passes_options_on(shared):
    done = shared.process("exec", "base", "sh", "-c", "echo $0 $1", "--run", "-x")
    assert done.succeeded() == "--run -x\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["exec", "a/bsae", "--", "ls"], "that is called 'a/bsae' (did you mean 'a/base'?); known: a/base, a/root"),
        (["logs", "nobody"], "that is called 'nobody'"),
        (["restart", "nobody"], "that is called 'nobody'"),
        (["stop", "nobody"], "that is called 'nobody'"),
        (["ps", "--run", "nobody"], "there is no run 'nobody'. These are running:\n    "),
    ],
)
def test_what_cannot_be_done_is_an_error_with_a_reason(shared, arguments, reason):
    assert reason in shared.process(*arguments).failed()


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        ("no-such-program", 127, "no-such-program cannot be started: No such file"),
        ("./no-such-program", 127, "./no-such-program cannot be started: No such file"),
        ("./main.py", 126, "./main.py cannot be started: Permission denied"),
        (".", 126, ". cannot be started: Permission denied"),
        ("", 126, "'' cannot be started: "),
    ],
)
def test_a_command_that_cannot_be_executed_has_the_exit_code_of_a_shell(shared, command, code, reason):
    done = shared.process("exec", "base", "--", command)
    assert f"a/base: {reason}" in done.stderr
    assert done.returncode == code


@pytest.mark.parametrize(
    "request_", [b"", b"\n", b"{}\n", b"[]\n", b"\xff\n", b'{"command": "x"}\n', b'{"command": "logs"}\n']
)
def test_a_request_that_is_none_is_answered_with_an_error_and_does_no_harm(shared, request_):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(next(shared.temporary.glob("*/control/socket"))))
        client.sendall(request_)
        client.shutdown(socket.SHUT_WR)
        with client.makefile("rb") as answers:
            assert "error" in json.loads(answers.readline())
    assert "a/base" in parts(shared)


def test_only_the_user_of_the_run_can_open_its_socket(shared):
    control = next(shared.temporary.glob("*/control"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (control, *control.iterdir())}
    assert modes == {"control": 0o700, "socket": 0o600, "run.json": 0o600}


CONNECT = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
client = socket.socket(socket.AF_UNIX)
try:
    client.connect(sys.argv[1])
    client.sendall(b'{"command": "ps"}\\n')
    print(client.makefile().readline())
except OSError as problem:
    print(type(problem).__name__)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_of_the_machine_is_refused_even_if_the_modes_of_files_were_changed(system, running):
    address = next(system.temporary.glob("*/control/socket"))

    def connect() -> str:
        command = [sys.executable, "-c", CONNECT, "control/socket"]  # which the whole path is too long for
        return subprocess.run(command, cwd=address.parents[1], capture_output=True, text=True, check=True).stdout

    assert connect() == "PermissionError\n"
    address.parent.chmod(0o777)
    address.chmod(0o666)
    assert json.loads(connect()) == {"error": "this run is another user's"}
    assert running.ends(signal.SIGINT) == 130


def test_whoever_is_not_the_user_is_refused_before_anything_is_answered(monkeypatch, tmp_path):
    monkeypatch.setattr(server, "_ALLOWED", {os.geteuid() + 1})
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = folder_of("x")
    folder.mkdir()

    async def check() -> None:
        run = SimpleNamespace(masked=str)  # which would fail if it was asked for more
        control = server.Control(run, folder, {"a/root": "/root"})  # type: ignore[arg-type]
        await control.open()
        described = Described(**json.loads((folder / "control" / "run.json").read_text()))
        with pytest.raises(RunError, match="this run is another user's"):
            await asyncio.to_thread(ask, described, "environment", name="a/root")
        await control.close()

    asyncio.run(check())


def test_restart_starts_one_part_anew_at_its_address_and_leaves_the_others_alone(running, system):
    before = parts(system)
    address = before["a/base"]["address"]
    assert system.succeeds("restart", "base") == f"a/base is ready at {address}\n"
    after = parts(system)
    assert after["a/base"]["pid"] != before["a/base"]["pid"]
    assert after["a/base"]["restarts"] == 1
    assert after["a/root"]["pid"] == before["a/root"]["pid"]
    assert "a/base is restarted (architect restart)\n" in running.printed()
    assert running.ends(signal.SIGINT) == 130
    system.assert_nothing_is_left()


def test_what_cannot_start_again_is_an_error_with_its_last_lines_and_is_tried_further(running, system):
    program = system.folder / "base" / "main.py"
    program.write_text("import os\nraise SystemExit('no key ' + os.environ['API_TOKEN'])\n")
    printed = system.fails("restart", "base")
    assert "a/base ended with exit code 1 before it listened on 127.0.0.1:" in printed
    assert printed.endswith("no key ***\n")
    assert parts(system)["a/base"]["state"] in {"failed", "starting"}
    program.write_text(CONFIGURED)
    wait_until(lambda: parts(system)["a/base"]["state"] == "ready", running.printed)
    assert running.process.poll() is None
    assert running.ends(signal.SIGINT) == 130


def test_a_database_is_restarted_with_its_data_and_prepared_once(system):
    system.plugin("memory", MEMORY_PROVISIONER)
    root = system.service("a/root", WAITING_SCRIPT, datastores={"db": {"type": "memory"}})
    running = system.start("run", root).wait_for("waiting")
    before = parts(system)["a/root/db"]
    (prepared,) = system.temporary.glob("architect-run-*/a.root.db/prepared")
    prepared.unlink()
    assert system.process("restart", "db").succeeded() == f"a/root/db is ready at {before['address']}\n"
    after = parts(system)["a/root/db"]
    assert after["pid"] != before["pid"]
    assert not prepared.exists()
    assert "a/root/db is no service" in system.process("exec", "a/root/db", "--", "ls").failed()
    assert running.ends(signal.SIGINT) == 130


def test_what_has_its_data_in_memory_only_cannot_be_stopped_alone(system):
    system.plugin("memory", MEMORY_PROVISIONER.replace("prepare=prepare", "prepare=prepare, keeps=False"))
    root = system.service("a/root", WAITING_SCRIPT, datastores={"db": {"type": "memory"}})
    running = system.start("run", root).wait_for("waiting")
    for command in ("restart", "stop"):
        assert "a/root/db cannot be stopped alone: it has its data in memory" in system.process(command, "db").failed()
    assert parts(system)["a/root/db"]["state"] == "ready"
    assert running.ends(signal.SIGINT) == 130


def test_many_commands_at_once_leave_each_part_running_once(system, running):
    commands = [["restart", "base"], ["restart", "root"], ["stop", "base"], ["restart", "base"], ["ps"], ["logs"]] * 2
    processes = [
        subprocess.Popen([*COMMAND, *command], env=system.environ(), stdout=subprocess.DEVNULL) for command in commands
    ]
    for process in processes:
        process.wait(PATIENCE)
    system.succeeds("restart", "base")
    found = parts(system)
    assert {part["state"] for part in found.values()} == {"ready"}
    folders = [each.cwd() for each in system.processes() if each.pid != running.process.pid]
    assert sorted(folders).count(str(system.folder / "base")) == 1
    assert running.ends(signal.SIGINT) == 130
    system.assert_nothing_is_left()


def test_a_part_that_was_stopped_stays_so_until_it_is_restarted(running, system):
    assert system.succeeds("stop", "base") == "a/base is stopped\n"
    stopped = parts(system)["a/base"]
    assert (stopped["state"], stopped["pid"], stopped["uptime"]) == ("stopped", None, None)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(system.variables_of("a/base")["PORT"])))
    done = system.process("exec", "base", "--", "sh", "-c", "echo $API_TOKEN")
    assert done.succeeded() == "t0ken-of-base\n"
    assert "a/base is ready at" in system.succeeds("restart", "base")
    assert running.ends(signal.SIGINT) == 130


def test_what_needs_a_stopped_part_that_was_never_ready_is_not_waited_for(system):
    system.server("a/slow", REPORT + "time.sleep(60)\n" + SERVER)
    system.server("a/middle", SERVER, dependencies={"a/slow": "file:../slow"})
    root = system.server("a/root", dependencies={"a/middle": "file:../middle"})
    running = system.start("run", root)
    wait_until(lambda: "a/slow" in system.started(), running.printed)
    system.succeeds("stop", "slow")
    printed = system.fails("restart", "root")
    assert "a/root needs a/slow, which was stopped before it was ready" in printed
    assert "Run `architect restart a/slow` first" in printed


def test_stop_ends_the_run_and_returns_when_nothing_is_left(running, system):
    assert system.succeeds("stop").endswith(" is stopped\n")
    assert not any(system.temporary.iterdir())
    assert running.ends() == 0
    assert "stopping (architect stop)\n" in running.printed()
    assert system.succeeds("ps") == "Nothing runs.\n"
    assert "nothing runs here. Start a system with: architect run PATH" in system.fails("stop")
    system.assert_nothing_is_left()


def test_logs_follow_what_is_printed_until_the_run_ends(running, system):
    follower = system.start("logs", "--follow", "base").wait_for("a/base | serving")
    system.succeeds("restart", "base")
    wait_until(lambda: follower.printed().count("a/base | serving ***\n") == 2, follower.printed)
    assert running.ends(signal.SIGINT) == 130
    assert follower.ends() == 0
    assert "a/root" not in follower.printed()


def test_whoever_stops_following_is_forgotten_although_nothing_is_printed(running, system):
    def connections() -> int:
        return len(running.inner().net_connections("unix"))

    before = connections()
    followers = [system.start("logs", "-f").wait_for("a/base | serving") for _ in range(2)]
    wait_until(lambda: connections() == before + 2)
    for follower in followers:
        follower.process.kill()
    wait_until(lambda: connections() == before)
    assert running.ends(signal.SIGINT) == 130


def test_ctrl_c_ends_following_and_not_the_run(running, system):
    follower = system.start("logs", "-f").wait_for("a/base | serving")
    assert follower.ends(signal.SIGINT) == 130
    assert "Abort" not in follower.printed()
    assert running.process.poll() is None


def test_the_states_of_scripts_and_of_what_crashed_have_their_exit_codes(system):
    system.service("a/migration", "print('migrated')")
    crashing = "while not (REPORTS / 'crash').exists(): time.sleep(0.02)\nsys.exit(7)\n"
    system.server("a/base", REPORT + LISTEN + crashing, dependencies={"a/migration": "file:../migration"})
    root = system.service("a/root", WAITING_SCRIPT, dependencies={"a/base": "file:../base"})
    running = system.start("run", root, "--no-reload").wait_for("waiting")
    found = parts(system)
    states = {name: (part["state"], part["exit_code"]) for name, part in found.items()}
    assert states == {"a/migration": ("completed", 0), "a/base": ("ready", None), "a/root": ("ready", None)}
    (system.folder / "base" / "main.py").write_text("raise SystemExit(5)")
    (system.reports / "crash").touch()
    wait_until(lambda: " failed (5) " in system.succeeds("ps"), running.printed)
    assert running.ends(signal.SIGINT) == 130


def test_a_follower_that_does_not_read_delays_nobody(system):
    noisy = REPORT + "for number in range(100_000): print('noise', number)\nprint('last', flush=True)\ntime.sleep(100)"
    system.service("a/noisy", noisy)
    running = system.start("run", "noisy")
    process = subprocess.Popen(
        [*COMMAND, "logs", "-f"], env=system.environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        running.wait_for("a/noisy | last")
        assert running.ends(signal.SIGINT) == 130
    finally:
        process.kill()
        process.communicate()


def test_a_service_that_the_user_starts_gets_its_environment_by_exec(system):
    root = pair(system)
    running = system.start("run", root, "--without", "base").wait_for("a/root is ready at")
    assert "start it with: architect exec a/base -- COMMAND" in running.printed()
    assert parts(system)["a/base"]["state"] == "absent"
    own = subprocess.Popen([*COMMAND, "exec", "base", "--", "python", "main.py"], cwd=root, env=system.environ())
    try:
        port = parts(system)["a/base"]["address"].rpartition(":")[2]
        wait_until(lambda: system.started().count("a/base") == 1, running.printed)
        assert system.variables_of("a/base")["PORT"] == port
    finally:
        own.kill()
        own.wait()
    assert "a/base is ready at" in system.succeeds("restart", "base")
    assert running.ends(signal.SIGINT) == 130


def test_a_command_means_the_run_of_its_folder_else_the_only_one_unless_it_stops_it(system, tmp_path_factory):
    for name in ("a/one", "a/two"):
        system.server(name)
    one = system.start("run", "one").wait_for("a/one is ready at")
    assert set(parts(system)) == {"a/one"}
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert "a/one | serving" in system.succeeds("logs", cwd=elsewhere)
    assert "no run is of this folder. State the id of one with --run:\n" in system.fails("stop", cwd=elsewhere)
    two = system.start("run", "two").wait_for("a/two is ready at")
    inside = system.folder / "two" / "src"
    inside.mkdir()
    for folder in (inside, inside.parent):
        assert system.succeeds("logs", "-n", "0", "two", cwd=folder) == ""
    printed = system.fails("logs")
    assert "several runs may be meant. State the id of one with --run:\n" in printed
    assert [name for name in ("one", "two") if f"(a/{name} in {system.folder / name})" in printed] == ["one", "two"]
    ids = {run["roots"].popitem()[0]: run["id"] for run in json.loads(system.succeeds("ps", "--json"))}
    for stated in ("a/two", "two", ids["a/two"]):
        assert "a/two | serving" in system.succeeds("logs", "--run", stated)
    assert system.succeeds("stop", "--run", ids["a/two"]).startswith(ids["a/two"])
    assert two.ends() == 0
    assert one.process.poll() is None
    assert one.ends(signal.SIGINT) == 130


def test_the_same_system_runs_twice_side_by_side(system):
    root = pair(system)
    first = system.start("run", root).wait_for("a/root is ready at")
    second = system.start("run", root).wait_for("a/root is ready at")
    runs = json.loads(system.succeeds("ps", "--json"))
    addresses = [part["address"] for run in runs for part in run["parts"]]
    assert len(set(addresses)) == len(addresses) == 4
    assert "several runs may be meant" in system.fails("stop", cwd=root)
    system.succeeds("restart", "base", "--run", runs[1]["id"])
    assert first.process.poll() is second.process.poll() is None
    system.succeeds("stop", "--run", runs[0]["id"])
    assert len(parts(system)) == 2
    assert second.ends(signal.SIGINT) == 130
    system.assert_nothing_is_left()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a program with the one that started it")
def test_a_run_that_was_killed_is_no_run_and_what_is_left_of_it_is_removed(running, system):
    inner = running.inner()
    running.process.send_signal(signal.SIGSTOP)  # so that it cannot remove the folder
    inner.kill()
    running.ends(signal.SIGKILL)
    wait_until(lambda: not system.processes())
    assert any(system.temporary.iterdir())
    wait_until(lambda: system.succeeds("ps") == "Nothing runs.\n" and not any(system.temporary.iterdir()))


def test_a_run_whose_folder_has_a_very_long_path_is_reached(system):
    long = system.folder / ("t" * 100) / ("ü" * 50)
    long.mkdir(parents=True)
    running = system.start("run", system.service("a/root", WAITING_SCRIPT), TMPDIR=str(long)).wait_for("waiting")
    done = system.process("stop", environ={"TMPDIR": str(long)})
    assert "a/root" in done.succeeded()
    assert running.ends() == 0


def test_a_run_that_is_frozen_is_reported(running, system):
    inner = running.inner()
    inner.suspend()
    try:
        for command in ("logs", "ps"):
            printed = subprocess.run(
                [sys.executable, "-c", QUICK, command],
                env=system.environ(),
                capture_output=True,
                text=True,
                check=False,
            )
            assert printed.stderr.endswith("does not answer; it may be suspended (Ctrl-Z)\n"), printed
            assert (printed.stdout, printed.returncode) == ("", 1)
    finally:
        inner.resume()
    assert running.ends(signal.SIGINT) == 130


QUICK = """
from architect_cli.control import client
client._ANSWER_SECONDS = 0.5
from architect_cli.main import main
main()
"""


@pytest.mark.parametrize("command", ["ps", "logs", "restart", "stop", "exec"])
def test_a_command_that_asks_a_run_imports_little(command):
    check = f"import sys, architect_cli.commands.{command}; print({{'psutil', 'architect_cli.run'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_run_can_be_asked_while_it_starts_and_while_it_stops(system):
    slow = "import signal\nsignal.signal(15, lambda *_: time.sleep(1.5) or sys.exit())\n"
    system.server("a/base", REPORT + slow + "while not (REPORTS / 'go').exists(): time.sleep(0.02)\n" + SERVER)
    running = system.start("run", system.server("a/root", dependencies={"a/base": "file:../base"}))
    wait_until(lambda: "a/base" in system.started(), running.printed)
    states = {name: part["state"] for name, part in parts(system).items()}
    assert states == {"a/base": "starting", "a/root": "waiting"}
    assert "waits for what it needs" in system.fails("exec", "root", "--", "ls")
    (system.reports / "go").touch()
    running.wait_for("a/root is ready at").process.send_signal(signal.SIGTERM)
    running.wait_for("stopping (SIGTERM)")
    with contextlib.suppress(ValueError):  # it has ended
        wait_until(lambda: parts(system)["a/base"]["state"] == "stopping", running.printed)
    assert "the run is ending" in system.fails("restart", "root")
    assert running.ends() == 143
