"""What runs of a system keep for the next one: ports, passwords, and the data of servers."""

from __future__ import annotations

import json
import signal
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_system import MEMORY_PROVISIONER, SCRIPT, SERVER, WAITING_SCRIPT, System

from architect_cli.parts import kept
from architect_cli.parts.kept import kept_for, remove_kept

KEEPING = MEMORY_PROVISIONER.replace(
    "@hookimpl\n",
    """
class Keeping(Memory):
    def provision_kept(self, wanted, folder, port):
        with (folder / "calls").open("a") as calls:
            calls.write(f"{wanted} {port}\\n")
        return super().provision(wanted, folder, port)

@hookimpl
""",
).replace("return Memory()", "return Keeping()")
STORE = {"image": "registry.test/memory:1", "parameters": {"MEMORY_PASS": {"alias": "password"}}}


@pytest.fixture
def make_system(system: System) -> Callable[..., Path]:
    """Makes a script with a datastore and a service that listens, in a root folder of its own."""

    def make(provisioner: str = KEEPING, program: str = SCRIPT) -> Path:
        system.plugin("memory", provisioner)
        system.server("a/web", SERVER)
        needs = {"a/web": "file:../web"}
        return system.service("a/root", program, datastores={"db": STORE}, dependencies=needs)

    return make


def facts(system: System) -> dict[str, Any]:
    """What two runs of a system have in common if its ports and passwords are stable."""
    services = system.services_of("a/root")
    store = services["a/root"]["datastores"]["db"]
    return {"web": services["a/web"]["port"], "db": store["port"], "password": store["password"]}


def test_the_ports_and_passwords_of_a_run_are_those_of_the_last_one(system, make_system):
    root = make_system(MEMORY_PROVISIONER.replace('"made-up-for-the-run"', "__import__('secrets').token_hex()"))
    system.succeeds("run", root)
    first = facts(system)
    system.succeeds("run", root)
    assert facts(system) == first
    values = json.loads((root / ".architect" / "private" / "values.json").read_text())
    assert values["ports"] == {"a/web": first["web"], "a/root/db": first["db"]}


def test_a_port_of_the_last_run_that_is_taken_is_replaced_by_a_free_one(system, make_system):
    root = make_system()
    system.succeeds("run", root)
    first = facts(system)
    with socket.create_server(("127.0.0.1", first["web"])):
        system.succeeds("run", root)
    second = facts(system)
    assert second["web"] != first["web"]
    assert {**second, "web": None} == {**first, "web": None}
    system.succeeds("run", root)
    assert facts(system) == second


def test_a_stated_password_is_not_kept(system, make_system):
    root = make_system()
    config = system.overrides({"a/root": {"datastores": {"db": {"password": "stated-secret"}}}})
    system.succeeds("run", root, "--config", config)
    assert facts(system)["password"] == "stated-secret"
    assert "stated-secret" not in (root / ".architect" / "private" / "values.json").read_text()
    system.succeeds("run", root)
    assert facts(system)["password"] == "made-up-for-the-run"


def test_only_this_user_can_read_it_and_git_ignores_it(system, make_system):
    root = make_system()
    system.succeeds("run", root)
    folder = root / ".architect"
    assert (folder / ".gitignore").read_text() == "*\n"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder / "private", *folder.glob("private/*"))}
    assert modes == {"private": 0o700, "values.json": 0o600, "lock": 0o600}
    assert not stat.S_IMODE(folder.stat().st_mode) & 0o066


def test_kept_data_are_passed_to_the_provisioner_of_the_next_run(system, make_system):
    root = make_system()
    for _ in range(2):
        printed = system.succeeds("run", root, "--keep")
        assert "not kept" not in printed
    (folder,) = (root / ".architect" / "data").iterdir()
    assert folder.name == "a.root.db.memory"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    first, second = (folder / "calls").read_text().splitlines()
    port = facts(system)["db"]
    assert first == f"{{}} {port}"
    assert second == f"{{'password': 'made-up-for-the-run'}} {port}"
    system.assert_nothing_is_left()
    # without --keep, they are not touched
    system.succeeds("run", root)
    assert len((folder / "calls").read_text().splitlines()) == 2


def test_a_provisioner_of_the_old_form_runs_with_keep_and_the_user_is_informed(system, make_system):
    root = make_system(MEMORY_PROVISIONER)
    printed = system.succeeds("run", root, "--keep")
    assert "datastore a/root.db: its data are not kept" in printed
    assert not any((root / ".architect" / "data").iterdir())


def test_a_second_run_of_a_system_has_other_ports_and_shares_no_data(system, make_system):
    root = make_system(program=WAITING_SCRIPT)
    running = system.start("run", root, "--keep").wait_for("waiting")
    first = facts(system)
    values = (root / ".architect" / "private" / "values.json").read_text()
    second_run = system.start("run", root, "--keep").wait_for("waiting")
    inner = running.inner().pid
    note = f"another run of the system (process {inner}) uses {root}/.architect: this one takes other ports and shares"
    assert note in second_run.printed()
    assert "datastore a/root.db: its data are not kept" in second_run.printed()
    second = facts(system)
    assert (second["web"] != first["web"], second["db"] != first["db"]) == (True, True)
    assert (root / ".architect" / "private" / "values.json").read_text() == values
    assert f"another run of the system (process {inner}) uses" in system.fails("reset", root)
    assert second_run.ends(signal.SIGINT) == running.ends(signal.SIGINT) == 130
    system.assert_nothing_is_left()


