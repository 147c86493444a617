"""`architect run examples/shop` works, and leaves no process or file behind however it ends."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from programs import COMMAND
from workspace import ROOT, clean_environ

MARK = "SHOP_TEST_MARK"
PATIENCE = 60.0


class Run:
    """A run of a copy of the shop. A variable marks its processes, so that leftovers are found."""

    def __init__(self) -> None:
        self.mark = secrets.token_hex(8)
        self.folder = Path(tempfile.mkdtemp(prefix="shop-test-"))
        self.folder.chmod(0o755)  # PostgreSQL's own user has to reach its data when root runs this
        self.temporary = self.folder / "tmp"
        self.temporary.mkdir(mode=0o755)
        self.shop = self.folder / "shop"
        shutil.copytree(ROOT / "examples" / "shop", self.shop, ignore=shutil.ignore_patterns("architect_services"))
        self.output = self.folder / "output.txt"
        self.process: subprocess.Popen[bytes]

    def start(self) -> Run:
        environ = clean_environ(**{MARK: self.mark, "TMPDIR": str(self.temporary)})
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [COMMAND, "run", str(self.shop)],
                env=environ,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        return self

    def printed(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.printed():
            assert self.process.poll() is None, self.printed()
            assert time.monotonic() < deadline, self.printed()
            time.sleep(0.05)

    def processes(self) -> list[psutil.Process]:
        """Return the living processes that this run started."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def assert_nothing_is_left(self) -> None:
        deadline = time.monotonic() + 15
        while (self.processes() or list(self.temporary.iterdir())) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert [process.cmdline() for process in self.processes()] == []
        assert list(self.temporary.iterdir()) == []

    def close(self) -> None:
        for process in self.processes():
            process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def run() -> Iterator[Run]:
    one = Run()
    yield one
    one.close()


def edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text()))


def keep_open(run: Run) -> None:
    """Make the storefront wait instead of ending."""
    edit(run.shop / "main.py", lambda _: "import time\nprint('the shop is open')\ntime.sleep(120)\n")


@pytest.fixture(scope="module")
def finished() -> Iterator[Run]:
    """A run of the unchanged example that has ended."""
    one = Run()
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


def test_running_the_example_adds_only_stubs_to_its_folder(finished):
    folder = ROOT / "examples" / "shop"
    before = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    after = {path.relative_to(finished.shop) for path in finished.shop.rglob("*") if path.is_file()}
    added = {str(path) for path in after - before if "architect_services" not in path.parts and path.suffix != ".pyc"}
    assert added == set()


def test_ctrl_c_leaves_nothing_behind(run):
    keep_open(run)
    run.start().wait_for("the shop is open")
    assert len(run.processes()) >= 6
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(PATIENCE) == 130, run.printed()
    run.assert_nothing_is_left()
    assert "Traceback" not in run.printed()


def test_a_service_that_crashes_ends_the_run_with_its_last_lines_and_leaves_nothing_behind(run):
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
    edit(run.shop / "payments" / "main.py", lambda text: crash + text)
    run.start()
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
