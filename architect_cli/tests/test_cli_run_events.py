"""What `architect run` does for events: a broker, and relays and handlers beside the services."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from cli_system import MEMORY_PROVISIONER, SCRIPT, SERVER, WAITING_SCRIPT, Running, System, wait_until

# the commands write who called them with what, and the environment; a handler's module may end the command
COMMAND_PLUGIN = """
import importlib, json, os, pathlib, signal, sys, time
from architect_core.contract import Command, hookimpl

ARCHITECT_CONTRACT = 2
NAME = {name!r}

class Fake(Command):
    summary = "Fake."

    def run(self, arguments):
        me = os.environ["ARCHITECT_CURRENT_SERVICE"]
        reports = pathlib.Path(os.environ["REPORTS"])
        name = " ".join((me, NAME, *arguments))
        (reports / (name.replace("/", ".") + ".json")).write_text(json.dumps(dict(os.environ)))
        with (reports / "started").open("a") as started:
            started.write(name.replace(" ", "_") + "\\n")
        if NAME == "events":
            return 0 if (reports / "database-is-down").exists() is False else 3
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(print(NAME, "has finished its work") or 0))
        if NAME == "consume":
            importlib.import_module(arguments[0])
        print(NAME, "works in", pathlib.Path.cwd().name, "as", os.getpid(), flush=True)
        while True:
            time.sleep(60)

@hookimpl
def architect_command():
    return Fake()
"""
BROKER = MEMORY_PROVISIONER.replace('"name": name}', '"name": name, "type": "toy"}')
KEPT_IN_A_FILE = """
from architect_core.contract import DatastoreProvisioner, Provisioned, hookimpl

ARCHITECT_CONTRACT = 2

class File(DatastoreProvisioner):
    def provision(self, wanted, folder, port):
        return Provisioned({"url": f"sqlite:///{folder}/events.db"})

@hookimpl
def architect_datastore_provisioner():
    return File()
"""
CHANNEL = """
from architect_core.contract import Capabilities, EventChannel, hookimpl

ARCHITECT_CONTRACT = 2

class Toy(EventChannel):
    capabilities = Capabilities()
    def open(self, broker): ...

@hookimpl
def architect_event_channel():
    return Toy()