def test_after_sigkill_of_all_processes_the_next_run_has_the_same_ports_and_data(system, make_system):
    root = make_system(program=WAITING_SCRIPT)
    running = system.start("run", root, "--keep").wait_for("waiting")
    first = facts(system)
    for process in (running.process, running.inner()):
        process.kill()
    running.process.wait()
    again = system.start("run", root, "--keep").wait_for("waiting")
    assert "another run" not in again.printed()
    assert facts(system)["password"] == first["password"]
    assert again.ends(signal.SIGTERM) == 143


def test_reset_removes_all_of_it(system, make_system):
    root = make_system()
    system.succeeds("run", root, "--keep")
    (root / ".architect" / "data" / "a.root.db.memory" / "inner").mkdir()
    assert system.succeeds("reset", root) == f"removed {root}/.architect\n"
    assert not (root / ".architect").exists()
    assert system.succeeds("reset", cwd=root) == f"nothing is kept for {root}\n"


def test_reset_removes_no_folder_that_no_run_has_made(system):
    folder = system.folder / "other" / ".architect"
    folder.mkdir(parents=True)
    (folder / "notes").touch()
    assert system.succeeds("reset", folder.parent) == f"nothing is kept for {folder.parent}\n"
    assert (folder / "notes").exists()


def test_a_folder_without_a_service_is_not_touched(system):
    folder = system.folder / "typo"
    system.fails("run", folder)
    assert not folder.exists()
    folder.mkdir()
    system.fails("run", folder)
    assert list(folder.iterdir()) == []
    assert system.succeeds("reset", folder / "inner") == f"nothing is kept for {folder}/inner\n"
    (folder / "loop").symlink_to("loop")
    assert "cannot be read" in system.fails("reset", folder / "loop")


def test_in_a_folder_that_cannot_be_written_what_is_kept_is_in_the_user_s(tmp_path, monkeypatch):
    states = tmp_path / "states"
    monkeypatch.setenv("XDG_STATE_HOME", str(states))
    root = tmp_path / "shop"
    root.mkdir()
    (root / ".architect").touch()  # root may write everywhere, and a file has the same effect
    with kept_for(root) as first:
        first.ports["a/web"] = 7001
        first.save()
        assert first.folder is not None
        assert first.folder.parent == states / "architect"
        assert first.folder.name.startswith("shop-")
        assert first.problem == f"{root}/.architect cannot be used (File exists): what is kept is in {first.folder}"
    with kept_for(root) as second:
        assert second.ports == {"a/web": 7001}
    assert remove_kept(root) == [first.folder]


def test_where_no_folder_can_be_written_the_run_keeps_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file" / "states"))
    (tmp_path / "file").touch()
    (tmp_path / ".architect").touch()
    with kept_for(tmp_path) as found:
        found.save()
        assert found.data_folder("a") is None
        assert found.problem.endswith(".architect cannot be used (File exists): nothing is kept for the next run")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'{"ports": []}',
        b'{"ports": {"a": "1"}, "passwords": {"b": 1}, "secrets": null}',
        b'{"ports": {"a": 0, "b": 65536, "c": true, "d": -1}}',
    ],
)
def test_values_that_somebody_has_changed_are_as_none(tmp_path, content):
    with kept_for(tmp_path):
        pass
    (tmp_path / ".architect" / "private" / "values.json").write_bytes(content)
    with kept_for(tmp_path) as found:
        assert (found.ports, found.passwords, found.secrets) == ({}, {}, {})


@pytest.mark.parametrize(
    ("entry", "password"),
    [
        ({"password": "p%40"}, "p%40"),
        ({"url": "amqp://events:p%40ss@127.0.0.1:5672"}, "p@ss"),
        ({"url": "sqlite:////tmp/events.db"}, None),
        ({"password": None, "name": "x"}, None),
    ],
)
def test_the_password_of_an_entry_is_kept_wherever_it_is(tmp_path, entry, password):
    with kept_for(tmp_path) as found:
        found.remember_password("a/db", entry)
        assert found.passwords.get("a/db") == password


def test_passwords_are_in_no_repr(tmp_path):
    with kept_for(tmp_path) as found:
        found.remember_password("a/db", {"password": "canary"})
        found.secrets["a/b SECRET"] = "canary"
        assert "canary" not in repr(found)


def test_the_lock_of_a_process_that_ends_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "_RELEASE_SECONDS", 0.2)
    with kept_for(tmp_path):
        (tmp_path / ".architect" / "private" / "lock").write_text("999999999")  # no process has this id
        with kept_for(tmp_path) as second:
            assert "(process 999999999)" in second.problem
    with kept_for(tmp_path) as third:
        assert third.problem == ""


def test_the_secrets_that_deliveries_are_signed_with_are_those_of_the_last_run(system):
    system.server("a/shop", SERVER, notifications=["sold"])
    root = system.service(
        "a/root",
        SCRIPT,
        dependencies={"a/shop": "file:../shop"},
        parameters={"WEBHOOK_SECRET": {}},
        subscriptions={"a/shop": {"sold": {"uri": "/sold", "secret": "WEBHOOK_SECRET"}}},
    )
    found = []
    for _ in range(2):
        system.succeeds("run", root)
        found.append(system.variables_of("a/root")["WEBHOOK_SECRET"])
    assert found[0] == found[1]
    assert found[0].startswith("whsec_")
