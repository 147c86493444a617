"""`architect install`, with a stub generator that is a real plugin."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_system import COMMAND, TOY_GENERATOR, System, wait_until, without_root_s_rights

TOY = {"type": "toy", "definitions": ["service.toy"]}


@pytest.fixture
def define(system: System) -> Callable[..., Path]:
    """Makes a service with definitions; the plugin that reads them is installed."""
    system.plugin("toy", TOY_GENERATOR)

    def make(name: str, definition: str | None = "plain", **manifest: Any) -> Path:
        folder = system.service(name, api=TOY, **manifest)
        if definition is not None:
            (folder / "service.toy").write_text(definition)
        return folder

    return make


def stubs(service: Path) -> dict[str, bytes]:
    """Everything in a service's stub folder: path -> content."""
    folder = service / "architect_services"
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def edit(service: Path, definition: str) -> None:
    (service / "service.toy").write_text(definition)


def test_stubs_of_the_service_and_its_dependencies_are_written_with_a_package_at_every_level(system, define):
    root = define("acme/orders", dependencies={"acme/pay-api": "file:../pay-api", "acme/page": "file:../page"})
    define("acme/pay-api")
    system.service("acme/page", api={"type": "rest"})
    assert system.succeeds("install", cwd=root) == "acme/orders: 2 generated, 0 unchanged, 0 removed\n"
    one = ["__init__.py", "checksum", "inner/__init__.py", "inner/service_types.py", "service.py"]
    expected = ["__init__.py", "acme/__init__.py", "finished"]
    expected += [f"acme/{service}/{file}" for service in ("orders", "pay_api") for file in one]
    assert sorted(stubs(root)) == sorted(expected)
    assert stubs(root)["acme/pay_api/service.py"] == b"TEXT = 'plain'\n"


