"""SQLite's drivers open the file with what `for_driver` gives them."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from datastore_connecting import over_dbapi, over_django, over_sqlalchemy
from datastore_texts import AWKWARD, TEXTS

from architect_core.exceptions import DriverError

DRIVERS = {
    "sqlite3": lambda arguments, query: over_dbapi(sqlite3.connect, arguments, query),
    "sqlalchemy": over_sqlalchemy,
    "sqlalchemy+pysqlite": over_sqlalchemy,
    "django": over_django,
}


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_file_of_any_name_is_opened_by_name_and_by_url(datastore, tmp_path, monkeypatch, driver):
    monkeypatch.chdir(tmp_path)
    names = [text.replace("/", "_") for text in TEXTS]
    for name in (*(f"{text}.db" for text in names), *(str(tmp_path / text) for text in names)):
        with closing(sqlite3.connect(name)) as connection, connection:
            connection.execute("CREATE TABLE found (name)")
            connection.execute("INSERT INTO found VALUES (?)", (name,))
        db = datastore(type="sqlite", name=name)
        for each in (db, datastore(url=db.url)):
            assert DRIVERS[driver](each.for_driver(driver), "SELECT name FROM found") == (name,)


@pytest.mark.parametrize("driver", DRIVERS)
def test_memory_is_opened_too(datastore, driver):
    db = datastore(url="sqlite://")
    assert DRIVERS[driver](db.for_driver(driver), "SELECT 1") == (1,)


@pytest.mark.parametrize("entry", [{"type": "sqlite"}, {}])
def test_a_connection_string_names_the_file(datastore, entry):
    text = 'Data Source="' + AWKWARD.replace('"', '""') + '";Cache=Shared'
    assert datastore(**entry, connection_string=text).for_driver("sqlite3") == {"database": AWKWARD}


def test_a_name_that_aiosqlite_cannot_open_through_sqlalchemy_is_refused(datastore):
    assert datastore(type="sqlite", name="a b").for_driver("sqlalchemy+aiosqlite")["url"] == "sqlite+aiosqlite:///a b"
    with pytest.raises(DriverError, match="cannot open a file whose name has"):
        datastore(type="sqlite", name="a?b").for_driver("sqlalchemy+aiosqlite")
