"""What a platform's source reads reaches drivers and clients."""

from __future__ import annotations

import pytest

import architect.sdk as architect

PEM = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"


@pytest.fixture(autouse=True)
def forget():
    architect.reset()  # another test may have resolved something
    yield
    architect.reset()


@pytest.fixture
def binding(monkeypatch, tmp_path):
    """Makes a service binding with these files; returns its folder."""

    def make(name, files):
        folder = tmp_path / "bindings" / name
        folder.mkdir(parents=True)
        for key, value in files.items():
            (folder / key).write_text(value)
        monkeypatch.setenv("SERVICE_BINDING_ROOT", str(tmp_path / "bindings"))
        return folder

    return make


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


def test_a_binding_s_authority_reaches_the_driver(binding):
    folder = binding("db", {"type": "postgresql", "host": "db", "username": "app", "password": "p", "ca.crt": "PEM"})
    assert architect.datastore("db").for_driver("psycopg")["sslrootcert"] == str(folder / "ca.crt")


def test_a_binding_s_sslmode_and_authority_reach_the_driver(binding):
    folder = binding("db", {"type": "postgresql", "host": "h", "sslmode": "verify-full", "ca.crt": PEM})
    arguments = architect.datastore("db").for_driver("psycopg")
    assert (arguments["sslmode"], arguments["sslrootcert"]) == ("verify-full", str(folder / "ca.crt"))


def test_a_binding_s_file_that_is_a_certificate_is_used_as_one(binding):
    files = {"type": "postgresql", "host": "h", "sslmode": "verify-full", "sslrootcert": PEM, "sslcert": "/c.pem"}
    folder = binding("db", files)
    assert architect.datastore("db").options == {
        "sslmode": "verify-full",
        "ca": str(folder / "sslrootcert"),
        "certificate": "/c.pem",
    }


@pytest.mark.parametrize("engine", ["sqlserver", "mongodb", "s3"])
@pytest.mark.parametrize("how", ["by default", "by its name", "as an object"])
def test_files_of_a_binding_that_an_engine_does_not_use_are_attributes(binding, engine, how):
    from architect_sources.bindings import BindingSource

    folder = binding("db", {"type": engine, "host": "db", "tls.crt": "PEM", "tls.key": "PEM"})
    source = {"by default": None, "by its name": "bindings", "as an object": BindingSource()}[how]
    assert architect.Resolver(source=source).datastore("db")["key"] == str(folder / "tls.key")


def test_an_engine_of_a_platform_that_no_plugin_serves_is_generic(binding):
    binding("events", {"type": "kafka", "bootstrap-servers": "k:9092", "password": "p"})
    events = architect.datastore("events")
    assert (events["bootstrap-servers"], events.password) == ("k:9092", "p")
