"""Data that `architect run --keep` keeps: they survive SIGKILL, and the next start has its own login and port."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
import redis
from datastore_servers import HOST, free_port, running, temporary_folder

from architect_core.contract import DatastoreProvisioner, Provisioned
from architect_core.exceptions import RunError
from architect_datastore import postgres_programs
from architect_datastore.postgres_server import PostgresProvisioner
from architect_datastore.redis_server import RedisProvisioner
from architect_datastore.sqlite import SqliteProvisioner

AWKWARD = "a@:/?#%\"'\\ b ünïcode$$;--"
PASSWORD = "s3cret@:/?#%\"'\\ ünïcode\n\t"


@contextmanager
def started(provisioner: DatastoreProvisioner, folder: Path, **wanted: str) -> Iterator[Provisioned]:
    """A server with the data in `folder`, which is killed with its whole session at the end."""
    port = free_port()
    try:
        provisioned = provisioner.provision_kept(wanted, folder, port)
    except RunError as problem:
        if "there is no such program" not in str(problem):
            raise
        reason = str(problem)
        pytest.skip(reason)
    assert provisioned is not None
    with running(provisioned, folder, port, killed=True):
        yield provisioned


@pytest.fixture
def folder() -> Iterator[Path]:
    with temporary_folder() as outer:
        inner = outer / "what? #1 100%"
        inner.mkdir()
        yield inner


def connect(server: Provisioned, **other: str) -> psycopg.Connection:
    entry = {**server.entry, **other}
    login = {"user": entry["username"], "password": entry["password"], "dbname": entry["name"]}
    return psycopg.connect(host=HOST, port=entry["port"], **login)


def test_postgresql_keeps_what_was_committed(folder):
    (folder / "data.new").mkdir()  # of a start that was killed
    (folder / "data.new" / "PG_VERSION").write_text("15")
    login = {"username": AWKWARD, "password": PASSWORD, "name": f"db {AWKWARD}"}
    with started(PostgresProvisioner(), folder, **login) as server, connect(server) as connection:
        connection.execute("CREATE TABLE orders AS SELECT 7 AS number")
        connection.commit()
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
    have_another_program_with_its_id(folder)
    with started(PostgresProvisioner(), folder, **{**login, "password": "another"}) as server:
        with connect(server) as connection:
            assert connection.execute("SELECT number FROM orders").fetchone() == (7,)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(server, password=PASSWORD)
    # a user and a database that are new beside those that exist
    other = {"username": "app", "password": "x", "name": "shop"}
    with started(PostgresProvisioner(), folder, **other) as server, connect(server) as connection:
        found = connection.execute("SELECT datname FROM pg_database").fetchall()
    assert {(f"db {AWKWARD}",), ("shop",)} <= set(found)


def have_another_program_with_its_id(folder: Path) -> None:
    """As after a restart of a container, in which the lock of the killed server remains."""
    lock = folder / "data" / "postmaster.pid"
    lines = lock.read_text().splitlines()
    lock.write_text("\n".join([str(os.getpid()), *lines[1:]]))


@pytest.mark.parametrize("version", ["9.6", "9", "99"])
def test_data_of_another_major_version_of_postgresql_are_refused_with_what_to_do(folder, version):
    (folder / "data").mkdir()
    (folder / "data" / "PG_VERSION").write_text(f"{version}\n")
    with pytest.raises(RunError) as caught:
        PostgresProvisioner().provision_kept({}, folder, 1)
    if "there is no such program" in str(caught.value):
        pytest.skip(str(caught.value))
    assert f"the kept data of PostgreSQL in {folder} belong to version {version}: " in str(caught.value)
    assert "postgres: has version 1" in str(caught.value)
    assert str(caught.value).endswith(f"Install PostgreSQL {version}, or delete what is kept with `architect reset`")


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)", "15"),
        ("postgres (PostgreSQL) 18beta1", "18"),
        ("postgres (PostgreSQL) 9.6.24", "9.6"),
        ("initdb (PostgreSQL) 10.2", "10"),
    ],
)
def test_the_major_version_is_read_from_what_the_program_prints(printed, version):
    found = postgres_programs.VERSION.search(printed)
    assert found is not None
    assert found[1] == version


def test_redis_keeps_every_answered_command(folder):
    with started(RedisProvisioner(), folder, password="first") as server:
        assert server.keeps
        with client(server) as connection:
            connection.set("key", "value")
    other = {"username": AWKWARD.replace(" ", ""), "password": "second"}
    with started(RedisProvisioner(), folder, **other) as server, client(server) as connection:
        assert connection.get("key") == b"value"


def client(server: Provisioned) -> redis.Redis:
    entry = server.entry
    return redis.Redis(host=HOST, port=entry["port"], username=entry["username"], password=entry["password"])


@pytest.mark.parametrize("former", ["Redis 99.0", "Valkey 1.0", "Another"])
def test_data_of_a_newer_or_another_server_than_redis_are_refused_with_what_to_do(folder, former):
    with started(RedisProvisioner(), folder) as server:
        program = "Valkey" if "valkey" in str(server.command) else "Redis"
    if former.startswith(program):
        former = f"{program} 99.0"
    (folder / "version").write_text(former)
    with pytest.raises(RunError, match=f"were written by {former}, which {program} .* unable to read. Put {former} on"):
        RedisProvisioner().provision_kept({}, folder, 1)


def test_an_older_version_s_data_are_taken(folder):
    with started(RedisProvisioner(), folder) as server:
        program = "Valkey" if "valkey" in str(server.command) else "Redis"
    (folder / "version").write_text(f"{program} 2.0")
    with started(RedisProvisioner(), folder):
        assert (folder / "version").read_text() != f"{program} 2.0"


def test_sqlite_keeps_its_file(tmp_path):
    for expected in (1, 2):
        provisioned = SqliteProvisioner().provision_kept({}, tmp_path, 1)
        assert provisioned is not None
        name = provisioned.entry["name"]
        with closing(sqlite3.connect(name)) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS orders (number int)")
            connection.execute("INSERT INTO orders VALUES (1)")
            assert connection.execute("SELECT count(*) FROM orders").fetchone() == (expected,)
    assert SqliteProvisioner().provision_kept({"name": ":memory:"}, tmp_path, 1) is None


def test_a_server_whose_data_are_not_kept_writes_none(folder):
    provisioned = RedisProvisioner().provision({}, folder, 1)
    assert not provisioned.keeps
    assert "appendonly no" in (folder / "redis.conf").read_text()
    assert provisioned.stop_signal == signal.SIGTERM
