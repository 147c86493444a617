"""DuckDB: its files are opened by its driver and by SQLAlchemy; MotherDuck's names and tokens are handed on."""

from __future__ import annotations

import pickle
import shutil
from contextlib import closing
from typing import Any

import duckdb
import pytest
import sqlalchemy
from datastore_reading import credentials
from datastore_texts import TEXTS

from architect_core.exceptions import ConfigError

# duckdb-engine's own, with SQLAlchemy's names of PostgreSQL
pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning", "ignore:duckdb-engine:Warning")

MODE = "SELECT current_setting('access_mode'), current_setting('threads')"


def over_duckdb(db: Any, query: str) -> tuple[Any, ...]:
    with closing(duckdb.connect(**db.for_driver("duckdb"))) as connection:
        return tuple(connection.execute(query).fetchone())


def over_sqlalchemy(db: Any, query: str) -> tuple[Any, ...]:
    engine = sqlalchemy.create_engine(**db.for_driver("sqlalchemy"))
    try:
        with engine.connect() as connection:
            return tuple(connection.execute(sqlalchemy.text(query)).one())
    finally:
        engine.dispose()


DRIVERS = {"duckdb": over_duckdb, "sqlalchemy": over_sqlalchemy}
each_driver = pytest.mark.parametrize("driver", DRIVERS)


def made(path: Any) -> None:
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute("CREATE TABLE t AS SELECT 42 AS answer")


@each_driver
def test_a_file_of_any_name_is_opened_by_its_name_and_by_its_url(tmp_path, driver):
    template = tmp_path / "template"
    made(template)
    for text in TEXTS:
        if "/" in text or "\\" in text:  # which DuckDB takes for a folder
            continue
        path = tmp_path / f"{text}.duckdb"
        shutil.copy(template, path)
        db = credentials(type="duckdb", name=str(path))
        for each in (db, credentials(url=db.url)):
            assert (each.engine, each.name) == ("duckdb", str(path))
            assert DRIVERS[driver](each, "SELECT answer FROM t") == (42,)
        assert pickle.loads(pickle.dumps(db)).for_driver(driver) == db.for_driver(driver)


@each_driver
@pytest.mark.parametrize("query", ["read_only=true", "access_mode=READ_ONLY", "access_mode=read_only"])
def test_settings_of_a_url_reach_the_database(tmp_path, monkeypatch, driver, query):
    made(tmp_path / "x.duckdb")
    monkeypatch.chdir(tmp_path)
    db = credentials(url=f"duckdb:///x.duckdb?{query}&threads=3")
    assert db.url == "duckdb:///x.duckdb?access_mode=read_only&threads=3"
    for each in (db, credentials(url=db.url)):
        assert DRIVERS[driver](each, MODE) == ("read_only", 3)
    with pytest.raises(Exception, match="read-only"):
        DRIVERS[driver](db, "CREATE TABLE u AS SELECT 1")


@each_driver
def test_options_of_an_entry_reach_the_database(tmp_path, driver):
    made(tmp_path / "x.duckdb")
    options = {"read_only": True, "threads": 2}
    assert DRIVERS[driver](credentials(type="duckdb", name=str(tmp_path / "x.duckdb"), options=options), MODE) == (
        "read_only",
        2,
    )


@each_driver
@pytest.mark.parametrize("url", ["duckdb://", "duckdb:///", "duckdb:///:memory:", "duckdb+duckdb://"])
def test_a_url_without_a_path_is_memory(driver, url):
    db = credentials(url=url)
    assert (db.name, db.url) == (":memory:", "duckdb:///:memory:")
    assert DRIVERS[driver](db, "SELECT 1") == (1,)


# an entry -> the arguments of duckdb.connect, and SQLAlchemy's URL
CLOUD: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"url": "duckdb:///md:shop"}, {"database": "md:shop"}),
    ({"url": "duckdb:///md:shop?motherduck_token=k"}, {"database": "md:shop", "config": {"motherduck_token": "k"}}),
    ({"url": "motherduck:///shop?motherduck_token=k"}, {"database": "md:shop", "config": {"motherduck_token": "k"}}),
    ({"url": "motherduck:///"}, {"database": "md:"}),
    ({"type": "motherduck", "name": "shop"}, {"database": "md:shop"}),
    (
        {"type": "duckdb", "name": "md:shop", "password": "k"},
        {"database": "md:shop", "config": {"motherduck_token": "k"}},
    ),
    (
        {"type": "motherduck", "name": "shop", "options": {"motherduck_token": "k", "saas_mode": True}},
        {"database": "md:shop", "config": {"motherduck_token": "k", "saas_mode": True}},
    ),
]


@pytest.mark.parametrize(("entry", "arguments"), CLOUD)
def test_motherduck_has_its_name_and_its_token(entry, arguments):
    db = credentials(**entry)
    assert db.for_driver("duckdb") == arguments
    assert "'k'" not in repr(db)
    config = {key: value for key, value in arguments.items() if key != "database"}
    expected = {"url": f"duckdb:///{arguments['database']}", **({"connect_args": config} if config else {})}
    assert db.for_driver("sqlalchemy") == expected


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "duckdb"},
        {"type": "duckdb", "name": "x", "host": "canary"},
        {"type": "duckdb", "name": "x", "port": 1},
        {"url": "duckdb://canary/x"},
        {"url": "motherduck://canary"},
        {"url": "duckdb+tls:///canary"},
        {"type": "duckdb", "url": "sqlite:///canary"},
        {"type": "duckdb", "name": "x", "options": {"read_only": "canary"}},
        {"url": "duckdb:///x?read_only=canary"},
    ],
)
def test_a_wrong_entry_is_an_error_that_repeats_no_value(entry):
    with pytest.raises(ConfigError) as caught:
        credentials(**entry)
    assert "canary" not in str(caught.value)


def test_a_connection_string_of_duckdb_net_is_a_path():
    assert credentials(type="duckdb", connection_string="DataSource=shop.duckdb").name == "shop.duckdb"
