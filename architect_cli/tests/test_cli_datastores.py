"""The datastores of `architect run`: servers that a plugin starts, and those that are somewhere."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_system import MEMORY_PROVISIONER, SCRIPT, SERVER, WAITING_SCRIPT, System, free_port, wait_until

from architect_cli.planning.overrides import DatastoreOverride
from architect_cli.planning.plan import Datastore
from architect_core.schema.manifest import ManifestDatastore

PARAMETERS = {
    "MEMORY_USER": {"default": "app", "alias": "username"},
    "MEMORY_PASS": {"alias": "password"},
    "MEMORY_DB": {"alias": "name", "required": False},
    "MEMORY_SIZE": {"default": 5},
}


@pytest.fixture
def with_store(system: System) -> Callable[..., Path]:
    """Makes a script with a datastore `db` whose server the plugin starts."""
    system.plugin("memory", MEMORY_PROVISIONER)

    def make(program: str = SCRIPT, **declared: Any) -> Path:
        declared = {"image": "registry.test/memory:1", "parameters": PARAMETERS, **declared}
        return system.service("a/root", program, datastores={"db": declared})

    return make


def named(system: System, name: str) -> str:
    """The option value that makes the plugin behave like `name`."""
    return system.overrides({"a/root": {"datastores": {"db": {"name": name}}}})


def entry(system: System) -> dict[str, Any]:
    return system.services_of("a/root")["a/root"]["datastores"]["db"]


def test_its_service_gets_the_entry_with_the_raw_parameters_beside_their_aliases(system, with_store):
    printed = system.succeeds("run", with_store())
    found = entry(system)
    assert f"a/root/db is ready on 127.0.0.1:{found['port']}\n" in printed
    assert found == {
        "image": "registry.test/memory:1",
        "host": "127.0.0.1",
        "port": found["port"],
        "username": "app",
        "password": "made-up-for-the-run",
        "name": "data",
        "MEMORY_USER": "app",
        "MEMORY_PASS": "made-up-for-the-run",
        "MEMORY_DB": "data",
        "MEMORY_SIZE": "5",
    }
    system.assert_nothing_is_left()


def test_no_other_service_gets_it(system, with_store):
    with_store(SERVER)
    root = system.service("a/root", SERVER, api={"type": "rest"}, datastores={"db": {"type": "memory"}})
    top = system.service(
        "a/top", SCRIPT, dependencies={"a/root": "file:../root"}, datastores={"own": {"type": "memory"}}
    )
    assert root.exists()
    system.succeeds("run", top)
    assert set(system.services_of("a/top")["a/top"]["datastores"]) == {"own"}
    assert set(system.services_of("a/top")["a/root"]) == {"host", "port", "api"}
    assert set(system.services_of("a/root")["a/root"]["datastores"]) == {"db"}
    ports = {entry["port"] for entry in system.services_of("a/top")["a/top"]["datastores"].values()}
    assert not ports & {entry(system)["port"], int(system.variables_of("a/root")["PORT"])}


def test_the_config_file_says_what_its_server_is_made_with(system, with_store):
    port = free_port()
    stated = {"port": port, "username": "me", "name": "mine", "parameters": {"MEMORY_PASS": "stated-1"}}
    config = system.overrides({"a/root": {"datastores": {"db": stated}}})
    system.succeeds("run", with_store(), "--config", config)
    found = entry(system)
    assert (found["port"], found["username"], found["password"], found["name"]) == (port, "me", "stated-1", "mine")
    assert found["MEMORY_USER"] == "me"


@pytest.mark.parametrize("place", ["manifest", "config"])
def test_one_with_a_host_is_used_where_it_is(system, with_store, place):
    host = {"host": "db.test", "port": 7000}
    stated = {"password": "stated-1", "parameters": {"MEMORY_SIZE": "9"}, **(host if place == "config" else {})}
    config = system.overrides({"a/root": {"datastores": {"db": stated}}})
    printed = system.succeeds("run", with_store(**(host if place == "manifest" else {})), "--config", config)
    assert "is ready on" not in printed
    assert entry(system) == {
        "image": "registry.test/memory:1",
        "host": "db.test",
        "port": 7000,
        "username": "app",
        "password": "stated-1",
        "MEMORY_USER": "app",
        "MEMORY_PASS": "stated-1",
        "MEMORY_SIZE": "9",
    }


def test_one_with_a_host_needs_no_plugin(system):
    root = system.service("a/root", SCRIPT, datastores={"db": {"type": "unheard", "host": "db.test"}})
    system.succeeds("run", root)
    assert entry(system) == {"type": "unheard", "host": "db.test"}


def test_required_parameters_without_a_value_are_reported_before_anything_starts(system, with_store):
    parameters = {"MEMORY_PASS": {"alias": "password"}, "LICENCE": {}, "REGION": {"alias": "region"}}
    printed = system.fails("run", with_store(parameters=parameters))
    assert "required parameters have no value: a/root.db: LICENCE, a/root.db: REGION. State them" in printed
    printed = system.fails("run", with_store(parameters=parameters, host="db.test"))
    assert "have no value: a/root.db: MEMORY_PASS, a/root.db: LICENCE, a/root.db: REGION. State them" in printed
    assert system.started() == []


def test_a_datastore_that_nothing_has_to_run_for_is_only_an_entry(system, with_store):
    system.succeeds("run", with_store(parameters={}), "--config", named(system, "nothing"))
    assert entry(system)["name"].endswith("/a.root.db/data")
    system.assert_nothing_is_left()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "there is no memory server. apt-get install one"),
        ("fault", "a/root.db: the plugin 'memory' of architect-memory 1.2.3 failed with a ZeroDivisionError: memory"),
        ("unprepared", "architect-memory 1.2.3 failed with a RuntimeError: cannot log in with ***"),
        ("dies", "a/root/db ended with exit code 4 before it listened on 127.0.0.1:"),
        ("silent", "a/root/db does not listen on 127.0.0.1:"),
    ],
)
def test_a_server_that_cannot_be_had_ends_the_run_before_its_service_starts(system, with_store, name, reason):
    printed = system.fails(
        "run", with_store(), "--config", named(system, name), "--timeout", "1" if name == "silent" else "30"
    )
    assert reason in printed
    assert "made-up" not in printed
    assert system.started() == []
    system.assert_nothing_is_left()


def test_a_server_that_dies_ends_the_run_if_it_is_to_fail_fast(system, with_store):
    printed = system.fails("run", "--fail-fast", with_store(WAITING_SCRIPT), "--config", named(system, "short"))
    assert "a/root/db ended with exit code 5. Its last lines:\n    short\n    ***\n" in printed
    assert system.started() == ["a/root"]
    system.assert_nothing_is_left()


def test_its_password_is_masked_in_what_services_print(system, with_store):
    printing = "import architect.sdk as a; print(a.current_service().config.datastores['db'].password)"
    program = f"import os; print(os.environ['ARCHITECT'])\n{printing}\n"
    printed = system.succeeds("run", with_store(program))
    assert "made-up" not in printed
    assert "a/root | ***\n" in printed
    assert '"MEMORY_PASS": "***"' in printed


def test_an_engine_that_no_plugin_serves_is_an_error(system, with_store):
    root = system.service("a/root", SCRIPT, datastores={"db": {"image": "memroy:1"}})
    printed = system.fails("run", root)
    assert (
        "datastore a/root.db: a memroy server cannot be started here (did you mean 'memory'?). State the host"
        in printed
    )


def test_an_engine_whose_plugin_starts_no_server_is_an_error_that_says_what_to_do(system):
    system.plugin("dumb", "ARCHITECT_CONTRACT = 2")
    root = system.service("a/root", SCRIPT, datastores={"db": {"type": "dumb"}})
    assert "a dumb server cannot be started here. State the host of one that runs, with --conf" in system.fails(
        "run", root
    )


def test_a_stated_port_that_a_service_has_too_is_an_error(system, with_store):
    port = free_port()
    root = system.service("a/root", SERVER, api={"type": "rest"}, datastores={"db": {"type": "memory"}})
    config = system.overrides({"a/root": {"port": port, "datastores": {"db": {"port": port}}}})
    assert f"a/root and a/root/db are both to listen on port {port}" in system.fails("run", root, "--config", config)


def test_ctrl_c_does_not_wait_for_a_plugin_that_is_busy(system, with_store):
    running = system.start("run", with_store(), "--config", named(system, "stuck"))
    wait_until(lambda: any(system.temporary.glob("architect-run-*/a.root.db/data")))
    assert running.ends(signal.SIGINT) == 130, running.printed()  # the plugin sleeps longer than a test waits
    system.assert_nothing_is_left()


# https://hub.docker.com/_/postgres, /mysql, /mariadb, /mongo, /rabbitmq, /redis: the variables of the images
@pytest.mark.parametrize(
    ("username", "password", "name"),
    [
        ("POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"),
        ("MYSQL_USER", "MYSQL_PASSWORD", "MYSQL_DATABASE"),
        ("MARIADB_USER", "MARIADB_PASSWORD", "MARIADB_DATABASE"),
        ("MONGO_INITDB_ROOT_USERNAME", "MONGO_INITDB_ROOT_PASSWORD", "MONGO_INITDB_DATABASE"),
        ("RABBITMQ_DEFAULT_USER", "RABBITMQ_DEFAULT_PASS", "RABBITMQ_DEFAULT_VHOST"),
        ("CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD", "CLICKHOUSE_DB"),
        # /r/bitnami, and the images of Red Hat and CockroachDB
        ("POSTGRESQL_USERNAME", "POSTGRESQL_PASSWORD", "POSTGRESQL_DATABASE"),
        ("POSTGRESQL_USER", "POSTGRESQL_PASSWORD", "POSTGRESQL_DATABASE"),
        ("RABBITMQ_USERNAME", "RABBITMQ_PASSWORD", "RABBITMQ_VHOST"),
        ("COCKROACH_USER", "COCKROACH_PASSWORD", "COCKROACH_DATABASE"),
    ],
)
def test_parameters_of_an_image_are_the_login_of_its_server_without_an_alias(username, password, name):
    declared = {username: {"default": "app"}, password: {"default": "s3cret"}, name: {"default": "shop"}}
    store = planned(declared)
    login = {"username": "app", "password": "s3cret", "name": "shop"}
    assert store.wanted() == login
    raw = {username: "app", password: "s3cret", name: "shop"}
    assert store.entry(login) == {**raw, "image": "registry.test/memory:1", **login}


def test_an_alias_overrides_the_meaning_of_an_image_s_parameter():
    store = planned({"POSTGRES_USER": {"default": "a"}, "APP_USER": {"default": "b", "alias": "username"}})
    assert store.wanted() == {"username": "b"}
    assert store.entry(store.wanted())["POSTGRES_USER"] == "a"
    other = planned({"POSTGRES_DB": {"default": "a", "alias": "schema"}})
    assert other.wanted() == {"schema": "a"}


def planned(parameters: dict[str, Any]) -> Datastore:
    declared = {"image": "registry.test/memory:1", "parameters": parameters}
    return Datastore("a/root", "db", ManifestDatastore.model_validate(declared), DatastoreOverride())
