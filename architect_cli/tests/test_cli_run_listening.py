"""A service is ready when it listens itself, and not when another program does."""

from __future__ import annotations

import os
import signal
import socket

from cli_system import LISTEN, REPORT, System, wait_until

SILENT = REPORT + "time.sleep(600)\n"
# the listener is in a session of its own, and its parent has ended
DAEMON = (
    REPORT
    + """
import subprocess
PROGRAM = "import os, socket, time; s = socket.create_server(('', int(os.environ['PORT']))); time.sleep(600)"
subprocess.Popen(f'setsid "{sys.executable}" -c "{PROGRAM}" &', shell=True)
time.sleep(600)
"""
)


def port_of(system: System, name: str) -> int:
    wait_until(lambda: name in system.started())
    return int(system.variables_of(name)["PORT"])


def test_a_service_whose_port_another_program_has_taken_is_not_ready(system):
    root = system.server("a/root", SILENT)
    running = system.start("run", root, "--timeout", "3")
    port = port_of(system, "a/root")
    with socket.create_server(("127.0.0.1", port)):
        assert running.ends() == 1
    assert f"a/root does not listen on 127.0.0.1:{port}, where " in running.printed()
    assert f"(process {os.getpid()}) listens instead of it, after 3 seconds (--timeout)" in running.printed()
    assert "is ready" not in running.printed()


def test_it_is_ready_once_it_listens_there_itself(system):
    late = REPORT + "while not (REPORTS / 'go').exists(): time.sleep(0.01)\n" + LISTEN + "serve()\n"
    root = system.server("a/root", late)
    running = system.start("run", root)
    with socket.create_server(("127.0.0.1", port_of(system, "a/root"))) as other:
        other.accept()[0].close()  # the run looks whether anything listens
    (system.reports / "go").touch()
    assert running.wait_for("a/root is ready at").ends(signal.SIGINT) == 130


def test_what_a_service_starts_listens_for_it(system):
    root = system.server("a/root", DAEMON)
    assert system.start("run", root).wait_for("a/root is ready at").ends(signal.SIGINT) == 130
    system.assert_nothing_is_left()


def test_a_server_at_every_address_is_ready(system):
    anywhere = REPORT + LISTEN.replace('os.environ["HOST"]', '""') + "serve()\n"
    root = system.server("a/root", anywhere)
    assert system.start("run", root).wait_for("a/root is ready at").ends(signal.SIGINT) == 130


def test_a_server_of_both_families_is_ready(system):
    both = REPORT + LISTEN.replace('socket.create_server((os.environ["HOST"],', 'socket.create_server(("::",').replace(
        "])))", "]), ), family=socket.AF_INET6, dualstack_ipv6=True)"
    )
    root = system.server("a/root", both + "serve()\n")
    assert system.start("run", root).wait_for("a/root is ready at").ends(signal.SIGINT) == 130