def test_a_pattern_stands_for_the_files_that_match(system, define):
    root = define("acme/orders")
    for name in ("toys/a.toy", "toys/deep/b.toy", "toys/.hidden/c.toy", "toys/[d].toy", "toys/notes.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)

    def installed(*definitions: str) -> set[str]:
        system.service("acme/orders", api={"type": "toy", "definitions": ["service.toy", *definitions]})
        system.succeeds("install", cwd=root)
        return {Path(path).stem for path in stubs(root) if "/inner/" not in path} - {"__init__", "checksum", "finished"}

    assert installed("toys/**/*.toy") == {"service", "[d]", "a", "b"}
    assert installed("./toys/?.toy") == {"service", "a"}
    assert installed("toys/[d].toy") == {"service", "[d]"}  # a file's name, and no pattern
    assert installed("toys/*/*.toy", "toys/a.toy") == {"service", "b", "a"}


@pytest.mark.parametrize("pattern", ["nothing/*.toy", "*.toys", "**/nowhere.toy"])
def test_a_pattern_that_matches_nothing_is_an_error(system, define, pattern):
    root = define("acme/orders")
    system.service("acme/orders", api={"type": "toy", "definitions": [pattern]})
    message = system.fails("install", cwd=root)
    assert f"acme/orders: no file in {root} matches {pattern} (api.definitions)" in message


def test_the_stubs_can_be_imported(system, define):
    root = define("acme/orders", "imported")
    system.succeeds("install", cwd=root)
    program = "from architect_services.acme.orders import service; print(service.TEXT)"
    python = subprocess.run(
        [COMMAND[0] if COMMAND[1:] else Path(COMMAND[0]).parent / "python", "-c", program],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert python.stdout == "imported\n"


def test_a_dependency_s_stubs_lie_under_the_name_it_is_called_by(system, define):
    root = system.service("acme/orders", dependencies={"acme/nickname": "file:../payments"})
    define("acme/payments")
    system.succeeds("install", cwd=root)
    assert "acme/nickname/service.py" in stubs(root)


def test_prefix_names_the_service_s_folder(system, define):
    root = define("acme/orders")
    system.succeeds("install", "-p", root)
    before = stubs(root)
    assert "acme/orders/service.py" in before
    assert system.succeeds("install", "--prefix", root) == "acme/orders: 0 generated, 1 unchanged, 0 removed\n"


def test_without_recursive_only_the_service_itself_gets_stubs_and_with_it_all_do(system, define):
    root = system.service("acme/orders", dependencies={"acme/payments": "file:../payments"})
    payments = define("acme/payments", dependencies={"acme/base": "file:../base"})
    base = define("acme/base")
    system.succeeds("install", "-p", root)
    assert not (payments / "architect_services").exists()
    printed = system.succeeds("install", "-p", root, "-r")
    assert [line.partition(":")[0] for line in printed.splitlines()] == ["acme/base", "acme/payments", "acme/orders"]
    assert {"acme/payments/service.py", "acme/base/service.py"} <= set(stubs(payments))
    assert "acme/base/service.py" in stubs(base)


def test_verbose_lists_each_service(system, define):
    root = define("acme/orders", dependencies={"acme/payments": "file:../payments", "acme/old": "file:../old"})
    define("acme/payments")
    define("acme/old")
    system.succeeds("install", "-p", root)
    define("acme/orders", dependencies={"acme/payments": "file:../payments"})
    edit(system.folder / "payments", "changed")
    assert system.succeeds("install", "-p", root, "-v").splitlines() == [
        "acme/orders: generated acme/payments",
        "acme/orders: unchanged acme/orders",
        "acme/orders: removed acme/old",
        "acme/orders: 1 generated, 1 unchanged, 1 removed",
    ]


def test_unchanged_definitions_are_left_alone_and_changed_ones_generated_anew(system, define):
    root = define("acme/orders", dependencies={"acme/payments": "file:../payments"})
    payments = define("acme/payments")
    system.succeeds("install", "-p", root)
    edit(payments, "changed")
    untouched = root / "architect_services" / "acme" / "orders" / "service.py"
    written = untouched.stat().st_mtime_ns
    left_over = root / "architect_services" / "acme" / "payments" / "left_over.py"
    left_over.write_text("")
    assert system.succeeds("install", "-p", root) == "acme/orders: 1 generated, 1 unchanged, 0 removed\n"
    assert untouched.stat().st_mtime_ns == written
    assert stubs(root)["acme/payments/service.py"] == b"TEXT = 'changed'\n"
    assert not left_over.exists()


def test_stubs_of_removed_dependencies_are_deleted_and_what_else_lies_there_is_kept(system, define):
    needs = {"acme/old": "file:../old", "other/old": "file:../other-old"}
    root = define("acme/orders", dependencies=needs)
    define("acme/old")
    system.service("other/old", folder="other-old", api=TOY)
    (system.folder / "other-old" / "service.toy").write_text("x")
    system.succeeds("install", "-p", root)
    mine = root / "architect_services" / "mine"
    mine.mkdir()
    (mine / "code.py").write_text("x = 1")
    define("acme/orders")
    assert system.succeeds("install", "-p", root) == "acme/orders: 0 generated, 1 unchanged, 2 removed\n"
    assert not [path for path in stubs(root) if "old" in path or path.startswith("other")]
    assert (mine / "code.py").read_text() == "x = 1"


def test_a_dependency_that_moves_into_the_folder_of_a_removed_one_gets_its_stubs(system, define):
    define("acme")
    root = system.service("shop", dependencies={"acme": "file:../acme"})
    system.succeeds("install", "-p", root)
    define("acme/payments")
    system.service("shop", dependencies={"acme/payments": "file:../payments"})
    system.succeeds("install", "-p", root)
    assert "acme/payments/service.py" in stubs(root)
    assert "acme/service.py" not in stubs(root)
    system.service("shop", dependencies={"acme": "file:../acme"})
    system.succeeds("install", "-p", root)
    assert "acme/service.py" in stubs(root)
    assert "acme/payments/service.py" not in stubs(root)


def test_a_dependency_that_turned_to_a_version_keeps_its_stubs_with_a_note(system, define):
    root = system.service("acme/orders", dependencies={"acme/payments": "file:../payments"})
    define("acme/payments")
    system.succeeds("install", "-p", root)
    before = stubs(root)
    system.service("acme/orders", dependencies={"acme/payments": "1.0.0"})
    printed = system.succeeds("install", "-p", root)
    assert "acme/payments is a dependency by version, which cannot be fetched" in printed
    assert stubs(root) == before


def test_notes_of_the_generator_are_shown(system, define):
    assert "acme/orders: acme/orders is odd\n" in system.succeeds("install", "-p", define("acme/orders", "odd"))


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        ("fine\nwrong", "service.toy:2: does not compile"),
        ("crash", "the plugin 'toy' of architect-toy 1.2.3 failed with a KeyError: 'a fault of the plugin'"),
        (None, "acme/payments: there is no "),
    ],
)
def test_a_failing_definition_leaves_the_former_stubs_byte_for_byte(system, define, definition, reason):
    root = define("acme/orders", dependencies={"acme/payments": "file:../payments"})
    payments = define("acme/payments")
    system.succeeds("install", "-p", root)
    before = stubs(root)
    edit(root, "changed too")
    if definition is None:
        (payments / "service.toy").unlink()
    else:
        edit(payments, definition)
    assert reason in system.fails("install", "-p", root)
    assert stubs(root) == before