"""
REAL = {"ARCHITECT_DISABLED_PLUGINS": "architect-events,architect-rabbitmq,architect-sqs"}  # installed beside, or not
HANDLER = {"handler": "letters"}


@pytest.fixture
def events(system: System) -> System:
    """A system with the plugins of events, of which the default keeps them in a file."""
    for name in ("events", "relay", "consume"):
        system.plugin(f"fake_{name}", COMMAND_PLUGIN.format(name=name), serves=name)
    system.plugin("file", KEPT_IN_A_FILE, serves="events.sqlite")
    system.plugin("toy", BROKER, serves="events.toy")
    system.plugin("carrier", CHANNEL, serves="events.carrier")
    system.plugin("memory", MEMORY_PROVISIONER)
    return system


def mailer(system: System, subscription: dict[str, object] | None = None, **manifest: object) -> Path:
    """A service that subscribes to an event of acme/orders, in a tree whose root is a script that waits."""
    system.server("acme/orders", notifications=["placed"], **manifest)
    subscriptions = {"acme/orders": {"placed": subscription or HANDLER}}
    folder = system.service(
        "acme/mailer", None, dependencies={"acme/orders": "file:../orders"}, subscriptions=subscriptions
    )
    (folder / "letters.py").write_text("print('the handlers are loaded')\n")
    if subscription is not None:
        (folder / "main.py").write_text(SCRIPT)
    needs = {"acme/orders": "file:../orders", "acme/mailer": "file:../mailer"}
    return system.service("acme/root", WAITING_SCRIPT, dependencies=needs)


def started(system: System, root: Path, *arguments: str, until: str, **environ: str) -> Running:
    """A run, once `until` was printed."""
    return system.start("run", root, *arguments, **REAL, **environ).wait_for(until)


def stopped(running: Running) -> str:
    """All that was printed until the end, after Ctrl-C."""
    assert running.ends(signal.SIGINT) == 130, running.printed()
    return running.printed()


def test_handlers_are_started_again_when_their_file_changes(events):
    running = started(events, mailer(events), until="the handlers are loaded")
    (events.folder / "mailer" / "letters.py").write_text("print('the handlers are new')\n")
    running.wait_for("acme/mailer is restarted: letters.py changed").wait_for("the handlers are new")
    assert events.started().count("acme/orders") == 1
    stopped(running)


def test_a_handler_runs_in_its_service_s_folder_with_its_environment_and_needs_no_program(events):
    running = started(events, mailer(events), until="consume works in mailer")
    printed = stopped(running)
    assert "acme/mailer consume | the handlers are loaded\n" in printed
    variables = events.variables_of("acme/mailer consume letters")
    assert variables["ARCHITECT_CURRENT_SERVICE"] == "acme/mailer"
    assert variables["ARCHITECT_SERVICE_ROOT"] == str(events.folder / "mailer")
    assert "acme/orders" in json.loads(variables["ARCHITECT"])
    events.assert_nothing_is_left()


def test_all_handlers_of_a_service_are_in_one_process(events):
    events.server("acme/orders", notifications=["placed", "paid", "sent"])
    modules = {"placed": "letters", "paid": "books", "sent": "letters"}
    root = events.service(
        "acme/mailer",
        dependencies={"acme/orders": "file:../orders"},
        subscriptions={"acme/orders": {event: {"handler": module} for event, module in modules.items()}},
    )
    for module in ("letters", "books"):
        (root / f"{module}.py").touch()
    stopped(started(events, root, until="consume works in mailer"))
    assert [each for each in events.started() if "consume" in each] == ["acme/mailer_consume_books_letters"]


def test_all_get_the_broker_and_the_publisher_gets_the_handler_without_a_path(events):
    stopped(started(events, mailer(events), until="consume works"))
    services = events.services_of("acme/orders")
    assert services["acme/orders"]["subscriptions"] == {"placed": {"acme/mailer": HANDLER}}
    assert services["acme/mailer"] == {"api": None}
    values = {
        events.variables_of(name)["ARCHITECT_EVENTS"]
        for name in ("acme/orders", "acme/root", "acme/mailer consume letters")
    }
    (url,) = values
    assert url.startswith(f"sqlite:///{events.temporary}/architect-run-")


def test_without_handlers_and_a_stated_broker_there_is_none(events):
    root = mailer(events, {"uri": "/placed"})
    running = started(events, root, until="waiting")
    stopped(running)
    assert "ARCHITECT_EVENTS" not in events.variables_of("acme/orders")
    assert not any("consume" in each or "relay" in each for each in events.started())


def test_a_named_broker_is_started_before_the_services_and_its_password_is_masked(events):
    print_url = SCRIPT + "print(os.environ['ARCHITECT_EVENTS'])\n"
    root = events.service("a/root", print_url)
    printed = events.succeeds("run", root, "--events", "toy", environ=REAL)
    entry = json.loads(events.variables_of("a/root")["ARCHITECT_EVENTS"])
    assert entry["type"] == "toy"
    assert entry["password"] == "made-up-for-the-run"
    assert "made-up" not in printed
    assert printed.index(f"broker toy is ready on 127.0.0.1:{entry['port']}") < printed.index("a/root |")
    events.assert_nothing_is_left()


@pytest.mark.parametrize("place", ["option", "environment"])
def test_a_broker_that_runs_is_used_as_it_is_and_its_password_is_masked(events, place):
    url = "carrier://guest:s3cret-of-guest@broker.test"
    root = events.service("a/root", SCRIPT + "print(os.environ['ARCHITECT_EVENTS'])\n")
    arguments, environ = (["--events", url], {}) if place == "option" else ([], {"ARCHITECT_EVENTS": url})
    printed = events.succeeds("run", root, *arguments, environ=REAL | environ)
    assert events.variables_of("a/root")["ARCHITECT_EVENTS"] == url
    assert "a/root | carrier://guest:***@broker.test\n" in printed


def test_a_broker_may_be_an_object_whose_secrets_are_masked(events):
    value = json.dumps({"type": "carrier", "host": "broker.test", "password": "s3cret-of-guest"})
    root = events.service("a/root", SCRIPT + "print(os.environ['ARCHITECT_EVENTS'])\n")
    printed = events.succeeds("run", root, "--events", value, environ=REAL)
    assert events.variables_of("a/root")["ARCHITECT_EVENTS"] == value
    assert "s3cret" not in printed


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ("tyo", "--events tyo: no installed plugin serves 'events.tyo' (did you mean 'events.toy'?)"),
        (
            "carrier",
            "--events carrier: the plugin 'events.carrier' of architect-carrier 1.2.3 starts no broker. State the",
        ),
        ("other://broker", "--events: no installed plugin serves 'events.other'"),
        ("broker:5672", "--events: "),
        ("[1]", "--events: must be the name of a broker, a URL such as amqp://broker, or a JSON object"),
        ('{"type": ', "--events"),
    ],
)
def test_a_broker_that_cannot_be_had_is_an_error_before_anything_starts(events, stated, reason):
    root = events.service("a/root", SCRIPT)
    assert reason in events.fails("run", root, "--events", stated, environ=REAL)
    assert events.started() == []


def test_a_broker_that_does_not_start_ends_the_run(events):
    (events.site / "architect_toy_plugin.py").write_text(BROKER.replace('wanted.get("name", "data")', '"dies"'))
    root = events.service("a/root", SCRIPT)
    printed = events.fails("run", root, "--events", "toy", environ=REAL)
    assert "broker toy ended with exit code 4 before it listened on 127.0.0.1:" in printed
    assert events.started() == []


def test_a_datastore_with_events_gets_its_tables_before_the_service_starts_and_a_relay_after_it(events):
    root = mailer(
        events, {"uri": "/placed"}, datastores={"db": {"type": "memory", "events": True}, "cache": {"type": "memory"}}
    )
    printed = stopped(started(events, root, until="relay works in orders"))
    assert "acme/orders/db relay | relay works in orders" in printed
    order = events.started()
    assert order.index("acme/orders_events_init_--datastore_db") < order.index("acme/orders")
    assert order.index("acme/orders") < order.index("acme/orders_relay_--datastore_db")
    assert len([each for each in order if "relay" in each or "init" in each]) == 2
    assert "db" in events.services_of("acme/orders relay --datastore db")["acme/orders"]["datastores"]


def test_a_service_whose_events_nobody_hears_has_no_relay(events):
    root = events.service(
        "a/root", SCRIPT, notifications=["placed"], datastores={"db": {"type": "memory", "events": True}}
    )
    events.succeeds("run", root, environ=REAL)
    assert events.started() == ["a/root_events_init_--datastore_db", "a/root"]


def test_tables_that_cannot_be_created_end_the_run_before_the_service_starts(events):
    (events.reports / "database-is-down").touch()
    root = events.service("a/root", SCRIPT, datastores={"db": {"type": "memory", "events": True}})
    printed = events.fails("run", root, environ=REAL)
    assert "a/root/db events init ended with exit code 3" in printed
    assert "a/root" not in events.started()


def test_with_a_broker_a_publisher_s_relay_posts_to_subscribers_with_a_path(events):
    root = mailer(events, {"uri": "/placed"})
    stopped(started(events, root, "--events", "sqlite", until="relay works in orders"))
    assert "acme/orders_relay_--no-outbox" in events.started()


def test_with_a_broker_no_relay_is_needed_for_subscribers_with_handlers(events):
    stopped(started(events, mailer(events), until="consume works"))
    assert not any("relay" in each for each in events.started())


def test_handlers_and_relays_end_gracefully_before_their_services(events):
    root = mailer(events, datastores={"db": {"type": "memory", "events": True}})
    running = started(events, root, until="consume works in mailer").wait_for("relay works in orders")
    printed = stopped(running)
    assert "consume has finished its work" in printed
    assert "relay has finished its work" in printed


def test_a_handler_that_cannot_be_imported_ends_the_run_with_its_last_lines(events):
    root = mailer(events)
    (events.folder / "mailer" / "letters.py").write_text("print('no ink', flush=True); raise SystemExit(5)")
    printed = events.process("run", root, environ=REAL).failed()
    assert "acme/mailer consume ended with exit code 5. Its last lines:\n    no ink\n" in printed
    events.assert_nothing_is_left()


def test_a_handler_that_is_killed_is_started_again(events):
    running = started(events, mailer(events), until="consume works in mailer")
    first = running.printed().partition("consume works in mailer as ")[2].split()[0]
    os.kill(int(first), signal.SIGKILL)
    running.wait_for("acme/mailer consume was killed and is started again")
    wait_until(lambda: running.printed().count("consume works in mailer as ") == 2, running.printed)
    assert "consume has finished its work" in stopped(running)
    events.assert_nothing_is_left()


def test_a_root_of_handlers_alone_runs_until_ctrl_c(events):
    events.server("acme/orders", notifications=["placed"])
    root = events.service(
        "acme/mailer",
        dependencies={"acme/orders": "file:../orders"},
        subscriptions={"acme/orders": {"placed": HANDLER}},
    )
    (root / "letters.py").touch()
    printed = stopped(started(events, root, until="consume works in mailer"))
    assert "acme/mailer has no program of its own, only handlers of events; press Ctrl-C to stop" in printed


def test_a_path_wins_over_a_handler(events):
    root = mailer(events, {"uri": "/placed", **HANDLER})
    stopped(started(events, root, until="waiting"))
    assert not any("consume" in each for each in events.started())


def test_the_environment_of_the_service_is_used_and_has_to_have_the_command(events):
    root = mailer(events)
    programs = events.folder / "mailer" / ".venv" / "bin"
    programs.mkdir(parents=True)

    def install(name: str) -> None:
        (programs / name).write_text(f'#!/bin/sh\necho "own {name}"\nexec {sys.executable} "$@"\n')
        (programs / name).chmod(0o755)

    install("python")
    printed = events.fails("run", root, environ=REAL)
    assert f"acme/mailer consume runs in the environment of its service, {programs.parent}, which has no" in printed
    install("architect")
    assert "acme/mailer consume | own python\n" in stopped(started(events, root, until="consume works in mailer"))


def test_without_the_plugin_s_package_the_error_says_what_to_install(system):
    system.plugin("file", KEPT_IN_A_FILE, serves="events.sqlite")
    printed = system.fails("run", mailer(system), environ=REAL)
    assert "acme/mailer consume: " in printed
    assert "architect-events" in printed


def test_a_service_that_is_killed_is_started_again_at_its_address_once_what_it_held_is_free(system):
    system.server("a/base", SERVER)
    root = system.service("a/root", WAITING_SCRIPT, dependencies={"a/base": "file:../base"})
    running = system.start("run", root).wait_for("waiting")
    (base,) = [each for each in system.processes() if each.cwd() == str(system.folder / "base")]
    port = system.variables_of("a/base")["PORT"]
    (system.reports / "a.base.json").unlink()
    base.kill()
    running.wait_for("a/base was killed and is started again")
    wait_until(lambda: running.printed().count("a/base | serving") == 2, running.printed)
    assert system.variables_of("a/base")["PORT"] == port
    stopped(running)
    system.assert_nothing_is_left()


def test_a_database_that_keeps_nothing_ends_the_run_when_it_is_killed(system):
    system.plugin("memory", MEMORY_PROVISIONER.replace("prepare=prepare", "prepare=prepare, keeps=False"))
    root = system.service("a/root", WAITING_SCRIPT, datastores={"db": {"type": "memory"}})
    running = system.start("run", root).wait_for("waiting")
    (server,) = [each for each in system.processes() if each.cwd().endswith("/a.root.db")]
    server.kill()
    assert running.ends() == 1
    assert "a/root/db ended with exit code 137" in running.printed()
    system.assert_nothing_is_left()


def test_a_database_that_is_killed_is_started_again_in_its_folder(system):
    system.plugin("memory", MEMORY_PROVISIONER)
    root = system.service("a/root", WAITING_SCRIPT, datastores={"db": {"type": "memory"}})
    running = system.start("run", root).wait_for("waiting")
    (server,) = [each for each in system.processes() if each.cwd().endswith("/a.root.db")]
    server.kill()
    running.wait_for("a/root/db was killed and is started again")
    wait_until(lambda: any(each.cwd().endswith("/a.root.db") for each in system.processes()), running.printed)
    stopped(running)
    system.assert_nothing_is_left()


@pytest.mark.parametrize("stated", [None, "whsec_cmlnaHQgcmlnaHQgcmlnaHQgcmlnaHQg"])
def test_a_subscriber_s_secret_is_given_to_its_publisher_too_and_made_up_if_it_has_no_value(system, stated):
    needs = {"acme/orders": "file:../orders"}
    parameters = {"HOOK": {"description": "what events are signed with"}}
    subscriptions = {"acme/orders": {"placed": {"uri": "/placed", "secret": "HOOK"}}}
    system.server("acme/orders", notifications=["placed"])
    root = system.service(
        "acme/mailer",
        SCRIPT + "print(os.environ['HOOK'])\n",
        dependencies=needs,
        parameters=parameters,
        subscriptions=subscriptions,
    )
    printed = system.succeeds("run", root, environ={} if stated is None else {"HOOK": stated})
    secret = system.variables_of("acme/mailer")["HOOK"]
    assert secret.startswith("whsec_")
    assert stated in {None, secret}
    subscription = system.services_of("acme/orders")["acme/orders"]["subscriptions"]["placed"]["acme/mailer"]
    assert subscription == {"uri": "/placed", "secret": secret}
    assert "acme/mailer | ***\n" in printed
    assert secret not in printed


def test_a_secret_that_is_no_parameter_is_an_error(system):
    subscriptions = {"acme/orders": {"placed": {"uri": "/placed", "secret": "HOOK"}}}
    root = system.service("acme/mailer", SCRIPT, subscriptions=subscriptions)
    printed = system.fails("run", root)
    assert "the `secret` of 'placed' of acme/orders is HOOK, which is no parameter" in printed
