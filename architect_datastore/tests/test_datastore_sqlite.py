"""`architect run` gets a SQLite database whose credentials open it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from architect_core.exceptions import RunError
from architect_datastore.sqlite import SqliteProvisioner


def write_and_read(name: str) -> int:
    with closing(sqlite3.connect(name)) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS orders (number int)")
        connection.execute("INSERT INTO orders VALUES (1)")
        return connection.execute("SELECT count(*) FROM orders").fetchone()[0]


@pytest.mark.parametrize("wanted", [{}, {"name": "shop.db"}, {"name": "a @:?#%\"'\\ ünïcode", "username": "ignored"}])
def test_the_name_opens_a_database_that_stays(tmp_path, datastore, wanted):
    provisioned = SqliteProvisioner().provision(wanted, tmp_path, 1)
    db = datastore(**provisioned.entry)
    assert provisioned.command is None
    assert (db.engine, Path(db.name).parent) == ("sqlite", tmp_path)
    assert Path(db.name).name == wanted.get("name", "data.db")
    assert [write_and_read(db.name), write_and_read(db.name)] == [1, 2]


def test_the_url_names_the_same_file(tmp_path, datastore):
    provisioned = SqliteProvisioner().provision({"name": "a ?#%ü.db"}, tmp_path, 1)
    url = datastore(**provisioned.entry).url
    assert datastore(url=url).name == provisioned.entry["name"]


def test_nobody_else_can_read_the_file(tmp_path):
    SqliteProvisioner().provision({}, tmp_path, 1)
    assert (tmp_path / "data.db").stat().st_mode & 0o077 == 0


def test_a_database_in_memory_stays_one(tmp_path, datastore):
    provisioned = SqliteProvisioner().provision({"name": ":memory:"}, tmp_path, 1)
    assert write_and_read(datastore(**provisioned.entry).name) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../canary.db", "must be a file's name without a folder"),
        ("/tmp/canary.db", "must be a file's name without a folder"),
        ("canary/x.db", "must be a file's name without a folder"),
        ("..", "must be a file's name without a folder"),
        (".", "must be a file's name without a folder"),
        ("", "is empty"),
        ("canary\0.db", "no text"),
        ("canary" * 50, "cannot be created in .*: File name too long"),
    ],
)
def test_a_name_that_is_no_file_in_the_folder_is_refused(tmp_path, name, reason):
    folder = tmp_path / "run"
    folder.mkdir()
    with pytest.raises(RunError, match=reason) as caught:
        SqliteProvisioner().provision({"name": name}, folder, 1)
    assert "canary" not in str(caught.value)
    assert list(tmp_path.rglob("*")) == [folder]
