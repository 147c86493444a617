"""`architect run examples/shop` works, and leaves no process or file behind however it ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from programs import COMMAND
from running import PATIENCE, Run
from workspace import ROOT

SHOP = ROOT / "examples" / "shop"


@pytest.fixture
def run() -> Iterator[Run]:
    one = Run(SHOP)
    yield one
    one.close()


def edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text()))


def keep_open(run: Run) -> None:
    """Make the storefront wait instead of ending."""
    edit(run.system / "main.py", lambda _: "import time\nprint('the shop is open')\ntime.sleep(120)\n")


@pytest.fixture(scope="module")
def finished() -> Iterator[Run]:
    """A run of the unchanged example that has ended."""
    one = Run(SHOP)
    try:
        one.start().process.wait(PATIENCE)
        yield one
    finally:
        one.close()


def test_it_succeeds_and_leaves_nothing_behind(finished):
    assert finished.process.returncode == 0, finished.printed()
    finished.assert_nothing_is_left()
    for service in ("storefront", "orders", "payments", "mailer"):
        assert service in finished.printed()
    assert "Traceback" not in finished.printed()


def test_running_the_example_adds_only_stubs_and_what_is_kept_to_its_folder(finished):
    before = {path.relative_to(SHOP) for path in SHOP.rglob("*") if path.is_file()}
    after = {path.relative_to(finished.system) for path in finished.system.rglob("*") if path.is_file()}
    added = {
        str(path)
        for path in after - before
        if not {"architect_services", ".architect"} & {*path.parts} and path.suffix != ".pyc"
    }
    assert added == set()


def test_ctrl_c_leaves_nothing_behind(run):
    keep_open(run)
    run.start().wait_for("the shop is open")
    assert len(run.processes()) >= 6
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(PATIENCE) == 130, run.printed()
    run.assert_nothing_is_left()
    assert "Traceback" not in run.printed()


def test_a_service_that_crashes_ends_a_run_that_fails_fast_with_its_last_lines_and_leaves_nothing_behind(run):
    keep_open(run)
    crash = f"""
import os, pathlib, threading, time

def crash():
    while "the shop is open" not in pathlib.Path({str(run.output)!r}).read_text():
        time.sleep(0.05)
    print("out of paper")
    os._exit(7)

threading.Thread(target=crash, daemon=True).start()
"""
    edit(run.system / "payments" / "main.py", lambda text: crash + text)
    run.start("--fail-fast")
    assert run.process.wait(PATIENCE) == 1, run.printed()
    assert "out of paper" in run.printed()
    assert "7" in run.printed()
    run.assert_nothing_is_left()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_killing_the_runner_leaves_nothing_behind(run):
    keep_open(run)
    run.start().wait_for("the shop is open")
    run.process.kill()
    run.process.wait()
    run.assert_nothing_is_left()


def test_killing_its_whole_process_group_leaves_nothing_behind(run):
    keep_open(run)
    run.start().wait_for("the shop is open")
    for process in [each for each in run.processes() if COMMAND in " ".join(each.cmdline())]:
        process.kill()
    run.process.wait()
    deadline = time.monotonic() + 15
    while run.processes() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [process.cmdline() for process in run.processes()] == []


@pytest.mark.parametrize("broker", [None, pytest.param("sqlite", marks=pytest.mark.exhaustive)])
def test_no_letter_is_lost_or_written_twice_whatever_is_killed(run, broker):
    many = 20
    edit(run.system / "main.py", lambda text: text.replace("in PURCHASES]", f"in PURCHASES * {many}]"))
    edit(run.system / "main.py", lambda text: text.replace('"declined"]', f'"declined"] * {many}'))
    run.start(*([] if broker is None else ["--events", broker])).wait_for("letter to")
    programs = [
        ("/shop/orders", "relay"),
        ("/shop/mailer", "main.py"),
        ("/shop/orders", "main.py"),
        ("/shop/payments", "main.py"),
        ("/shop.orders.primary_db", "postgres"),
    ]
    for number, (folder, word) in enumerate(programs, 1):
        process = run.process_of(folder, word)
        assert process is not None, f"{word} in {folder} does not run: {run.printed()}"
        process.kill()
        run.wait_for("was killed and is started again", number)
    # the storefront's exit code says that every order was placed and has one letter
    assert run.process.wait(PATIENCE) == 0, run.printed()
    assert f"and the mailer has written {2 * many} letters" in run.printed()
    run.assert_nothing_is_left()