def test_a_failing_definition_writes_nothing_where_nothing_was(system, define):
    root = define("acme/orders", "wrong")
    system.fails("install", "-p", root)
    assert sorted(path.name for path in root.iterdir()) == ["architect.json", "service.toy"]


def test_names_that_would_share_a_stub_folder_are_an_error(system, define):
    root = system.service("acme/orders", dependencies={"acme/a-b": "file:../x", "acme/a_b": "file:../y"})
    assert "acme/a-b and acme/a_b would share the stub folder acme/a_b" in system.fails("install", "-p", root)


@pytest.mark.parametrize(("owner", "inner"), [("acme", "acme/pay"), ("a_b", "a-b/pay")])
def test_stubs_that_would_lie_inside_of_another_s_are_an_error(system, define, owner, inner):
    root = system.service("shop", dependencies={owner: "file:../owner", inner: "file:../inner"})
    for name, folder in ((owner, "owner"), (inner, "inner")):
        system.service(name, folder=folder, api=TOY)
        (system.folder / folder / "service.toy").write_text("x")
    assert f"the stubs of {inner} would lie inside of those of {owner}" in system.fails("install", "-p", root)
    assert not (root / "architect_services").exists()


def test_a_service_in_another_language_gets_no_stubs_but_a_note(system, define):
    root = define("acme/orders", language="node")
    assert "is written in node, for which no stubs are generated" in system.succeeds("install", "-p", root)
    assert not (root / "architect_services").exists()


def test_a_script_without_definitions_needs_no_plugin_and_no_folder(system):
    root = system.service("acme/report")
    assert system.succeeds("install", "-p", root) == "acme/report: 0 generated, 0 unchanged, 0 removed\n"
    assert not (root / "architect_services").exists()


def test_a_protocol_that_no_plugin_serves_is_an_error_that_lists_what_is_installed(system, define):
    root = system.service("acme/orders", api={"type": "tyo", "definitions": ["x"]})
    printed = system.fails("install", "-p", root)
    assert "the definitions of acme/orders: no installed plugin serves 'tyo' (did you mean 'toy'?)" in printed


def test_a_plugin_without_a_generator_is_an_error(system):
    system.plugin("dumb", "ARCHITECT_CONTRACT = 2")
    root = system.service("acme/orders", api={"type": "dumb", "definitions": ["x"]})
    assert "has no hook architect_stub_generator" in system.fails("install", "-p", root)


@pytest.mark.parametrize("folder", ["nowhere", "reports"])
def test_a_folder_without_a_manifest_is_an_error(system, folder):
    printed = system.fails("install", "-p", system.folder / folder)
    assert str(system.folder / folder) in printed
    assert "no such folder" in printed or "this folder has no architect.json" in printed


