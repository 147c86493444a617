"""A service is restarted when its files change."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from cli_system import COMMAND, LISTEN, REPORT, SERVER, TOY_GENERATOR, WAITING_SCRIPT, Running, System, wait_until
from watchfiles import Change

from architect_cli.parts import watching
from architect_cli.parts.ignoring import ChangeFilter, is_ignored_by_git, written_by
from architect_cli.parts.reload import Reloader

# answers each connection with the line WORD
ANSWERING = (
    REPORT
    + LISTEN
    + """
while True:
    with listener.accept()[0] as connection:
        connection.sendall(b"WORD")
"""
)


def answers(running: Running, name: str, word: str) -> bool:
    """Whether the service answers with a word."""
    address = re.search(rf"{name} \(rest\) will listen on 127.0.0.1:(\d+)", running.printed())
    assert address is not None
    try:
        with socket.create_connection(("127.0.0.1", int(address[1])), timeout=5) as connection:
            return connection.recv(100) == word.encode()
    except OSError:
        return False


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def web(system: System) -> Path:
    return system.server("a/web", ANSWERING)


@pytest.fixture
def running(system: System, web: Path) -> Running:
    """A run of two services, of which one needs the other."""
    root = system.server("a/root", SERVER, dependencies={"a/web": "file:../web"})
    return system.start("run", root).wait_for("a/root is ready")


def stops(system: System, running: Running) -> None:
    assert running.ends(signal.SIGINT) == 130, running.printed()
    system.assert_nothing_is_left()


def test_a_changed_file_restarts_its_service_and_no_other(system, web, running):
    write(web / "main.py", ANSWERING.replace("WORD", "changed"))
    running.wait_for("a/web is restarted: main.py changed").wait_for("a/web is ready again")
    assert answers(running, "a/web", "changed")
    assert system.started() == ["a/web", "a/root", "a/web"]
    stops(system, running)


def test_a_service_that_fails_after_a_change_waits_for_the_next_one(system, web, running):
    write(web / "main.py", "this is no Python")
    running.wait_for("SyntaxError").wait_for("a/web ended with exit code 1").wait_for(
        "waits for the next change of its files"
    )
    write(web / "main.py", ANSWERING.replace("WORD", "mended"))
    running.wait_for("a/web is ready again")
    assert answers(running, "a/web", "mended")
    assert system.started() == ["a/web", "a/root", "a/web"]
    assert "is started again in" not in running.printed()
    stops(system, running)


def test_changes_that_follow_each_other_are_one(system, web, running):
    (web / "empty").mkdir()  # which is no change
    for number in range(20):
        write(web / f"inner/part{number}.py", "")
    write(web / "main.py", ANSWERING.replace("WORD", "last"))
    wait_until(lambda: answers(running, "a/web", "last"), running.printed)
    count = running.printed().count("is restarted")
    write(web / "inner" / "part0.py", "# in a folder that is new, too")
    wait_until(lambda: running.printed().count("is restarted") > count, running.printed)
    running.wait_for("a/web is restarted: inner/part0.py changed")
    assert running.printed().count("a/web is restarted") <= 3
    assert "empty" not in running.printed()
    stops(system, running)


@pytest.mark.parametrize("count", [5, pytest.param(100, marks=pytest.mark.exhaustive)])
def test_many_changes_in_a_row_leave_no_process_and_no_watcher(system, web, running, count):
    def watchers() -> int:
        inner = running.inner().pid
        links = [each.readlink() for each in Path(f"/proc/{inner}/fd").iterdir() if each.is_symlink()]
        return sum("inotify" in str(link) for link in links)

    wait_until(lambda: sys.platform != "linux" or watchers() == 1)  # it begins when the services have started
    before = (len(system.processes()), running.inner().num_threads(), watchers() if sys.platform == "linux" else 1)
    for number in range(count):
        write(web / "main.py", ANSWERING.replace("WORD", f"number {number}"))
        wait_until(lambda number=number: answers(running, "a/web", f"number {number}"), running.printed)
    wait_until(lambda: running.printed().count("is ready again") >= 1)
    after = (len(system.processes()), running.inner().num_threads(), watchers() if sys.platform == "linux" else 1)
    assert after[0] == before[0]
    assert after[1] <= before[1] + 8  # the threads that plugins and files are read in
    assert after[2] == before[2] == 1
    assert not [child for child in running.inner().children() if child.status() == psutil.STATUS_ZOMBIE]
    stops(system, running)


def test_without_reload_no_change_restarts_anything(system, web):
    running = system.start("run", web, "--no-reload").wait_for("a/web is ready")
    assert "watch" not in {thread.name for thread in threading.enumerate()}
    write(web / "main.py", ANSWERING.replace("WORD", "changed"))
    time.sleep(1)
    assert system.started() == ["a/web"]
    stops(system, running)


def test_a_file_of_a_service_in_the_folder_of_another_is_its_own(system):
    inner = system.server("a/inner", ANSWERING, folder="outer/inner")
    outer = system.server("a/outer", SERVER, dependencies={"a/inner": "file:./inner"})
    running = system.start("run", outer).wait_for("a/outer is ready")
    write(inner / "main.py", ANSWERING.replace("WORD", "inner"))
    wait_until(lambda: answers(running, "a/inner", "inner"), running.printed)
    write(outer / "shared" / "part.py", "")
    running.wait_for("a/outer is restarted: shared/part.py changed")
    wait_until(lambda: system.started() == ["a/inner", "a/outer", "a/inner", "a/outer"], running.printed)
    stops(system, running)


def test_a_script_is_run_again_while_it_runs(system):
    root = system.service("a/root", WAITING_SCRIPT)
    running = system.start("run", root).wait_for("waiting")
    write(root / "main.py", "raise SystemExit('broken')")
    running.wait_for("broken").wait_for("a/root ended with exit code 1 and waits for the next change")
    write(root / "main.py", "print('mended')")
    assert running.process.wait(30) == 0, running.printed()
    system.assert_nothing_is_left()


def test_what_a_service_writes_itself_does_not_restart_it(system, web):
    writing = """
