"""Which services `architect run` starts: of the working folder or of several, some only, or all but some."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from cli_system import REPORT, SCRIPT, WAITING_SCRIPT, System, wait_until


@pytest.fixture
def shop(system: System) -> Path:
    """A script that needs orders and mailer, both of which need billing."""
    system.server("shop/billing")
    for name in ("orders", "mailer"):
        system.server(f"shop/{name}", dependencies={"shop/billing": "file:../billing"})
    needs = {f"shop/{name}": f"file:../{name}" for name in ("orders", "mailer")}
    return system.service("shop/script", SCRIPT, dependencies=needs)


def test_without_a_path_the_service_of_the_working_folder_runs(system, shop):
    system.succeeds("run", cwd=shop)
    assert sorted(system.started()) == ["shop/billing", "shop/mailer", "shop/orders", "shop/script"]
    assert "architect.json" in system.fails("run", cwd=system.folder)


def test_several_services_run_together_and_what_they_share_is_started_once(system, shop):
    running = system.start("run", "orders", "mailer").wait_for("shop/orders is ready at")
    running.wait_for("shop/mailer is ready at")
    assert sorted(system.started()) == ["shop/billing", "shop/mailer", "shop/orders"]
    ports = [system.services_of(name)["shop/billing"]["port"] for name in ("shop/orders", "shop/mailer")]
    assert ports[0] == ports[1]
    assert running.ends(signal.SIGINT) == 130
    system.assert_nothing_is_left()


@pytest.mark.parametrize(("first", "second", "code"), [(0, 0, 0), (0, 5, 5), (6, 0, 6), (6, 5, 6)])
def test_several_scripts_end_the_run_together_with_the_first_code_that_is_not_0(system, first, second, code):
    one = system.service("a/one", REPORT + f"sys.exit({first})")
    ended = "while not (REPORTS / 'a.one.json').exists(): time.sleep(0.02)\ntime.sleep(0.3)\n"
    two = system.service("a/two", REPORT + ended + f"print('end'); sys.exit({second})")
    done = system.architect("run", one, two)
    assert done.returncode == code
    assert "a/two | end" in done.stdout
    assert f"a/one ended with exit code {first}\n" in done.stdout


def test_a_script_beside_a_service_does_not_end_the_run(system, shop):
    running = system.start("run", "orders", "script").wait_for("shop/script ended with exit code 0")
    assert running.process.poll() is None
    assert running.ends(signal.SIGINT) == 130


def test_a_script_that_is_a_root_and_a_dependency_ends_first(system):
    script = system.service("a/migration", REPORT + "time.sleep(0.3)\n(REPORTS / 'migrated').touch()\n")
    check = REPORT + "assert (REPORTS / 'migrated').exists()\n"
    root = system.service("a/root", check, dependencies={"a/migration": "file:../migration"})
    for folders in ((root, script), (script, root), (root, root)):
        (system.reports / "migrated").unlink(missing_ok=True)
        system.succeeds("run", *folders)


def test_a_folder_stated_twice_runs_once(system):
    root = system.service("a/root", SCRIPT)
    system.succeeds("run", root, f"{root}/../root", cwd=root)
    assert system.started() == ["a/root"]


def test_two_services_of_one_name_do_not_run_together(system):
    one, other = system.service("a/root", SCRIPT), system.service("a/root", SCRIPT, folder="other")
    assert f"two services are named 'a/root': {one} and {other}" in system.fails("run", one, other)
    assert system.started() == []


@pytest.mark.parametrize("name", ["shop/orders", "orders"])
def test_only_a_service_and_what_it_depends_on_are_started(system, shop, name):
    config = system.overrides({"shop/mailer": {"port": 1}})
    running = system.start("run", shop, "--only", name, "--config", config).wait_for("shop/orders is ready at")
    assert sorted(system.started()) == ["shop/billing", "shop/orders"]
    assert running.ends(signal.SIGINT) == 130


def test_a_service_that_the_user_starts_has_an_address_and_nothing_waits_for_it(system, shop):
    (shop / "main.py").write_text(WAITING_SCRIPT)
    running = system.start("run", shop, "--without", "orders", "--without", "shop/billing").wait_for("waiting")
    assert sorted(system.started()) == ["shop/mailer", "shop/script"]
    assert system.services_of("shop/script")["shop/orders"]["port"] > 0
    assert "shop/orders is not started; start it with: architect exec shop/orders -- COMMAND\n" in running.printed()
    assert running.ends(signal.SIGINT) == 130


def test_without_its_root_a_run_lasts_until_ctrl_c(system, shop):
    running = system.start("run", shop, "--without", "script")
    wait_until(lambda: len(system.started()) == 3, running.printed)
    assert running.ends(signal.SIGINT) == 130
    assert "shop/script" not in system.started()


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        (["--only", "shop/ordres"], "there is no service 'shop/ordres' (did you mean 'shop/orders'?); "),
        (["--without", "mail"], "there is no service 'mail'"),
        (["--without", "shop"], "there is no service 'shop'"),
        (["--only", "orders", "--without", "mailer"], "there is no service 'mailer'"),
    ],
)
def test_a_name_that_no_service_has_is_an_error_before_anything_starts(system, shop, stated, reason):
    assert reason in system.fails("run", shop, *stated)
    assert system.started() == []


def test_the_last_part_of_a_name_has_to_be_of_one_service(system):
    needs = {}
    for owner in ("acme", "shop"):
        system.server(f"{owner}/orders", folder=owner)
        needs[f"{owner}/orders"] = f"file:../{owner}"
    root = system.service("a/root", SCRIPT, dependencies=needs)
    printed = system.fails("run", root, "--only", "orders")
    assert "'orders' may be acme/orders or shop/orders. State the whole name" in printed
