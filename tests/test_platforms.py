"""What platforms say reaches drivers and clients."""

from __future__ import annotations

import pytest

import architect.sdk as architect


@pytest.fixture(autouse=True)
def forget():
    architect.reset()  # another test may have asked
    yield
    architect.reset()


def test_a_connection_string_of_aspire_is_read_by_its_engine_s_plugin(monkeypatch):
    monkeypatch.setenv("ConnectionStrings__primary-db", "Host=db;Port=5433;Username=app;Password='p;w';Database=shop")
    monkeypatch.setenv("ConnectionStrings__cache", "cache:6380,password=s3cret,ssl=true")
    db = architect.datastore("primary_db")
    assert (db.engine, db.host, db.port, db.username, db.password, db.name) == (
        "postgres",
        "db",
        5433,
        "app",
        "p;w",
        "shop",
    )
    assert db.for_driver("psycopg")["password"] == "p;w"
    assert (architect.datastore("cache").engine, architect.datastore("cache").port) == ("redis", 6380)


def test_a_binding_s_authority_reaches_the_driver(monkeypatch, tmp_path):
    folder = tmp_path / "bindings" / "db"
    folder.mkdir(parents=True)
    for key, value in {"type": "postgresql", "host": "db", "username": "app", "password": "p", "ca.crt": "PEM"}.items():
        (folder / key).write_text(value)
    monkeypatch.setenv("SERVICE_BINDING_ROOT", str(tmp_path / "bindings"))
    assert architect.datastore("db").for_driver("psycopg")["sslrootcert"] == str(folder / "ca.crt")


@pytest.mark.parametrize("engine", ["sqlserver", "mongodb", "s3"])
def test_files_of_a_binding_that_an_engine_takes_none_of_are_attributes(monkeypatch, tmp_path, engine):
    folder = tmp_path / "bindings" / "db"
    folder.mkdir(parents=True)
    for key, value in {"type": engine, "host": "db", "tls.crt": "PEM", "tls.key": "PEM"}.items():
        (folder / key).write_text(value)
    monkeypatch.setenv("SERVICE_BINDING_ROOT", str(tmp_path / "bindings"))
    assert architect.datastore("db")["key"] == str(folder / "tls.key")


def test_an_engine_that_no_plugin_serves_is_generic_where_a_platform_says_it(monkeypatch, tmp_path):
    folder = tmp_path / "bindings" / "events"
    folder.mkdir(parents=True)
    for key, value in {"type": "kafka", "bootstrap-servers": "k:9092", "password": "p"}.items():
        (folder / key).write_text(value)
    monkeypatch.setenv("SERVICE_BINDING_ROOT", str(tmp_path / "bindings"))
    events = architect.datastore("events")
    assert (events["bootstrap-servers"], events.password) == ("k:9092", "p")