import os, pathlib, sqlite3
pathlib.Path("service.log").write_text("started")
sqlite3.connect("data.db").execute("CREATE TABLE IF NOT EXISTS a (b)")
held = open("journal.txt", "a", buffering=1)
held.write("started")
"""
    write(web / "main.py", writing + ANSWERING)
    running = system.start("run", web).wait_for("a/web is ready")
    write(web / "other.py", "")  # a change that counts, after which the others would have been noticed
    running.wait_for("a/web is ready again")
    assert system.started() == ["a/web", "a/web"]
    assert running.printed().count("is restarted") == 1
    stops(system, running)


@pytest.mark.parametrize(
    ("name", "pause"),
    [
        ("state.json", 0),
        ("built.js", 0.3),  # a program that is built at the start
    ],
)
def test_a_service_that_writes_another_file_each_time_it_starts_is_not_restarted_for_ever(system, web, name, pause):
    writing = f"import pathlib, time; pathlib.Path('{name}').write_text(str(time.time())); time.sleep({pause})"
    write(web / "main.py", writing + ANSWERING)
    running = system.start("run", web).wait_for("a/web is ready")
    write(web / "other.py", "")
    running.wait_for(f"a/web changes {name} each time it starts: that restarts it no more").wait_for("ready again")
    count = len(system.started())
    write(web / "main.py", writing + ANSWERING.replace("WORD", "changed"))
    wait_until(lambda: answers(running, "a/web", "changed"), running.printed)
    assert len(system.started()) == count + 1
    stops(system, running)


def test_a_run_goes_on_where_files_cannot_be_watched(system, web, monkeypatch):
    root = system.service("a/root", REPORT + "time.sleep(0.5)", dependencies={"a/web": "file:../web"})

    def watch(*_, **__):
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr(watching, "watch", watch)
    printed = system.succeeds("run", root)
    assert (
        "files are not watched, so that no change restarts a service: OS file watch limit reached. On Linux" in printed
    )


def replaced(path: Path, text: str) -> None:
    """Write a file as many editors do."""
    new = path.with_name("new-1234")
    new.write_text(text)
    new.replace(path)


def moved_back(path: Path, text: str) -> None:
    """As vim does, and as sed -i with a copy."""
    path.rename(path.with_name(f"{path.name}~"))
    path.write_text(text)


@pytest.mark.parametrize("save", [replaced, moved_back])
def test_a_file_is_changed_however_it_is_saved(system, web, running, save):
    save(web / "main.py", ANSWERING.replace("WORD", "saved"))
    running.wait_for("a/web is restarted: main.py changed").wait_for("a/web is ready again")
    assert answers(running, "a/web", "saved")
    (web / "main.py").unlink()
    running.wait_for("a/web ended with exit code 2").wait_for("waits for the next change")
    stops(system, running)


def test_a_change_while_a_service_starts_is_not_lost(system):
    slow = "import time; print('starting', flush=True); time.sleep(100)"
    web = system.server("a/web", slow)
    root = system.server("a/root", SERVER, dependencies={"a/web": "file:../web"})
    running = system.start("run", root).wait_for("starting")
    write(web / "main.py", "1 +")
    running.wait_for("a/web ended with exit code 1").wait_for("waits for the next change")
    write(web / "main.py", ANSWERING)
    running.wait_for("a/root is ready")
    stops(system, running)


def test_a_service_that_was_stopped_is_not_started_by_a_change(system, web, running):
    system.process("stop", "a/web", cwd=system.folder / "root").succeeded()
    write(web / "main.py", ANSWERING.replace("WORD", "changed"))
    write(system.folder / "root" / "other.py", "")
    running.wait_for("a/root is ready again")
    assert system.started() == ["a/web", "a/root", "a/root"]
    system.process("restart", "a/web", cwd=system.folder / "root").succeeded()
    assert answers(running, "a/web", "changed")
    stops(system, running)


def test_a_changed_manifest_is_for_the_next_run(system, web, running):
    write(web / "architect.json", json.dumps({"name": "a/web", "api": {"type": "rest"}, "description": "x"}))
    running.wait_for(f"{web}/architect.json was changed: the next run reads it")
    assert system.started() == ["a/web", "a/root"]
    stops(system, running)


@pytest.fixture
def toy(system: System) -> Callable[..., Running]:
    """A run of a service with definitions of a toy protocol, a user of it, and one without."""

    def start() -> Running:
        system.plugin("toy", TOY_GENERATOR)
        api = {"type": "toy", "definitions": ["service.toy"]}
        places = [system.service("a/owner", ANSWERING, api=api)]
        write(places[0] / "service.toy", "first")
        needs = {"a/owner": "file:../owner"}
        system.server("a/user", SERVER, dependencies=needs)
        system.server("a/other", SERVER)
        all_of_them = {"a/user": "file:../user", "a/other": "file:../other"}
        root = system.server("a/root", SERVER, dependencies=all_of_them)
        return system.start("run", root).wait_for("a/root is ready")

    return start


def test_a_changed_definition_generates_the_stubs_again_and_restarts_whoever_uses_them(system, toy):
    running = toy()
    write(system.folder / "owner" / "service.toy", "second")
    running.wait_for("stubs of a/owner generated for a/user\n").wait_for("a/user is restarted: its stubs changed")
    for user in ("owner", "user"):
        stubs = system.folder / user / "architect_services" / "a" / "owner" / "service.py"
        wait_until(lambda stubs=stubs: "second" in stubs.read_text())
    wait_until(lambda: sorted(system.started()[4:]) == ["a/owner", "a/user"], running.printed)
    stops(system, running)


def test_a_definition_that_does_not_compile_restarts_nothing(system, toy):
    running = toy()
    definition = system.folder / "owner" / "service.toy"
    write(definition, "wrong")
    running.wait_for("service.toy:1: does not compile. Its former stubs are used until the next change")
    assert len(system.started()) == 4
    write(definition, "third")
    running.wait_for("a/user is restarted: its stubs changed")
    wait_until(lambda: len(system.started()) == 6, running.printed)
    stops(system, running)


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("main.py", True),
        ("templates/page.html", True),
        ("data/prices.csv", True),
        ("Makefile", True),
        (".env", True),
        ("database.py", True),
        ("logs.py", True),
        (".git/index", False),
        ("__pycache__/main.cpython-311.pyc", False),
        ("main.pyc", False),
        (".venv/lib/x.py", False),
        ("venv/lib/x.py", False),
        ("node_modules/a/index.js", False),
        (".architect/data/a.db.postgres/data/base/1", False),
        ("architect_services/a/b/__init__.py", False),
        (".pytest_cache/v", False),
        (".vscode/settings.json", False),
        (".coverage", False),
        (".coverage.host.1", False),
        ("app.log", False),
        ("app.log.1", False),
        ("app.db", False),
        ("app.db-journal", False),
        ("app.sqlite3-wal", False),
        ("app.sqlite-shm", False),
        ("dump.rdb", False),
        ("app.pid", False),
        (".main.py.swp", False),
        ("main.py~", False),
        (".#main.py", False),
        ("#main.py#", False),
        ("4913", False),
    ],
)
def test_files_of_tools_and_of_services_do_not_count(tmp_path, path, counts):
    root = tmp_path / "venv" / "web"  # a folder around it does not matter
    assert ChangeFilter([root])(Change.modified, str(root / path)) is counts


def test_large_folders_that_are_ignored_are_not_watched(tmp_path):
    for inner in ("app/views", "node_modules/a", ".venv/lib", "build/x", "src/build/y", ".git/objects"):
        (tmp_path / inner).mkdir(parents=True)
    (tmp_path / ".gitignore").write_text("/build/\n")
    found = {str(Path(each).relative_to(tmp_path)) for each in watching._folders([tmp_path], ChangeFilter([tmp_path]))}
    assert found == {".", "app", "app/views", "src", "src/build", "src/build/y"}


def test_what_git_ignores_does_not_count(tmp_path):
    outer = tmp_path / "outer"
    repository = outer / "repository"
    write(outer / ".gitignore", "*.txt\n")
    write(repository / ".gitignore", "build/\n/only-here\n*.csv\n!kept.csv\n# a comment\n")
    write(repository / "web" / ".gitignore", "!here.csv\n*.json\n")
    ignored = {
        "build/main.py": True,
        "web/build/main.py": True,
        "only-here": True,
        "web/only-here": False,
        "web/data.csv": True,
        "web/kept.csv": False,
        "web/here.csv": False,
        "web/a.json": True,
        "a.json": False,
    }
    (repository / ".git").mkdir()
    for path, expected in ignored.items():
        assert is_ignored_by_git(repository / path) is expected, path
    assert not is_ignored_by_git(repository / "a.txt")  # beyond the repository
    assert is_ignored_by_git(outer / "a.txt")
    (repository / ".gitignore").write_text("a.txt\n")
    os.utime(repository / ".gitignore", (1, 1))
    assert is_ignored_by_git(repository / "a.txt")


def test_what_a_run_prints_into_a_watched_folder_is_no_change(system, web):
    printed = web / "out.txt"
    system.start("run", web, command=["/bin/sh", "-c", 'exec "$@" > "$0"', str(printed), *COMMAND])
    wait_until(lambda: printed.is_file() and "is ready at" in printed.read_text())
    write(web / "other.py", "")
    wait_until(lambda: "ready again" in printed.read_text(), printed.read_text)
    write(web / "last.py", "")
    wait_until(lambda: printed.read_text().count("ready again") >= 2, printed.read_text)
    assert "out.txt" not in printed.read_text()


def test_a_file_that_a_process_has_open_for_writing_is_its_own(tmp_path):
    program = "import sys; a = open('read'); b = open('written', 'a'); print(flush=True); sys.stdin.read()"
    (tmp_path / "read").touch()
    with subprocess.Popen(
        ["/bin/sh", "-c", f'"{sys.executable}" -c "{program}"; true'],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert written_by({999_999_999}) == set()
        found = written_by({process.pid})
        assert str(tmp_path / "written") in found
        if sys.platform == "linux":
            assert str(tmp_path / "read") not in found


class Quiet:
    def note(self, text: str) -> None:
        """Show nothing."""


@pytest.mark.parametrize("steps", range(8))
def test_a_run_ends_at_whichever_moment_its_services_get_ready(steps):
    class GettingReady:
        pid = None
        ready = asyncio.Event()

        async def steady(self) -> None:
            await self.ready.wait()

    async def end_soon_after_it_is_ready() -> None:
        part = GettingReady()
        reloader = Reloader(SimpleNamespace(started=[], nodes=[]), [part], None, Quiet())
        await asyncio.sleep(0.01)
        part.ready.set()
        for _ in range(steps):
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await reloader.close()

    asyncio.run(end_soon_after_it_is_ready())