def test_two_installations_at_once_do_not_disturb_each_other(system, define):
    root = define("acme/orders", f"wait {system.folder / 'busy'}")
    first, second = (system.start("install", "-p", root) for _ in range(2))
    assert [first.ends(), second.ends()] == [0, 0], first.printed() + second.printed()
    printed = (first.printed() + second.printed()).splitlines()
    assert sorted(printed) == [
        "acme/orders: 0 generated, 1 unchanged, 0 removed",
        "acme/orders: 1 generated, 0 unchanged, 0 removed",
    ]
    assert "acme/orders/service.py" in stubs(root)
    assert not list((root / "architect_services").glob(".new-*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("moment", ["generating", "writing"])
def test_an_installation_that_is_interrupted_leaves_the_former_stubs(system, define, moment, number):
    root = define("acme/orders")
    system.succeeds("install", "-p", root)
    before, busy, folder = stubs(root), system.folder / "busy", root / "architect_services"
    edit(root, f"stay {busy}" if moment == "generating" else "many")
    installing = system.start("install", "-p", root)
    wait_until(lambda: busy.exists() if moment == "generating" else any(folder.glob(".new-*/acme/orders/many")))
    assert installing.ends(number) != 0
    assert "Traceback" not in installing.printed()
    assert {path: content for path, content in stubs(root).items() if not path.startswith(".new-")} == before
    edit(root, "whole")
    system.succeeds("install", "-p", root)
    assert not list(folder.glob(".new-*"))
    assert stubs(root)["acme/orders/service.py"] == b"TEXT = 'whole'\n"


def test_an_interruption_between_taking_the_former_stubs_away_and_placing_the_new_ones_puts_them_back(
    system, define, monkeypatch
):
    root = define("acme/orders")
    system.succeeds("install", "-p", root)
    before = stubs(root)
    edit(root, "changed")
    rename = Path.rename

    def interrupted(path, target):  # no signal can be sent to arrive exactly here
        if ".new-" in str(path) and path.name == "orders":
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    done = system.architect("install", "-p", root)
    assert (done.returncode, "Aborted!" in done.stderr) == (1, True)
    assert stubs(root) == before


def test_a_folder_that_may_not_be_written_is_an_error_that_names_it(system, define):
    root = define("acme/orders")
    root.chmod(0o555)
    printed = system.process("install", "-p", root, preexec_fn=without_root_s_rights).failed()
    assert f"the stubs of acme/orders cannot be written: Permission denied ({root / 'architect_services'})" in printed
    root.chmod(0o755)


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_text("TEXT = 'mine'\n")])
def test_stubs_that_somebody_damaged_are_generated_again(system, define, damage):
    root = define("acme/orders")
    system.succeeds("install", "-p", root)
    before = stubs(root)
    damage(root / "architect_services" / "acme" / "orders" / "service.py")
    assert "1 generated, 0 unchanged" in system.succeeds("install", "-p", root)
    assert stubs(root) == before


def test_a_file_with_the_name_of_the_stub_folder_is_an_error(system, define):
    root = define("acme/orders")
    (root / "architect_services").write_text("mine")
    assert "the stubs of acme/orders cannot be written: " in system.fails("install", "-p", root)
    assert (root / "architect_services").read_text() == "mine"


def test_a_terminal_shows_what_is_in_progress_and_a_file_gets_plain_lines(system, define):
    root = define("acme/orders", dependencies={"acme/payments": "file:../payments"})
    define("acme/payments")
    code, shown = system.on_terminal("install", "-p", str(root), "-r")
    assert code == 0, shown
    assert "Generating stubs" in shown
    assert "acme/payments for acme/orders" in shown
    assert "100%" in shown
    assert "None" not in shown
    edit(root, "wrong")
    code, shown = system.on_terminal("install", "-p", str(root))
    assert code == 1
    assert "acme/orders for acme/orders" in shown.partition("does not compile")[0]
    edit(root, "changed")
    done = system.architect("install", "-p", root, "-r")
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert done.stdout.splitlines()[-1] == "acme/orders: 1 generated, 1 unchanged, 0 removed"
